//! Which objects have a live strong reference, cheap to keep and cheap to ask.
//!
//! Making and deleting references is frequent, asking is frequent, both for the same object is
//! rare. So references only count in a small table by address, and a count of zero answers most
//! questions. A collision is settled by a set of the exact addresses, made when it is first needed.

use std::collections::HashSet;

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
        self.quick_add(address);
    }

    /// It is gone.
    #[inline]
    pub(crate) fn remove(&mut self, address: usize) {
        self.exact = None;
        self.quick_remove(address);
    }

    /// Whether the quick ways below do: no set was made since the last change.
    #[inline]
    pub(crate) fn are_only_counted(&self) -> bool {
        self.exact.is_none()
    }

    /// [`add`](Self::add) where references are only counted.
    #[inline]
    pub(crate) fn quick_add(&mut self, address: usize) {
        if let Some(count) = self.counts.get_mut(bucket(address)) {
            *count = count.saturating_add(1);
        }
    }

    /// [`remove`](Self::remove) where references are only counted.
    #[inline]
    pub(crate) fn quick_remove(&mut self, address: usize) {
        if let Some(count) = self.counts.get_mut(bucket(address)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether the address may be referenced; if not, that is certain.
    #[inline]
    pub(crate) fn may_contain(&self, address: usize) -> bool {
        self.counts
            .get(bucket(address))
            .is_some_and(|count| *count > 0)
    }

    /// Whether the address is referenced, given a way to list all that are.
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
    fn pins_tell_colliding_addresses_apart() {
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
