//! What a call changes in the data it brought comes back, and nothing else does.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{ElementKind, ValueWriter};

use crate::peer::{Answer, Asked, Peer};

/// Calls a function with the arguments; the write-back that came with the reply.
fn changes(source: &str, count: u32, arguments: impl FnOnce(&mut ValueWriter<'_>)) -> Vec<String> {
    let mut peer = Peer::start();
    let id = peer.lend(source);
    peer.call(id, count, arguments).unwrap();
    peer.changes.clone()
}

/// `["a", {k: 1, l: [2]}, 3.5]`: compounds 0, 1 and 2.
fn nested(w: &mut ValueWriter<'_>) {
    let list = w.open_array().unwrap();
    w.str("a").unwrap();
    let object = w.open_object().unwrap();
    w.str("k").unwrap();
    w.int32(1);
    w.str("l").unwrap();
    let inner = w.open_array_i32().unwrap();
    w.push_i32(2);
    w.close(inner, 1);
    w.close(object, 2);
    w.float(3.5);
    w.close(list, 3);
}

#[test]
fn nothing_comes_back_when_nothing_changed() {
    assert!(changes("(x => JSON.stringify(x).length)", 1, nested).is_empty());
    assert!(changes("(x => { x[0] = 'b'; x[0] = 'a' })", 1, nested).is_empty());
}

#[test]
fn changed_slots_come_back() {
    assert_eq!(
        changes("(x => { x[0] = 'b' })", 1, nested),
        ["0: array 3 0=\"b\""]
    );
    assert_eq!(
        changes("(x => { x.push(null, x) })", 1, nested),
        ["0: array 5 3=null 4=request_object(0)"]
    );
    assert_eq!(
        changes("(x => { x.length = 1 })", 1, nested),
        ["0: array 1"]
    );
    assert_eq!(
        changes("(x => { x[1].l[0] = 7 })", 1, nested),
        ["2: array 1 0=7"]
    );
}

#[test]
fn changed_keys_come_back() {
    let source = "(x => { x[1].k = 2; delete x[1].l; x[1].m = x[0] })";
    assert_eq!(
        changes(source, 1, nested),
        ["1: object \"k\"=2 \"m\"=\"a\" -\"l\""]
    );
}

#[test]
fn new_objects_in_old_ones_come_along_and_old_ones_are_named() {
    let source = "(x => { x[0] = [x[1], {n: 1}] })";
    assert_eq!(
        changes(source, 1, nested),
        ["0: array 3 0=[request_object(1), {n: 1}]"]
    );
}

#[test]
fn every_argument_is_looked_at() {
    let source = "((a, n, b) => { b.y = 1 })";
    let arguments = |w: &mut ValueWriter<'_>| {
        nested(w);
        w.int32(1);
        let object = w.open_object().unwrap();
        w.close(object, 0);
    };
    assert_eq!(changes(source, 3, arguments), ["3: object \"y\"=1"]);
}

#[test]
fn sets_and_maps_are_refilled() {
    let set = |w: &mut ValueWriter<'_>| {
        let set = w.open_set().unwrap();
        w.int32(1);
        w.close(set, 1);
    };
    assert_eq!(
        changes("(s => { s.add('n') })", 1, set),
        ["0: refilled 1 \"n\""]
    );
    assert!(changes("(s => { s.add(1) })", 1, set).is_empty());
    let map = |w: &mut ValueWriter<'_>| {
        let map = w.open_map().unwrap();
        w.int32(1);
        w.str("a").unwrap();
        w.close(map, 1);
    };
    assert_eq!(
        changes("(m => { m.set(2, m) })", 1, map),
        ["0: refilled 1 \"a\" 2 request_object(0)"]
    );
}

#[test]
fn bytes_come_back_from_where_they_changed() {
    let buffer = |writable| {
        move |w: &mut ValueWriter<'_>| {
            w.buffer(ElementKind::Buffer, None, writable, &[1, 2, 3, 4, 5])
                .unwrap();
        }
    };
    assert_eq!(
        changes("(b => { b[1] = 9; b[3] = 8 })", 1, buffer(true)),
        ["0: bytes 1 [9, 3, 8]"]
    );
    assert!(changes("(b => { b[1] = 9 })", 1, buffer(false)).is_empty());
    assert!(changes("(b => { b[1] = 2 })", 1, buffer(true)).is_empty());
}

#[test]
fn changes_come_before_each_callback_and_only_once() {
    let mut peer = Peer::start();
    let id =
        peer.lend("((x, f) => { x[0] = 'b'; f(); f(); x.pop(); x[1].k = 0; f(x[1]); x[0] = 'c' })");
    let mut seen = Vec::new();
    let arguments = |w: &mut ValueWriter<'_>| {
        nested(w);
        w.lent(SlotId::new(2).unwrap(), 0, 0);
    };
    peer.call_with(id, 2, arguments, &mut |peer, _, w| {
        seen.push(std::mem::take(&mut peer.changes));
        w.undefined();
        FrameKind::Reply
    })
    .unwrap();
    assert_eq!(
        seen,
        [
            vec!["0: array 3 0=\"b\"".to_owned()],
            vec![],
            vec!["1: object \"k\"=0; 0: array 2".to_owned()],
        ]
    );
    assert_eq!(peer.changes, ["0: array 2 0=\"c\""]);
}

#[test]
fn changes_come_back_with_a_failure_too() {
    let mut peer = Peer::start();
    let id = peer.lend("(x => { x[0] = 'b'; throw 1 })");
    assert_eq!(peer.call(id, 1, nested).unwrap_err(), "thrown 1");
    assert_eq!(peer.changes, ["0: array 3 0=\"b\""]);
}

#[test]
fn array_that_became_endless_is_a_limit() {
    let mut peer = Peer::start();
    let id = peer.lend("(x => { x.length = 2 ** 32 - 1 })");
    let error = peer.call(id, 1, nested).unwrap_err();
    assert!(error.contains("Limit"), "{error}");
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn changes_that_a_script_makes_after_a_callback_are_seen() {
    let mut peer = Peer::start();
    let id = peer.lend("((x, f) => { x.push(1); f(); x.push(2); f(); x.push(3) })");
    let mut seen = Vec::new();
    let arguments = |w: &mut ValueWriter<'_>| {
        let list = w.open_array().unwrap();
        w.close(list, 0);
        w.lent(SlotId::new(2).unwrap(), 0, 0);
    };
    peer.call_with(id, 2, arguments, &mut |peer, _, w| {
        seen.append(&mut peer.changes);
        w.undefined();
        FrameKind::Reply
    })
    .unwrap();
    assert_eq!(seen, ["0: array 1 0=1", "0: array 2 1=2"]);
    assert_eq!(peer.changes, ["0: array 3 2=3"]);
}

// The other direction: what the client changed in the arguments of a callback.

/// Calls `source` with a callback that answers with this write-back block and `undefined`.
fn write_back(peer: &mut Peer, source: &str, block: fn(&mut ValueWriter<'_>)) -> Answer {
    let id = peer.lend(source);
    let callable = SlotId::new(3).unwrap();
    let mut answer = |peer: &mut Peer, _: &Asked, w: &mut ValueWriter<'_>| {
        peer.write_back = true;
        block(w);
        w.undefined();
        FrameKind::Reply
    };
    peer.call_with(id, 1, |w| w.lent(callable, 0, 0), &mut answer)
}

/// One changed compound.
fn one(w: &mut ValueWriter<'_>, index: u32, kind: u8) {
    w.put_u32(1);
    w.put_u32(index);
    w.put_u8(kind);
}

#[test]
fn what_the_client_changed_is_changed_in_place() {
    let mut peer = Peer::start();
    let source = "(f => { const a = ['x', {k: [1]}]; f(7, a); return [a, a[2] === a, a[1].k] })";
    let answer = write_back(&mut peer, source, |w| {
        // Compounds: 0 is the array, 1 the object, 2 the inner array.
        w.put_u32(2);
        w.put_u32(0);
        w.put_u8(0);
        w.put_u32(3);
        w.put_u32(1);
        w.put_u32(2);
        w.request_object(0);
        w.put_u32(2);
        w.put_u8(0);
        w.put_u32(0);
        w.put_u32(0);
        w.restart_numbering();
    });
    assert_eq!(answer.unwrap(), "[[\"x\", {k: []}, ref(1)], true, ref(3)]");
}

#[test]
fn nested_call_brings_what_the_client_changed() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => { globalThis.kept = {a: 1}; f(kept); return kept.b })");
    let look = peer.lend("(() => kept.a)");
    let callable = SlotId::new(3).unwrap();
    let mut seen = String::new();
    let answer = peer.call_with(id, 1, |w| w.lent(callable, 0, 0), &mut |peer, _, w| {
        peer.write_back = true;
        let nested = peer.ask(CallKind::Call, |out| {
            one(out, 0, 1);
            out.put_u32(2);
            for name in ["a", "b"] {
                out.str(name).unwrap();
                out.int32(5);
            }
            out.put_u32(0);
            out.restart_numbering();
            out.put_u32(look);
            out.put_u8(0);
            out.put_u32(0);
        });
        seen = nested.unwrap();
        w.undefined();
        FrameKind::Reply
    });
    assert_eq!((seen.as_str(), answer.unwrap().as_str()), ("5", "5"));
}

#[test]
fn write_back_that_makes_no_sense_ends_the_session() {
    let source = "(f => f([1], new Map(), {}))";
    let blocks: [fn(&mut ValueWriter<'_>); 9] = [
        // More changes than compounds.
        |w| w.put_u32(4),
        // A compound that was not sent.
        |w| one(w, 3, 0),
        // A kind that does not exist, and one that the compound can't have.
        |w| one(w, 0, 9),
        |w| one(w, 0, 1),
        |w| one(w, 1, 0),
        // A slot beyond the end.
        |w| {
            one(w, 0, 0);
            w.put_u32(1);
            w.put_u32(1);
            w.put_u32(1);
            w.null();
        },
        // A reference to a compound that was not sent.
        |w| {
            one(w, 0, 0);
            w.put_u32(1);
            w.put_u32(1);
            w.put_u32(0);
            w.request_object(77);
        },
        // A key without a value.
        |w| {
            one(w, 1, 2);
            w.put_u32(1);
            w.null();
        },
        // More items than can follow.
        |w| {
            one(w, 1, 2);
            w.put_u32(u32::MAX);
        },
    ];
    for block in blocks {
        let mut peer = Peer::start();
        write_back(&mut peer, source, block).unwrap_err();
        let ended = peer.ended();
        assert!(!ended.is_empty() && ended != "closed", "{ended}");
    }
}

#[test]
fn write_back_outside_of_a_callback_ends_the_session() {
    let mut peer = Peer::start();
    peer.write_back = true;
    peer.ask(CallKind::Stats, |out| out.put_u32(0)).unwrap_err();
    let ended = peer.ended();
    assert!(ended.contains("outside of a callback"), "{ended}");
}
