//! The figures of one function, or of one kind of call.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hostd_client::lock;
use hostd_protocol::calls::CallKind;
use hostd_protocol::profile::HostTimes;

/// So many calls of a function are measured at first, each of them.
const FIRST_SAMPLES: u64 = 8;
/// The time of calls, measured and not, is so many times what measuring takes at least: 1 %.
const COST_FACTOR: u64 = 100;
/// What measuring a call takes is so many times the part that is known, and so many nanoseconds more:
/// its code is seldom in the caches of the processor.
const COST_SHARE: u64 = 2;
const COST_FIXED: u64 = 500;
/// The most calls that one measured call stands for.
const GAP_MAX: u64 = 4096;
/// The share of a new sample in the mean by which the next gap is chosen.
const MEAN_SHARE: u64 = 8;

/// What was measured of one call, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallTimes {
    pub(super) total: u64,
    pub(super) marshalling: u64,
    pub(super) waiting: u64,
    pub(super) callbacks: u64,
    /// The part of `callbacks` in which they called an addon.
    pub(super) nested: u64,
    pub(super) host: HostTimes,
    pub(super) cost: u64,
}

/// Sums over measured calls, each of which counts as many times as it weighs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// The measured calls.
    pub(crate) samples: u64,
    /// Their weights.
    pub(crate) weight: u64,
    pub(crate) total: u64,
    pub(crate) marshalling: u64,
    /// The wait for the host, without what the host did.
    pub(crate) waiting: u64,
    pub(crate) callbacks: u64,
    pub(crate) nested: u64,
    pub(crate) host: HostTimes,
    /// The longest measured call.
    pub(crate) longest: u64,
    mean: u64,
    random: u32,
}

impl Sums {
    fn add(&mut self, times: &CallTimes, weight: u64) {
        let add = |sum: &mut u64, time: u64| {
            *sum = sum.saturating_add(time.saturating_mul(weight));
        };
        self.samples += 1;
        self.weight = self.weight.saturating_add(weight);
        add(&mut self.total, times.total);
        add(&mut self.marshalling, times.marshalling);
        let host = &times.host;
        add(&mut self.waiting, times.waiting.saturating_sub(host.busy()));
        add(&mut self.callbacks, times.callbacks);
        add(&mut self.nested, times.nested);
        // A host cannot have worked for longer than it was waited for.
        let mut left = times.waiting;
        let mut add_host = |sum: &mut u64, time: u64| {
            let time = time.min(left);
            left -= time;
            add(sum, time);
        };
        add_host(&mut self.host.addon, host.addon);
        add_host(&mut self.host.functions, host.functions);
        add_host(&mut self.host.engine, host.engine);
        add_host(&mut self.host.collection, host.collection);
        add_host(&mut self.host.marshalling, host.marshalling);
        self.longest = self.longest.max(times.total);
    }

    /// How many calls the next measured one stands for.
    fn next_gap(&mut self, times: &CallTimes) -> u64 {
        self.mean = if self.samples <= 1 {
            times.total
        } else {
            (self.mean * (MEAN_SHARE - 1)).saturating_add(times.total) / MEAN_SHARE
        };
        if self.samples < FIRST_SAMPLES {
            return 1;
        }
        let cost = times.cost.saturating_mul(COST_SHARE);
        let cost = cost.saturating_add(COST_FIXED);
        let gap = (cost.saturating_mul(COST_FACTOR) / self.mean.max(1)).clamp(1, GAP_MAX);
        if gap < 3 {
            return gap;
        }
        // Not the same each time, so that no rhythm of the program is met. Xorshift.
        let mut random = self.random.max(1);
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random = random;
        gap / 2 + u64::from(random) % (gap + 1)
    }
}

/// The figures of one function, or of one kind of call. The counts change only while the interpreter is
/// held.
pub(crate) struct Row {
    pub(crate) call: CallKind,
    pub(crate) name: Option<Arc<str>>,
    calls: AtomicU64,
    failures: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    /// How many calls are left until one is measured, and how many that stands for.
    left: AtomicU32,
    gap: AtomicU32,
    sums: Mutex<Sums>,
}

#[inline]
fn add(sum: &AtomicU64, more: u64) {
    sum.store(sum.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

impl Row {
    pub(super) fn new(call: CallKind, name: Option<Arc<str>>) -> Self {
        Self {
            call,
            name,
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            left: AtomicU32::new(1),
            gap: AtomicU32::new(1),
            sums: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn is_of(&self, call: CallKind, name: &Arc<str>) -> bool {
        let own = self.name.as_ref();
        self.call == call && own.is_some_and(|own| Arc::ptr_eq(own, name))
    }

    /// How many calls this one stands for, if it is to be measured.
    #[inline]
    pub(super) fn weight(&self) -> Option<u32> {
        (self.left.load(Ordering::Relaxed) <= 1).then(|| self.gap.load(Ordering::Relaxed))
    }

    /// Counts a call that was not measured.
    #[inline]
    pub(super) fn count(&self, (sent, received): (u64, u64), has_failed: bool) {
        add(&self.calls, 1);
        add(&self.sent, sent);
        add(&self.received, received);
        if has_failed {
            add(&self.failures, 1);
        }
    }

    /// Notes that a call was not measured.
    #[inline]
    pub(super) fn pass(&self) {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Relaxed);
    }

    /// Adds what was measured of a call, with its weight. Its own turn begins anew if it `was_due`.
    pub(super) fn add(&self, times: &CallTimes, weight: u32, (was_due, every): (bool, bool)) {
        let mut sums = lock(&self.sums);
        sums.add(times, weight.into());
        let gap = if every { 1 } else { sums.next_gap(times) };
        drop(sums);
        if was_due {
            let gap = u32::try_from(gap).unwrap_or(1);
            self.gap.store(gap, Ordering::Relaxed);
            self.left.store(gap, Ordering::Relaxed);
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Bytes to the host and back.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let read = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        (read(&self.sent), read(&self.received))
    }

    pub(crate) fn sums(&self) -> Sums {
        *lock(&self.sums)
    }

    pub(super) fn reset(&self) {
        for sum in [&self.calls, &self.failures, &self.sent, &self.received] {
            sum.store(0, Ordering::Relaxed);
        }
        let mut sums = lock(&self.sums);
        *sums = Sums {
            mean: sums.mean,
            random: sums.random,
            ..Sums::default()
        };
    }
}
