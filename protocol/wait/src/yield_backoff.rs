//! Yielding the CPU between two polls, and for how long not to after a yield that took a time slice.

use std::time::{Duration, Instant};

use crate::constants::{YIELD_BACKOFF_MAX, YIELD_BACKOFF_MIN, YIELD_TIME_MAX};
use crate::switch::WaitSwitch;

/// Yields to the thread that is waited for, which may need this CPU. Backs off where other processes
/// take whole time slices then: a yield costs more there than it gains.
#[derive(Debug, Clone, Copy, Default)]
pub struct YieldBackoff {
    until: Option<Instant>,
    time: Duration,
}

impl YieldBackoff {
    /// Without a back-off.
    pub const fn new() -> Self {
        Self {
            until: None,
            time: Duration::ZERO,
        }
    }

    /// Whether [`maybe_yield`](Self::maybe_yield) would not yield now.
    pub fn is_active(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Yields, unless a back-off is active. False if that took a time slice: a back-off begins.
    pub fn maybe_yield(&mut self) -> bool {
        !WaitSwitch::Yield.is_on() || self.maybe_run(std::thread::yield_now)
    }

    fn maybe_run(&mut self, yield_now: impl FnOnce()) -> bool {
        let start = Instant::now();
        if self.until.is_some_and(|until| start < until) {
            return true;
        }
        yield_now();
        let taken = start.elapsed();
        if taken < YIELD_TIME_MAX {
            self.until = None;
            return true;
        }
        // A back-off that ended long ago says nothing about the present load.
        let is_old = self
            .until
            .is_some_and(|until| start - until > YIELD_BACKOFF_MAX);
        let time = if is_old {
            Duration::ZERO
        } else {
            self.time * 2
        };
        self.time = time.clamp(YIELD_BACKOFF_MIN, YIELD_BACKOFF_MAX);
        self.until = start.checked_add(taken + self.time);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_yields_suspend_yielding_for_longer_each_time() {
        let mut backoff = YieldBackoff::new();
        let mut yields = 0;
        for _ in 0..100 {
            backoff.maybe_run(|| yields += 1);
        }
        assert!(yields > 90, "{yields} of 100 yields were made");
        let long = || std::thread::sleep(YIELD_TIME_MAX);
        assert!(!backoff.maybe_run(long));
        for factor in [1, 2, 4] {
            assert_eq!(backoff.time, factor * YIELD_BACKOFF_MIN);
            assert!(backoff.is_active());
            assert!(backoff.maybe_run(|| panic!("a back-off is active")));
            backoff.until = Some(Instant::now());
            assert!(!backoff.is_active());
            backoff.maybe_run(long);
        }
        backoff.until = Instant::now().checked_sub(2 * YIELD_BACKOFF_MAX);
        backoff.maybe_run(long);
        assert_eq!(backoff.time, YIELD_BACKOFF_MIN);
    }
}
