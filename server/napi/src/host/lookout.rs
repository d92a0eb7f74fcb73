//! How a thread of the pool looks for its next job: for as long as that pays, with the CPU left to
//! whoever wants it between two looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread looks for a job at most.
const LOOK: Duration = Duration::from_micros(100);
/// A shorter look is not worth the trouble.
const LEAST: Duration = Duration::from_micros(10);
/// Given up, it is tried again after so many jobs, at first and at most: each time that somebody
/// else took the CPU for long meanwhile, twice as many.
const RETRY: u32 = 16;
const LATEST_RETRY: u32 = 1 << 14;
const LONG: Duration = Duration::from_micros(500);
/// Looks between two at the clock.
const ROUNDS: u32 = 16;

/// How long a thread looks for the next job: the longest time after a success, half as long after
/// each failure, and now and then if it was given up.
#[derive(Debug)]
pub(super) struct Lookout {
    time: Duration,
    /// Jobs since it was given up, and after how many it is tried again.
    jobs: u32,
    retry: u32,
}

impl Lookout {
    pub(super) fn new() -> Self {
        Self {
            time: LOOK,
            jobs: 0,
            retry: RETRY,
        }
    }

    /// Whether it is worth the trouble. To be asked after each job that came alone.
    pub(super) fn pays(&mut self) -> bool {
        if self.time.is_zero() {
            self.jobs += 1;
            if self.jobs >= self.retry {
                (self.time, self.jobs) = (LOOK, 0);
            }
        }
        !self.time.is_zero()
    }

    /// Looks until there are `jobs`, or until that does not pay any more.
    pub(super) fn look(&mut self, jobs: &AtomicBool) {
        let start = Instant::now();
        let mut passed = Duration::ZERO;
        loop {
            for _ in 0..ROUNDS {
                if jobs.load(Ordering::Relaxed) {
                    *self = Self::new();
                    return;
                }
                std::hint::spin_loop();
            }
            if passed >= self.time {
                break;
            }
            thread::yield_now();
            let before = passed;
            passed = start.elapsed();
            if passed.saturating_sub(before) > LONG {
                // Whoever is near but gets no CPU keeps others from the jobs.
                self.time = Duration::ZERO;
                self.retry = (self.retry * 2).min(LATEST_RETRY);
                return;
            }
        }
        let half = self.time / 2;
        self.time = if half < LEAST { Duration::ZERO } else { half };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_in_vain_gives_that_up_and_tries_again() {
        let mut lookout = Lookout::new();
        let mut looked = 0;
        while lookout.pays() {
            lookout.look(&AtomicBool::new(false));
            looked += 1;
            assert!(looked < 10);
        }
        assert!((2..RETRY).all(|_| !lookout.pays()));
        assert!(lookout.pays());
        assert_eq!(lookout.time, LOOK);
    }
}
