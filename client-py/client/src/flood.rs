//! Meters the unsolicited work that a host causes in this process: notices, event-loop turns that
//! neither call Python nor settle a promise, output and logs.
//!
//! Each is charged as CPU time of this process. A leaky bucket allows a share of one CPU without
//! limit of time, and more in a burst.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::lock;

// CPU time of this process, measured on virtual machines of two CPUs with another load: a turn by a
// thread 48 us, its notice included, by an event loop 30 us; a notice whose reader is awake 1.4 us, a
// request within a call over the socket 39 us.

/// The cost of a notice before it is read: to receive it and to wake a thread.
pub const NOTICE: Duration = Duration::from_micros(4);
/// The cost of a turn that the host declines.
pub const DECLINED_TURN: Duration = Duration::from_micros(20);
/// The cost of a request of the host for an object that is not lent to it.
pub const STALE_REQUEST: Duration = Duration::from_micros(30);
/// The cost of a turn that neither calls Python nor settles a promise.
pub const EMPTY_TURN: Duration = Duration::from_micros(40);

/// The size of the bucket: the share of this much time.
const BURST: Duration = Duration::from_secs(20);
/// A warning is logged when the bucket is full to this fraction: one fifth.
const WARNED_AT: u64 = 5;
/// The charges that are added up before the bucket is updated, in nanoseconds.
const UNCOUNTED_MAX: i64 = 1_000_000;

/// The state of a bucket after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodLevel {
    /// There is room.
    Within,
    /// The bucket is partly full; returned once, until it has drained.
    Warn,
    /// The bucket is full.
    Beyond,
}

/// The bucket of one addon. Times are in nanoseconds.
#[derive(Debug)]
pub struct Meter {
    /// The share of one CPU.
    share: f64,
    /// Charges that are not in the bucket yet, so that most charges are one atomic addition.
    uncounted: AtomicI64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    level: u64,
    since: Instant,
    is_warned: bool,
}

impl Meter {
    /// An empty bucket with a share of one CPU.
    pub fn new(share: f64) -> Self {
        Self {
            share,
            uncounted: AtomicI64::new(0),
            bucket: Mutex::new(Bucket {
                level: 0,
                since: Instant::now(),
                is_warned: false,
            }),
        }
    }

    /// The share of one CPU.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Charges CPU time. Returns the charges that are not in the bucket yet.
    #[inline]
    pub fn add(&self, time: Duration) -> i64 {
        let time = nanoseconds(time);
        let before = self.uncounted.fetch_add(time, Ordering::Relaxed);
        before.saturating_add(time)
    }

    /// Takes a charge back, for work that was useful.
    #[inline]
    pub fn refund(&self, time: Duration) {
        self.uncounted
            .fetch_sub(nanoseconds(time), Ordering::Relaxed);
    }

    /// Charges CPU time, and updates the bucket if enough is charged.
    #[inline]
    pub fn charge(&self, time: Duration) -> FloodLevel {
        if self.add(time) < UNCOUNTED_MAX {
            return FloodLevel::Within;
        }
        self.level()
    }

    /// Updates the bucket.
    pub fn level(&self) -> FloodLevel {
        self.count(Instant::now())
    }

    fn count(&self, now: Instant) -> FloodLevel {
        let mut bucket = lock(&self.bucket);
        let charged = self.uncounted.swap(0, Ordering::Relaxed);
        let passed = now.saturating_duration_since(bucket.since);
        let recovered = self.of(passed);
        bucket.since = now;
        bucket.level = bucket
            .level
            .saturating_sub(recovered)
            .saturating_add_signed(charged);
        let most = self.of(BURST);
        if bucket.level >= most {
            bucket.level = most;
            return FloodLevel::Beyond;
        }
        let warned_at = most / WARNED_AT;
        if bucket.level < warned_at / 2 {
            bucket.is_warned = false;
        }
        if bucket.level >= warned_at && !bucket.is_warned {
            bucket.is_warned = true;
            return FloodLevel::Warn;
        }
        FloodLevel::Within
    }

    /// The share of some time, in nanoseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of a float saturates, and the share is not negative"
    )]
    fn of(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.share * 1e9) as u64
    }

    /// Empties the bucket, for another process.
    pub fn reset(&self) {
        let mut bucket = lock(&self.bucket);
        self.uncounted.store(0, Ordering::Relaxed);
        (bucket.level, bucket.is_warned) = (0, false);
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// The CPU time of this thread.
pub fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    /// Charges so much in each tenth of a second; how many passed until each verdict.
    fn run(meter: &Meter, each: Duration, tenths: u32) -> (Option<u32>, Option<u32>) {
        let begin = meter.bucket.lock().unwrap().since;
        let (mut warned, mut beyond) = (None, None);
        for tenth in 1..=tenths {
            let charged = i64::try_from(each.as_nanos()).unwrap();
            meter.uncounted.store(charged, Ordering::Relaxed);
            match meter.count(begin + TENTH * tenth) {
                FloodLevel::Within => {}
                FloodLevel::Warn => warned = warned.or(Some(tenth)),
                FloodLevel::Beyond => beyond = beyond.or(Some(tenth)),
            }
        }
        (warned, beyond)
    }

    #[test]
    fn share_is_allowed_for_ever_and_more_in_a_burst() {
        let meter = Meter::new(0.25);
        assert_eq!(run(&meter, TENTH / 4, 100_000), (None, None));
        // Four seconds of a whole CPU, then nothing.
        assert_eq!(run(&meter, TENTH, 10), (None, None));
        let meter = Meter::new(0.25);
        let (warned, beyond) = run(&meter, TENTH, 60);
        assert_eq!((warned.is_some(), beyond), (true, None));
    }

    #[test]
    fn flood_is_warned_of_and_then_beyond() {
        let meter = Meter::new(0.25);
        let (warned, beyond) = run(&meter, TENTH, 100);
        assert!(warned.unwrap() < 15, "{warned:?}");
        assert!((60..75).contains(&beyond.unwrap()), "{beyond:?}");
        meter.reset();
        assert_eq!(run(&meter, TENTH / 5, 100).1, None);
    }

    #[test]
    fn small_charges_are_counted_together() {
        let meter = Meter::new(0.001);
        let charges = 20_000_u64;
        let found = (0..charges).map(|_| meter.charge(NOTICE));
        assert!(
            found
                .into_iter()
                .any(|verdict| verdict == FloodLevel::Beyond)
        );
    }
}
