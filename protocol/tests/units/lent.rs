//! Which objects are lent: receipts and releases that cross.

use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::*;

fn id(number: u32) -> SlotId {
    SlotId::new(number).unwrap()
}

fn receipts(id: SlotId, received: u64) -> Release {
    Release {
        id,
        received,
        returned: 0,
    }
}

#[test]
fn release_that_crosses_a_sending_keeps_the_object() {
    let (mut sender, mut receiver) = (Lent::new(8), Received::new(8));
    let a = sender.lend("a").unwrap();
    assert_eq!(receiver.receive(a).unwrap(), Receipt::First);
    // The proxy dies, its release sets out; meanwhile the sender sends the id again.
    let release = receiver.forget(a).unwrap();
    sender.again(a).unwrap();
    assert_eq!(sender.release(release).unwrap(), None);
    assert_eq!(sender.get(a), Some(&"a"));
    // The second sending arrives: a new proxy, whose release ends it.
    assert_eq!(receiver.receive(a).unwrap(), Receipt::First);
    let release = receiver.forget(a).unwrap();
    assert_eq!(sender.release(release).unwrap(), Some("a"));
    assert_eq!(sender.get(a), None);
}

#[test]
fn release_that_overtakes_an_object_on_its_way_back_keeps_it() {
    let (mut sender, mut receiver) = (Lent::new(8), Received::new(8));
    let a = sender.lend("a").unwrap();
    receiver.receive(a).unwrap();
    receiver.send_back(a).unwrap();
    let release = receiver.forget(a).unwrap();
    assert_eq!(sender.release(release).unwrap(), None);
    assert_eq!(sender.get(a), Some(&"a"));
    assert_eq!(sender.came_back(a).unwrap(), Some("a"));
    assert_eq!(sender.get(a), None);
    assert!(sender.came_back(a).is_err());
}

#[test]
fn sending_and_return_under_way_do_not_cancel_each_other() {
    let (mut sender, mut receiver) = (Lent::new(8), Received::new(8));
    let a = sender.lend("a").unwrap();
    receiver.receive(a).unwrap();
    receiver.send_back(a).unwrap();
    sender.again(a).unwrap();
    let release = receiver.forget(a).unwrap();
    // One receipt and one return were given back for two sendings: the sum says nothing.
    assert_eq!(sender.release(release).unwrap(), None);
    assert_eq!(sender.came_back(a).unwrap(), None);
    receiver.receive(a).unwrap();
    let release = receiver.forget(a).unwrap();
    assert_eq!(sender.release(release).unwrap(), Some("a"));
}

#[test]
fn return_that_was_never_sent_is_taken_back() {
    let (mut sender, mut receiver) = (Lent::new(8), Received::new(8));
    let a = sender.lend("a").unwrap();
    assert!(receiver.send_back(a).is_err());
    receiver.receive(a).unwrap();
    receiver.send_back(a).unwrap();
    receiver.unsend_back(a);
    let release = receiver.forget(a).unwrap();
    assert_eq!(release.returned, 0);
    assert_eq!(sender.release(release).unwrap(), Some("a"));
}

#[test]
fn slot_is_reused_only_after_the_counts_agree() {
    let mut sender = Lent::new(8);
    let a = sender.lend("a").unwrap();
    sender.again(a).unwrap();
    sender.release(receipts(a, 1)).unwrap();
    let b = sender.lend("b").unwrap();
    assert_ne!(a, b);
    assert_eq!(sender.release(receipts(a, 1)).unwrap(), Some("a"));
    assert_eq!(sender.lend("c").unwrap(), a);
}

#[test]
fn release_of_what_is_not_held_is_a_violation() {
    let mut sender = Lent::new(8);
    assert!(sender.release(receipts(id(1), 1)).is_err());
    assert!(sender.release(receipts(id(u32::MAX), 1)).is_err());
    let a = sender.lend("a").unwrap();
    assert!(sender.release(receipts(a, 2)).is_err());
    assert_eq!(sender.get(a), Some(&"a"));
    sender.release(receipts(a, 1)).unwrap();
    assert!(sender.release(receipts(a, 1)).is_err());
    assert!(sender.again(a).is_err());
}

#[test]
fn lending_past_the_limit_is_refused() {
    let mut sender = Lent::new(2);
    sender.lend(1).unwrap();
    let b = sender.lend(2).unwrap();
    assert!(sender.lend(3).is_err());
    sender.unsend(b);
    sender.lend(3).unwrap();
    assert_eq!(sender.len(), 2);
    assert_eq!(sender.drain().count(), 2);
    assert!(sender.is_empty());
}
