//! Scripts in the global scope, and microtasks after each call.

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::FrameKind;

use crate::peer::Peer;

#[test]
fn script_runs_in_the_global_scope() {
    let mut peer = Peer::start();
    peer.script("var counter = 1; function bump() { return ++counter }")
        .unwrap();
    assert_eq!(peer.script("bump() + globalThis.counter").unwrap(), "4");
}

#[test]
fn microtasks_run_before_the_reply_is_written() {
    let mut peer = Peer::start();
    let source = "var o = {}; Promise.resolve().then(() => { o.done = true }); o";
    assert_eq!(peer.script(source).unwrap(), "{done: true}");
}

#[test]
fn syntax_error_is_thrown() {
    let mut peer = Peer::start();
    let error = peer.script("1 +").unwrap_err();
    assert!(
        error.starts_with("thrown lent error(Syntax \"SyntaxError\""),
        "{error}"
    );
}

#[test]
fn runaway_recursion_is_a_range_error() {
    let mut peer = Peer::start();
    let error = peer
        .script("(function f() { return f() + 1 })()")
        .unwrap_err();
    assert!(
        error.contains("error(Range") && error.contains("call stack"),
        "{error}"
    );
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn cancel_word_ends_an_endless_loop() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => { f(); for (;;) ; })");
    // The callback sets the word while the call is under way.
    let answer = peer.call_with(
        id,
        1,
        |w| w.lent(hostd_protocol::ids::SlotId::new(1).unwrap(), 0, 0),
        &mut |peer, _, w| {
            peer.set_cancel(1);
            w.undefined();
            hostd_protocol::frame::FrameKind::Reply
        },
    );
    assert_eq!(answer.unwrap_err(), "Cancelled");
    peer.set_cancel(0);
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn exit_of_the_addon_reaches_the_process_and_ends_the_session() {
    let mut peer = Peer::start();
    let number = CallKind::RunScript.number();
    peer.send(FrameKind::Request, number, |out| {
        out.str("process.exit(3); globalThis.late = 1").unwrap();
    });
    assert_eq!(peer.ended(), ProtocolError::Disconnected.to_string());
    let code = crate::peer::EXIT.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(code, 3);
}

#[test]
fn turn_of_an_idle_host_has_nothing_more_to_do() {
    let mut peer = Peer::start();
    let turn = peer.ask(hostd_protocol::calls::CallKind::Turn, |_| ());
    assert_eq!(turn.unwrap(), "false");
}
