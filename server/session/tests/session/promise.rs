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
    // Nobody asks: the number of the watch comes with the promise.
    let lent = peer
        .script("new Promise(r => { globalThis.resolve = r })")
        .unwrap();
    assert_eq!(lent, "lent(1 Promise class 1)");
    assert_eq!(watch(&mut peer, 1).unwrap(), "pending 1");
    peer.script("resolve([1, 'x'])").unwrap();
    assert_eq!(
        peer.notice(),
        (CallKind::Settled, "1/1 1 [1, \"x\"]".to_owned())
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
    peer.script("resolve('x'.repeat(100000))").unwrap();
    assert_eq!(peer.notice(), (CallKind::Settled, format!("{id}/1 0")));
    assert_eq!(
        watch(&mut peer, id).unwrap().len(),
        "fulfilled ".len() + 100_002
    );
}

#[test]
fn many_that_end_together_are_told_together() {
    let mut peer = Peer::start();
    let many = "globalThis.ends = []; globalThis.shared = ['both'];
        () => new Promise(r => { ends.push(r) })";
    let make = peer.lend(many);
    for _ in 0..100 {
        peer.call(make, 0, |_| ()).unwrap();
    }
    peer.script("ends.forEach((end, n) => end(n < 2 ? shared : n)); 0")
        .unwrap();
    let (call, text) = peer.notice();
    let told: Vec<_> = text.split("; ").collect();
    assert_eq!((call, told.len()), (CallKind::Settled, 100));
    // Each is a message of its own: what they share is told twice.
    assert_eq!(told[0], "2/1 1 [\"both\"]");
    assert_eq!(told[1], "3/2 1 [\"both\"]");
    assert_eq!(told[99], "101/100 1 99");
}

#[test]
fn more_than_fits_into_one_notice_is_told_in_several() {
    let mut peer = Peer::start();
    let make = peer.lend("globalThis.ends = []; () => new Promise(r => { ends.push(r) })");
    for _ in 0..40 {
        peer.call(make, 0, |_| ()).unwrap();
    }
    peer.script("ends.forEach(end => end('x'.repeat(5000))); 0")
        .unwrap();
    let mut told = 0;
    let mut notices = 0;
    while told < 40 {
        let (call, text) = peer.notice();
        assert_eq!(call, CallKind::Settled);
        told += text.split("; ").count();
        notices += 1;
    }
    assert_eq!(told, 40);
    assert!(notices > 3);
}

#[test]
fn turn_tells_what_ended_in_it() {
    let mut peer = Peer::start();
    peer.script("new Promise((_, no) => setImmediate(no, 'no'))")
        .unwrap();
    assert_eq!(peer.notice().0, CallKind::WakeUp);
    let turn = peer.ask(CallKind::Turn, |_| ()).unwrap();
    assert_eq!(turn, "false 1/1 2 \"no\"");
}

#[test]
fn promise_that_was_given_back_is_not_told_of() {
    let mut peer = Peer::start();
    let id = peer.lend("new Promise(r => { globalThis.first = r })");
    peer.release(&[(id, 1)]).unwrap();
    // The same id, another promise, another watch.
    let lent = peer.script("new Promise(r => { globalThis.second = r })");
    assert_eq!(lent.unwrap(), "lent(1 Promise class 2)");
    peer.script("first(1); second(2); 0").unwrap();
    assert_eq!(peer.notice(), (CallKind::Settled, "1/2 1 2".to_owned()));
}

#[test]
fn promise_that_is_settled_before_it_is_sent_is_not_watched() {
    let mut peer = Peer::start();
    let lent = peer.script("(async () => { await null; return 1; })()");
    assert_eq!(lent.unwrap(), "lent(1 Promise)");
    assert_eq!(watch(&mut peer, 1).unwrap(), "fulfilled 1");
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
    assert_eq!(peer.notice(), (CallKind::WakeUp, String::new()));
    assert_eq!(peer.script("typeof got").unwrap(), "\"undefined\"");
    assert_eq!(peer.ask(CallKind::Turn, |_| ()).unwrap(), "false");
    assert_eq!(peer.script("got").unwrap(), "\"done\"");
}
