//! Promises of the host that are watched, and promises that the client settles.

use hostd_protocol::calls::CallKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ClientKind;

use crate::peer::{Answer, Peer};

fn watch(peer: &mut Peer, id: u32) -> Answer {
    peer.ask(CallKind::Watch, |out| out.put_u32(id))
}

#[test]
fn settled_promise_answers_at_once() {
    let mut peer = Peer::start();
    let id = peer.lend("Promise.resolve(5)");
    assert_eq!(watch(&mut peer, id).unwrap(), "fulfilled 5");
    let id = peer.lend("(async () => { throw 'no' })()");
    assert_eq!(watch(&mut peer, id).unwrap(), "rejected \"no\"");
    let id = peer.lend("({f() {}})");
    assert!(watch(&mut peer, id).unwrap_err().contains("only a promise"));
}

#[test]
fn pending_promise_is_told_of_once() {
    let mut peer = Peer::start();
    let id = peer.lend("new Promise(r => { globalThis.resolve = r })");
    assert_eq!(watch(&mut peer, id).unwrap(), "pending");
    assert_eq!(watch(&mut peer, id).unwrap(), "pending");
    peer.script("resolve([1, 'x'])").unwrap();
    assert_eq!(
        peer.notice(),
        (CallKind::Settled, format!("{id} 1 [1, \"x\"]"))
    );
    peer.script("Promise.reject('after')").unwrap();
    peer.script("queueMicrotask(() => { throw 'uncaught' })")
        .unwrap();
    // The next notice is another one: the promise was told of once.
    assert_eq!(peer.notice().0, CallKind::Uncaught);
}

#[test]
fn value_too_large_for_a_notice_is_asked_for() {
    let mut peer = Peer::start();
    let id = peer.lend("new Promise(r => { globalThis.resolve = r })");
    watch(&mut peer, id).unwrap();
    peer.script("resolve('x'.repeat(100000))").unwrap();
    assert_eq!(peer.notice(), (CallKind::Settled, format!("{id} 0 ")));
    assert_eq!(
        watch(&mut peer, id).unwrap().len(),
        "fulfilled ".len() + 100_002
    );
}

#[test]
fn unhandled_rejection_is_told() {
    let mut peer = Peer::start();
    peer.script("Promise.reject(new Error('lost')); 0").unwrap();
    let (call, text) = peer.notice();
    assert_eq!(call, CallKind::Uncaught);
    assert!(
        text.contains("\"lost\"") && text.contains("unhandled rejection"),
        "{text}"
    );
}

#[test]
fn awaitable_of_the_client_is_a_promise_that_it_settles() {
    let mut peer = Peer::start();
    let keep = peer.lend("(p => { p.then(v => { globalThis.got = v }); return p })");
    let kind = ClientKind::Awaitable.code();
    let back = peer.call(keep, 1, |w| w.lent(SlotId::new(4).unwrap(), kind, 0));
    assert_eq!(back.unwrap(), "own(4)");
    peer.ask(CallKind::Settle, |out| {
        out.put_u32(4);
        out.put_u8(1);
        out.str("done").unwrap();
    })
    .unwrap();
    // What waits for it runs in a turn, wherever the client takes that.
    assert_eq!(peer.notice(), (CallKind::Ring, String::new()));
    assert_eq!(peer.script("typeof got").unwrap(), "\"undefined\"");
    assert_eq!(peer.ask(CallKind::Turn, |_| ()).unwrap(), "false");
    assert_eq!(peer.script("got").unwrap(), "\"done\"");
}

#[test]
fn promise_stays_until_the_notice_about_it_is_counted() {
    let mut peer = Peer::start();
    let id = peer.lend("new Promise(r => { globalThis.resolve = r })");
    watch(&mut peer, id).unwrap();
    peer.script("resolve(1)").unwrap();
    assert_eq!(peer.notice().0, CallKind::Settled);
    // The notice means it by its id: that has no other tenant before both were read.
    peer.release(&[(id, 1)]).unwrap();
    assert_ne!(peer.lend("new Promise(() => {})"), id);
    peer.release(&[(id, 1)]).unwrap();
    assert_eq!(peer.lend("new Promise(() => {})"), id);
}
