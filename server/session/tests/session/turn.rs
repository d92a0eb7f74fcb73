//! Turns: what the host owes itself, rung for and run when the client says so.

use hostd_protocol::calls::CallKind;

use crate::peer::Peer;

fn turn(peer: &mut Peer) -> String {
    peer.ask(CallKind::Turn, |_| ())
        .unwrap_or_else(|failure| failure)
}

fn ring(peer: &mut Peer) {
    assert_eq!(peer.notice(), (CallKind::WakeUp, String::new()));
}

#[test]
fn timer_rings_when_it_is_due_and_runs_in_a_turn() {
    let mut peer = Peer::start();
    let id = peer.lend("new Promise(done => setTimeout(done, 5, 'late'))");
    ring(&mut peer);
    assert_eq!(turn(&mut peer), format!("false {id}/1 1 \"late\""));
}

#[test]
fn nothing_runs_before_the_turn() {
    let mut peer = Peer::start();
    peer.script("globalThis.ran = 0; setImmediate(() => { ran = 1 }); 0")
        .unwrap();
    ring(&mut peer);
    assert_eq!(peer.script("ran").unwrap(), "0");
    assert_eq!(turn(&mut peer), "false");
    assert_eq!(peer.script("ran").unwrap(), "1");
}

#[test]
fn turn_that_leaves_something_says_so() {
    let mut peer = Peer::start();
    peer.script("globalThis.n = 0; for (let i = 0; i < 1500; i++) setImmediate(() => { n++ }); 0")
        .unwrap();
    ring(&mut peer);
    let mut turns = 1;
    while turn(&mut peer) == "true" {
        turns += 1;
    }
    assert!(turns >= 2);
    assert_eq!(peer.script("n").unwrap(), "1500");
}

#[test]
fn error_of_a_timer_is_told_and_the_next_one_runs() {
    let mut peer = Peer::start();
    peer.script("setTimeout(() => { throw new Error('tick') }, 1); setTimeout(() => { globalThis.next = 1 }, 1); 0")
        .unwrap();
    ring(&mut peer);
    turn(&mut peer);
    let (call, text) = peer.notice();
    assert_eq!(call, CallKind::Uncaught);
    assert!(
        text.contains("\"tick\"") && text.contains("timer"),
        "{text}"
    );
    while peer.script("typeof next").unwrap() == "\"undefined\"" {
        turn(&mut peer);
    }
}

#[test]
fn turn_that_nobody_owes_does_nothing() {
    let mut peer = Peer::start();
    assert_eq!(turn(&mut peer), "false");
}

#[test]
fn ring_that_brings_no_turn_comes_again() {
    let mut peer = Peer::start();
    peer.script("setTimeout(() => { globalThis.ran = true }, 0); 0")
        .unwrap();
    for _ in 0..3 {
        ring(&mut peer);
    }
    assert_eq!(turn(&mut peer), "false");
    assert_eq!(peer.script("ran").unwrap(), "true");
}
