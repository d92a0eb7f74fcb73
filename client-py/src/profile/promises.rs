//! How long promises took, from their arrival in Python to that of their outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::profile::nanoseconds;

/// One for each power of two of nanoseconds; the last one has those that took longer.
const CLASSES: usize = 48;

/// Promises that were settled, by their latency.
pub(crate) struct PromiseLatencies {
    classes: [AtomicU64; CLASSES],
    rejected: AtomicU64,
    total: AtomicU64,
    made: AtomicU64,
}

impl Default for PromiseLatencies {
    fn default() -> Self {
        Self {
            classes: [const { AtomicU64::new(0) }; CLASSES],
            rejected: AtomicU64::new(0),
            total: AtomicU64::new(0),
            made: AtomicU64::new(0),
        }
    }
}

impl PromiseLatencies {
    /// A promise has come. Returns when.
    pub(crate) fn made(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed);
        nanoseconds()
    }

    /// Its outcome has come.
    pub(crate) fn settled(&self, made: u64, is_rejected: bool) {
        let time = nanoseconds().saturating_sub(made);
        let class = (u64::BITS - time.leading_zeros()) as usize;
        self.classes[class.min(CLASSES - 1)].fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(time, Ordering::Relaxed);
        self.rejected
            .fetch_add(u64::from(is_rejected), Ordering::Relaxed);
    }

    /// How many have come, were rejected, and took longer than half of, but not longer than, two to the power
    /// of the place in nanoseconds; and the sum of all latencies.
    pub(crate) fn read(&self) -> (u64, u64, Vec<u64>, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (
            read(&self.made),
            read(&self.rejected),
            self.classes.iter().map(read).collect(),
            read(&self.total),
        )
    }

    pub(super) fn reset(&self) {
        for count in &self.classes {
            count.store(0, Ordering::Relaxed);
        }
        for count in [&self.rejected, &self.total, &self.made] {
            count.store(0, Ordering::Relaxed);
        }
    }
}
