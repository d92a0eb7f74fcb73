//! The open requests of a lane.

use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::Header;
use hostd_protocol::frame::{Flags, FrameKind};
use hostd_protocol::ids::CallId;
use hostd_protocol::ids::Generation;
use hostd_protocol::limits::Limits;
use hostd_protocol::pending::*;

fn header(kind: FrameKind, number: u16, call: CallId) -> Header {
    Header {
        body_len: 0,
        kind,
        flags: Flags::NONE,
        number,
        call,
        generation: Generation(1),
    }
}

#[test]
fn nested_conversation_closes_from_the_inside() {
    let mut pending = Pending::new(&Limits::DEFAULT);
    let outer = pending.ask(2).unwrap();
    pending.asked(CallId(9), 32).unwrap();
    let inner = pending.ask(5).unwrap();
    assert_ne!(outer, inner);
    assert!(
        pending
            .answered(&header(FrameKind::Reply, 2, outer))
            .is_err()
    );
    pending
        .answered(&header(FrameKind::Reply, 5, inner))
        .unwrap();
    assert_eq!(pending.answer().unwrap().call, CallId(9));
    pending
        .answered(&header(FrameKind::Failure, 2, outer))
        .unwrap();
    assert_eq!(pending.depth(), 0);
}

#[test]
fn reply_of_another_id_or_number_is_a_violation() {
    let mut pending = Pending::new(&Limits::DEFAULT);
    assert!(
        pending
            .answered(&header(FrameKind::Reply, 2, CallId(1)))
            .is_err()
    );
    let call = pending.ask(2).unwrap();
    assert!(
        pending
            .answered(&header(FrameKind::Reply, 2, call.next()))
            .is_err()
    );
    assert!(
        pending
            .answered(&header(FrameKind::Reply, 3, call))
            .is_err()
    );
    assert!(pending.answer().is_err());
    pending
        .answered(&header(FrameKind::Reply, 2, call))
        .unwrap();
    assert!(
        pending
            .answered(&header(FrameKind::Reply, 2, call))
            .is_err()
    );
}

#[test]
fn two_requests_in_a_row_are_a_violation() {
    let mut pending = Pending::new(&Limits::DEFAULT);
    pending.asked(CallId(1), 2).unwrap();
    assert!(pending.asked(CallId(2), 2).is_err());
    pending.ask(32).unwrap();
    assert!(pending.ask(32).is_err());
}

#[test]
fn nesting_past_the_limit_is_refused() {
    let mut pending = Pending::new(&Limits {
        nested_requests: 4,
        ..Limits::DEFAULT
    });
    for _ in 0..2 {
        pending.ask(2).unwrap();
        pending.asked(CallId(1), 32).unwrap();
    }
    assert!(matches!(pending.ask(2), Err(ProtocolError::Limit { .. })));
    pending.answer().unwrap();
    assert_eq!(pending.depth(), 3);
}
