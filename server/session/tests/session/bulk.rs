//! Many calls in one message.

use hostd_protocol::calls::CallKind;
use hostd_protocol::value::ValueWriter;

use crate::peer::{Answer, Peer, id_of};

/// The operation that calls a function without `this`.
fn function(out: &mut ValueWriter<'_>, id: u32) {
    out.put_u8(0);
    out.put_u32(id);
    out.put_u8(0);
}

fn bulk(
    peer: &mut Peer,
    operation: impl FnOnce(&mut ValueWriter<'_>),
    stops: bool,
    (rows, width): (u32, u32),
    values: &[i32],
) -> Answer {
    peer.ask(CallKind::Bulk, |out| {
        operation(out);
        out.put_u8(stops.into());
        out.put_u32(rows);
        out.put_u32(width);
        out.put_count(values.len()).unwrap();
        for &value in values {
            out.int32(value);
        }
    })
}

#[test]
fn rows_are_called_in_order_with_their_values() {
    let mut peer = Peer::start();
    let id = peer.lend("((a, b) => a * 10 + b)");
    let answer = bulk(
        &mut peer,
        |out| function(out, id),
        true,
        (3, 2),
        &[1, 2, 3, 4, 5, 6],
    );
    assert_eq!(answer.unwrap(), "i32[12, 34, 56]");
    let answer = bulk(&mut peer, |out| function(out, id), true, (2, 0), &[]);
    assert_eq!(answer.unwrap(), "f64[NaN, NaN]");
}

#[test]
fn failure_ends_the_rows_or_is_noted() {
    let mut peer = Peer::start();
    let id = peer.lend("(x => { if (x > 1) throw x; return -x; })");
    let answer = bulk(
        &mut peer,
        |out| function(out, id),
        true,
        (4, 1),
        &[0, 1, 2, 3],
    );
    assert_eq!(answer.unwrap(), "f64[-0.0, -1.0], 2 true 2");
    let answer = bulk(
        &mut peer,
        |out| function(out, id),
        false,
        (4, 1),
        &[3, 1, 2, 1],
    );
    assert_eq!(
        answer.unwrap(),
        "[undefined, -1, undefined, -1], 0 true 3, 2 true 2"
    );
}

#[test]
fn methods_classes_and_properties() {
    let mut peer = Peer::start();
    let object = peer.lend("new (class { n = 0; f(k) { return this.n += k; } })()");
    let method = |out: &mut ValueWriter<'_>| {
        out.put_u8(1);
        out.put_u32(object);
        out.str("f").unwrap();
    };
    let answer = bulk(&mut peer, method, true, (3, 1), &[1, 2, 3]);
    assert_eq!(answer.unwrap(), "i32[1, 3, 6]");
    let class = peer.lend("(class { constructor(n) { this.n = n; } })");
    let construct = |out: &mut ValueWriter<'_>| {
        out.put_u8(2);
        out.put_u32(class);
        out.put_u8(0);
    };
    let text = bulk(&mut peer, construct, true, (1, 1), &[7]).unwrap();
    let made = id_of(&text);
    let read = |key: &'static str| {
        move |out: &mut ValueWriter<'_>| {
            out.put_u8(3);
            out.str(key).unwrap();
            out.put_u8(1);
            out.put_u32(2);
            out.put_u32(1);
            out.put_u32(2);
            out.own(hostd_protocol::ids::SlotId::new(made).unwrap());
            out.own(hostd_protocol::ids::SlotId::new(made).unwrap());
        }
    };
    assert_eq!(peer.ask(CallKind::Bulk, read("n")).unwrap(), "i32[7, 7]");
    assert_eq!(
        peer.ask(CallKind::Bulk, read("none")).unwrap(),
        "[], 0 false undefined"
    );
}

#[test]
fn rows_that_do_not_fit_their_number_end_the_session() {
    for (rows, width, values) in [
        (0, 1, &[][..]),
        (2, 1, &[1][..]),
        (1, 2, &[1][..]),
        (u32::MAX, u32::MAX, &[1][..]),
        (u32::MAX, 0, &[][..]),
    ] {
        let mut peer = Peer::start();
        let id = peer.lend("(x => x)");
        let refused = bulk(
            &mut peer,
            |out| function(out, id),
            true,
            (rows, width),
            values,
        );
        assert!(refused.unwrap_err().contains("this session ends"));
        assert!(peer.ended().contains("rows"));
    }
}

#[test]
fn unknown_operation_ends_the_session() {
    let mut peer = Peer::start();
    let refused = bulk(&mut peer, |out| out.put_u8(4), true, (1, 1), &[1]);
    assert!(refused.unwrap_err().contains("this session ends"));
    assert!(peer.ended().contains("unknown operation"));
}
