//! The set of objects that a strong reference pins, with cheap changes and cheap look-ups.
//!
//! References are made and deleted often, and objects are looked up often, but rarely the same
//! ones. So references are counted in a small table by address, and most look-ups end at a count of
//! zero. A collision is resolved by a set of the exact addresses, made when it is first needed.

use std::collections::HashSet;

/// The size of the table.
const BUCKETS: usize = 1024;

/// The table.
#[derive(Debug)]
pub(crate) struct Pins {
    counts: Box<[u32; BUCKETS]>,
    exact: Option<HashSet<usize>>,
}

impl Pins {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            exact: None,
        }
    }

    /// A strong reference to the object at this address was made.
    #[inline]
    pub(crate) fn add(&mut self, address: usize) {
        self.exact = None;
        self.fast_add(address);
    }

    /// A strong reference to the object at this address was deleted.
    #[inline]
    pub(crate) fn remove(&mut self, address: usize) {
        self.exact = None;
        self.fast_remove(address);
    }

    /// Returns whether the functions below suffice: no set was made since the last change.
    #[inline]
    pub(crate) fn are_only_counted(&self) -> bool {
        self.exact.is_none()
    }

    /// [`add`](Self::add) where references are only counted.
    #[inline]
    pub(crate) fn fast_add(&mut self, address: usize) {
        if let Some(count) = self.counts.get_mut(bucket(address)) {
            *count = count.saturating_add(1);
        }
    }

    /// [`remove`](Self::remove) where references are only counted.
    #[inline]
    pub(crate) fn fast_remove(&mut self, address: usize) {
        if let Some(count) = self.counts.get_mut(bucket(address)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Returns whether the address may be referenced; false is certain.
    #[inline]
    pub(crate) fn may_contain(&self, address: usize) -> bool {
        self.counts
            .get(bucket(address))
            .is_some_and(|count| *count > 0)
    }

    /// Returns whether the address is referenced; `all` lists the addresses that are.
    pub(crate) fn contains(
        &mut self,
        address: usize,
        all: impl FnOnce() -> HashSet<usize>,
    ) -> bool {
        self.may_contain(address) && self.exact.get_or_insert_with(all).contains(&address)
    }
}

/// Objects are at least 16 bytes apart.
#[inline]
fn bucket(address: usize) -> usize {
    (address >> 4 ^ address >> 14) % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colliding_addresses_are_distinguished() {
        let mut pins = Pins::new();
        let (held, other) = (0x1_0000, (0x1_0000..).step_by(16).skip(1));
        pins.add(held);
        let other = other
            .take(1 << 16)
            .find(|address| pins.may_contain(*address))
            .unwrap();
        let all = || HashSet::from([held]);
        assert!(pins.contains(held, all));
        assert!(!pins.contains(other, all));
        pins.remove(held);
        assert!(!pins.contains(held, || panic!("the count is zero")));
    }
}
