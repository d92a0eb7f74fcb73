//! Iteration across the boundary: the host's iterators read by the client, and the client's in
//! JavaScript.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ClientKind;

use crate::peer::{Answer, Peer, id_of};

const ITERABLE: &str = "globalThis.closed = 0; ({
    f() {},
    [Symbol.iterator]() {
        let n = 0;
        return { f() {}, next: () => ({ value: n++, done: n > 2 }), return() { closed++ } };
    },
})";

fn iterate(peer: &mut Peer) -> u32 {
    let object = peer.lend(ITERABLE);
    let answer = peer.ask(CallKind::Iterate, |out| out.put_u32(object));
    id_of(&answer.unwrap())
}

fn next(peer: &mut Peer, iterator: u32) -> Answer {
    peer.ask(CallKind::Next, |out| out.put_u32(iterator))
}

fn turn(peer: &mut Peer) {
    assert_eq!(peer.ask(CallKind::Turn, |_| ()).unwrap(), "false");
}

#[test]
fn iterator_left_in_the_middle_is_closed_in_a_turn() {
    let mut peer = Peer::start();
    let iterator = iterate(&mut peer);
    assert_eq!(next(&mut peer, iterator).unwrap(), "0");
    peer.release(&[(iterator, 1)]).unwrap();
    assert_eq!(peer.notice(), (CallKind::WakeUp, String::new()));
    assert_eq!(peer.script("closed").unwrap(), "0");
    turn(&mut peer);
    assert_eq!(peer.script("closed").unwrap(), "1");
}

#[test]
fn iterator_that_ended_or_was_never_begun_is_not_closed() {
    let mut peer = Peer::start();
    let iterator = iterate(&mut peer);
    assert_eq!(next(&mut peer, iterator).unwrap(), "0");
    assert_eq!(next(&mut peer, iterator).unwrap(), "1");
    assert_eq!(next(&mut peer, iterator).unwrap(), "done");
    let fresh = iterate(&mut peer);
    peer.release(&[(iterator, 1), (fresh, 1)]).unwrap();
    turn(&mut peer);
    assert_eq!(peer.script("closed").unwrap(), "0");
}

#[test]
fn iterator_that_is_closed_is_not_closed_again() {
    let mut peer = Peer::start();
    let iterator = iterate(&mut peer);
    next(&mut peer, iterator).unwrap();
    peer.ask(CallKind::CloseIterator, |out| out.put_u32(iterator))
        .unwrap();
    assert_eq!(peer.script("closed").unwrap(), "1");
    peer.release(&[(iterator, 1)]).unwrap();
    turn(&mut peer);
    assert_eq!(peer.script("closed").unwrap(), "1");
    let stale = peer.ask(CallKind::CloseIterator, |out| out.put_u32(iterator));
    assert!(stale.unwrap_err().contains("Stale"));
}

#[test]
fn steps_of_a_generator_of_the_client_are_asked_for_one_by_one() {
    let mut peer = Peer::start();
    let id = peer.lend("(g => { for (const x of g) if (x === 'b') break; return g; })");
    let mut steps = Vec::new();
    let answer = peer.call_with(
        id,
        1,
        |w| w.lent(SlotId::new(6).unwrap(), ClientKind::Generator.code(), 0),
        &mut |_, asked, w| {
            assert_eq!((asked.call, asked.target), (CallKind::RemoteStep, 6));
            steps.push(asked.values.join(" "));
            let step = w.open_object().unwrap();
            w.str("done").unwrap();
            w.boolean(false);
            w.str("value").unwrap();
            w.str(["a", "b", "c"][steps.len() - 1]).unwrap();
            w.close(step, 2);
            FrameKind::Reply
        },
    );
    assert_eq!(answer.unwrap(), "own(6)");
    assert_eq!(
        steps,
        ["next undefined", "next undefined", "return undefined"]
    );
}

#[test]
fn names_of_an_iterator_of_the_client_are_never_asked_for() {
    let mut peer = Peer::start();
    let look = "(g => [g.gi_frame, 'send' in g, Object.keys(g).length, typeof g.return])";
    let id = peer.lend(look);
    for (kind, finish) in [
        (ClientKind::Iterator, "undefined"),
        (ClientKind::Generator, "function"),
        (ClientKind::AsyncIterator, "undefined"),
        (ClientKind::AsyncGenerator, "function"),
    ] {
        let number = u32::from(kind.code()) + 1;
        let lent = SlotId::new(number).unwrap();
        let answer = peer.call(id, 1, |w| w.lent(lent, kind.code(), 0));
        assert_eq!(
            answer.unwrap(),
            format!("[undefined, false, 0, \"{finish}\"]")
        );
    }
}

#[test]
fn step_of_what_is_no_iterator_is_a_type_error() {
    let mut peer = Peer::start();
    let steal = "(g => { const { next } = Object.getPrototypeOf(g);
        return [{}, 1, () => 1, new Error()].map((x) => {
            try { next.call(x); } catch (e) { return e.name; }
        }).join(); })";
    let id = peer.lend(steal);
    let kind = ClientKind::Iterator.code();
    let answer = peer.call(id, 1, |w| w.lent(SlotId::new(6).unwrap(), kind, 0));
    assert_eq!(
        answer.unwrap(),
        "\"TypeError,TypeError,TypeError,TypeError\""
    );
}

#[test]
fn failure_of_an_asynchronous_step_is_a_rejection() {
    let mut peer = Peer::start();
    let id =
        peer.lend("(g => { g.next().catch((e) => { globalThis.why = e; }); return 'went on'; })");
    let kind = ClientKind::AsyncIterator.code();
    let answer = peer.call_with(
        id,
        1,
        |w| w.lent(SlotId::new(6).unwrap(), kind, 0),
        &mut |_, _, w| {
            hostd_protocol::failure::Failure::write_thrown(w);
            w.str("refused").unwrap();
            FrameKind::Failure
        },
    );
    assert_eq!(answer.unwrap(), "\"went on\"");
    assert_eq!(peer.script("why").unwrap(), "\"refused\"");
}
