//! Live objects of the client: what travels, and what never does.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{ClientKind, ValueWriter};

use crate::peer::{Asked, Peer};

fn remote(w: &mut ValueWriter<'_>, kind: ClientKind) {
    w.lent(SlotId::new(6).unwrap(), kind.code(), 0);
}

/// A client whose object has `x` = 1 and takes every set of `y`.
fn answer(asked: &Asked, w: &mut ValueWriter<'_>, log: &mut Vec<String>) -> FrameKind {
    log.push(format!("{:?} {}", asked.call, asked.values.join(" ")));
    let known = asked
        .values
        .first()
        .is_some_and(|key| key == "\"x\"" || key == "0");
    match asked.call {
        CallKind::RemoteGet => {
            w.put_u8(u8::from(known));
            if known { w.int32(1) } else { w.undefined() }
        }
        CallKind::RemoteHas | CallKind::RemoteDelete => w.put_u8(u8::from(known)),
        CallKind::RemoteKeys => {
            let list = w.open_array().unwrap();
            w.str("x").unwrap();
            w.int32(0);
            w.close(list, 2);
        }
        _ => {}
    }
    FrameKind::Reply
}

fn run(source: &str, kind: ClientKind) -> (String, Vec<String>) {
    let mut peer = Peer::start();
    let id = peer.lend(source);
    let mut log = Vec::new();
    let text = peer
        .call_with(id, 1, |w| remote(w, kind), &mut |_, asked, w| {
            answer(asked, w, &mut log)
        })
        .unwrap_or_else(|error| error);
    (text, log)
}

#[test]
fn get_set_has_keys_and_delete_travel() {
    let source = "(o => [o.x, o.z, (o.y = 5), 'x' in o, Object.keys(o), delete o.x])";
    let (text, log) = run(source, ClientKind::Exposed);
    assert_eq!(text, "[1, undefined, 5, true, [\"0\", \"x\"], true]");
    assert_eq!(log[0], "RemoteGet \"x\"");
    assert_eq!(log[1], "RemoteGet \"z\"");
    assert_eq!(log[2], "RemoteSet \"y\" 5");
    assert_eq!(log[3], "RemoteHas \"x\"");
    assert_eq!(log[4], "RemoteKeys ");
    assert_eq!(log.last().unwrap(), "RemoteDelete \"x\"");
}

#[test]
fn index_travels_as_a_number() {
    let (text, log) = run("(o => o[0])", ClientKind::Sequence);
    assert_eq!((text.as_str(), log[0].as_str()), ("1", "RemoteGet 0"));
}

#[test]
fn symbols_and_the_engine_s_own_questions_stay_here() {
    let source =
        "(o => [o[Symbol.iterator], o.then, o.constructor === Object, o.toJSON, typeof o])";
    let (text, log) = run(source, ClientKind::Exposed);
    assert_eq!(text, "[undefined, undefined, true, undefined, \"object\"]");
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn opaque_object_is_identity_and_nothing_else() {
    let source = "(o => [o.x, 'x' in o, Object.keys(o), o])";
    let (text, log) = run(source, ClientKind::Opaque);
    assert_eq!(text, "[undefined, false, [], own(6)]");
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn unknown_kind_is_refused_and_released() {
    let mut peer = Peer::start();
    let id = peer.lend("(o => o)");
    let error = peer
        .call(id, 1, |w| w.lent(SlotId::new(6).unwrap(), 99, 0))
        .unwrap_err();
    assert!(
        error.contains("Unsupported") && error.contains("99"),
        "{error}"
    );
    peer.script("0").unwrap();
    assert_eq!(peer.released, [(6, 1, 0)]);
}
