//! A client that breaks the rules: refused, named, and nothing worse.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::{FrameKind, HEADER_BYTES};
use hostd_protocol::ids::SlotId;

use crate::peer::Peer;

#[test]
fn ids_that_were_never_issued_are_stale() {
    let mut peer = Peer::start();
    let id = peer.lend("(x => x)");
    assert_eq!(peer.call(999, 0, |_| ()).unwrap_err(), "Stale(999)");
    assert_eq!(
        peer.call(u32::MAX, 0, |_| ()).unwrap_err(),
        format!("Stale({})", u32::MAX)
    );
    let stale = SlotId::new(77).unwrap();
    assert_eq!(peer.call(id, 1, |w| w.own(stale)).unwrap_err(), "Stale(77)");
    let text = peer
        .ask(CallKind::Watch, |out| out.put_u32(78))
        .unwrap_err();
    assert_eq!(text, "Stale(78)");
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn unknown_call_is_unsupported() {
    let mut peer = Peer::start();
    peer.send(FrameKind::Request, 999, |_| ());
    let text = peer.failure();
    assert!(
        text.contains("Unsupported") && text.contains("999"),
        "{text}"
    );
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn call_of_the_host_is_refused() {
    let mut peer = Peer::start();
    peer.send(FrameKind::Request, CallKind::Invoke.number(), |_| ());
    assert!(peer.failure().contains("Unsupported"));
}

#[test]
fn release_of_what_is_not_held_ends_the_session() {
    let mut peer = Peer::start();
    let error = peer.release(&[(5, 1)]).unwrap_err();
    assert!(
        error.contains("Host") && error.contains("never lent"),
        "{error}"
    );
    assert!(peer.ended().contains("never lent"));
}

#[test]
fn body_that_means_nothing_ends_the_session() {
    for body in [
        &[0xFF; 40][..],
        &[1],
        &[],
        &[1, 0, 0, 0, 0, 1, 0, 0, 0, 200],
    ] {
        let mut peer = Peer::start();
        peer.lend("(x => x)");
        peer.send(FrameKind::Request, CallKind::Call.number(), |out| {
            out.put_bytes(body).unwrap();
        });
        let text = peer.failure();
        assert!(
            text.contains("this session ends") || text.contains("Stale"),
            "{body:?}: {text}"
        );
        if text.contains("ends") {
            assert!(peer.ended().contains("malformed"));
        }
    }
}

#[test]
fn reference_forward_and_hole_outside_an_array_are_malformed() {
    for tag in [&[20, 9, 0, 0, 0][..], &[19], &[23, 0, 0, 0, 0]] {
        let mut peer = Peer::start();
        let id = peer.lend("(x => x)");
        peer.send(FrameKind::Request, CallKind::Call.number(), |out| {
            out.put_u32(id);
            out.put_u8(0);
            out.put_u32(1);
            out.put_bytes(tag).unwrap();
        });
        assert!(peer.failure().contains("this session ends"), "{tag:?}");
    }
}

#[test]
fn reply_that_nobody_asked_for_ends_the_session() {
    let mut peer = Peer::start();
    peer.send(FrameKind::Reply, 2, |_| ());
    assert!(peer.ended().contains("without a request"));
}

#[test]
fn gibberish_ends_the_session() {
    let mut peer = Peer::start();
    peer.send_raw(&[0xAB; HEADER_BYTES * 3]);
    assert!(!peer.ended().is_empty());
}

#[test]
fn wrong_reply_to_a_callback_ends_the_session() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => f())");
    peer.send(FrameKind::Request, CallKind::Call.number(), |out| {
        out.put_u32(id);
        out.put_u8(0);
        out.put_u32(1);
        out.lent(SlotId::new(1).unwrap(), 0, 0);
    });
    peer.send(FrameKind::Reply, CallKind::Invoke.number() + 1, |out| {
        out.undefined();
    });
    assert!(peer.ended().contains("innermost"));
}

#[test]
fn client_that_goes_in_the_middle_of_a_callback_ends_the_session() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => { for (;;) { try { f() } catch {} } })");
    peer.send(FrameKind::Request, CallKind::Call.number(), |out| {
        out.put_u32(id);
        out.put_u8(0);
        out.put_u32(1);
        out.lent(SlotId::new(1).unwrap(), 0, 0);
    });
    peer.disconnect();
    assert!(peer.ended().contains("closed"));
}

#[test]
fn close_tears_down_in_order() {
    let mut peer = Peer::start();
    peer.lend("(() => 1)");
    let closer = peer.closer.clone();
    closer.close();
    assert_eq!(peer.ended(), "closed");
    assert!(closer.is_over());
}

#[test]
fn script_that_is_not_text_is_a_type_error() {
    let mut peer = Peer::start();
    let error = peer
        .ask(CallKind::RunScript, |out| out.int32(1))
        .unwrap_err();
    assert!(error.contains("needs a str"), "{error}");
}

#[test]
fn missing_addon_is_a_load_error() {
    let mut peer = Peer::start();
    let request = hostd_protocol::message::LoadRequest::Addon {
        path: b"/nowhere/x.node".to_vec(),
    };
    let error = peer
        .ask(CallKind::Load, |out| {
            hostd_protocol::message::write(out, &request).unwrap();
        })
        .unwrap_err();
    assert!(
        error.contains("Load") && error.contains("/nowhere/x.node"),
        "{error}"
    );
}
