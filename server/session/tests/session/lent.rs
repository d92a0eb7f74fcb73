//! Objects that the client holds: one id each, counted, and gone when the counts agree.

use hostd_protocol::calls::CallKind;
use hostd_protocol::ids::SlotId;

use crate::peer::{Peer, id_of};

fn stats(peer: &mut Peer) -> String {
    peer.ask(CallKind::Stats, |_| ()).unwrap()
}

#[test]
fn one_object_has_one_id() {
    let mut peer = Peer::start();
    let id = peer.lend("globalThis.f = () => 1; f");
    assert_eq!(peer.lend("f"), id);
    assert_eq!(
        peer.script("[f, f]").unwrap(),
        format!("[lent({id} Function), lent({id} Function)]")
    );
    let symbol = peer.lend("globalThis.s = Symbol(); s");
    assert_eq!(peer.lend("s"), symbol);
}

#[test]
fn object_goes_when_the_counts_agree() {
    let mut peer = Peer::start();
    let id = peer.lend("globalThis.f = () => 1; f");
    peer.lend("f");
    peer.release(&[(id, 1)]).unwrap();
    assert_eq!(stats(&mut peer), "lent 1 received 0");
    assert_eq!(peer.call(id, 0, |_| ()).unwrap(), "1");
    peer.release(&[(id, 1)]).unwrap();
    assert_eq!(stats(&mut peer), "lent 0 received 0");
    assert_eq!(
        peer.call(id, 0, |_| ()).unwrap_err(),
        format!("Stale({id})")
    );
}

#[test]
fn result_that_cannot_be_sent_leaves_nothing_lent() {
    let mut peer = Peer::start();
    let deep = "var d = [() => 1]; for (let i = 0; i < 70; i++) d = [() => 1, d]; d";
    assert!(peer.script(deep).is_err());
    assert_eq!(stats(&mut peer), "lent 0 received 0");
}

#[test]
fn new_object_lives_here_whatever_it_is() {
    let mut peer = Peer::start();
    let made = peer.ask(CallKind::NewObject, |out| {
        let open = out.open_object().unwrap();
        out.str("a").unwrap();
        out.int32(1);
        out.close(open, 1);
    });
    let id = id_of(&made.unwrap());
    let identity = peer.lend("(x => x)");
    let slot = SlotId::new(id).unwrap();
    let again = peer.call(identity, 1, |w| w.own(slot)).unwrap();
    assert_eq!(id_of(&again), id);
    let error = peer
        .ask(CallKind::NewObject, |out| out.int32(1))
        .unwrap_err();
    assert!(error.contains("needs a dict"), "{error}");
}
