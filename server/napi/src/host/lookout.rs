//! How a thread of the pool looks for its next job: for as long as that pays, with the CPU left to
//! whoever wants it between two looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread looks for a job at most.
const LOOK: Duration = Duration::from_micros(100);
/// A shorter look is not worth the trouble.
const LEAST: Duration = Duration::from_micros(10);
/// Given up, it is tried again after so many jobs.
const RETRY: u32 = 16;
/// Whoever has the CPU for longer than this is none for whom it was left.
const LONG: Duration = Duration::from_micros(500);
/// For how long looking is given up then, at first and at most: twice as long each time.
const GRUDGE: Duration = Duration::from_millis(50);
const LONGEST_GRUDGE: Duration = Duration::from_secs(2);
/// Looks between two at the clock.
const ROUNDS: u32 = 16;

/// How long a thread looks for the next job: the longest time after a success, half as long after
/// each failure, and now and then if it was given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookout {
    time: Duration,
    /// Jobs since it was given up.
    jobs: u32,
    /// When it is tried again at the earliest, and for how long it was given up.
    again: Option<Instant>,
    grudge: Duration,
}

impl Lookout {
    pub(super) const fn new() -> Self {
        Self {
            time: LOOK,
            jobs: 0,
            again: None,
            grudge: Duration::ZERO,
        }
    }

    /// Whether it is worth the trouble. To be asked after each job that came alone.
    pub(super) fn pays(&mut self) -> bool {
        if self.time.is_zero() {
            self.jobs += 1;
            let is_time = match self.again {
                Some(again) => Instant::now() >= again,
                None => self.jobs >= RETRY,
            };
            if is_time {
                (self.time, self.jobs, self.again) = (LOOK, 0, None);
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
                self.give_up();
                return;
            }
        }
        let half = self.time / 2;
        self.time = if half < LEAST { Duration::ZERO } else { half };
    }

    /// Whoever is near but gets no CPU keeps others from the jobs.
    #[cold]
    fn give_up(&mut self) {
        self.time = Duration::ZERO;
        self.grudge = (self.grudge * 2).clamp(GRUDGE, LONGEST_GRUDGE);
        self.again = Instant::now().checked_add(self.grudge);
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
        // Unless others were in the way, on a busy machine.
        lookout.again = None;
        assert!((2..RETRY).all(|_| !lookout.pays()));
        assert!(lookout.pays());
        assert_eq!(lookout.time, LOOK);
    }

    #[test]
    fn who_lost_the_cpu_for_long_looks_again_after_a_while() {
        let mut lookout = Lookout::new();
        for expected in [GRUDGE, 2 * GRUDGE, 4 * GRUDGE] {
            lookout.give_up();
            assert_eq!(lookout.grudge, expected);
            assert!((0..2 * RETRY).all(|_| !lookout.pays()), "however many jobs");
            lookout.again = Some(Instant::now());
            assert!(lookout.pays());
        }
        lookout.look(&AtomicBool::new(true));
        lookout.give_up();
        assert_eq!(lookout.grudge, GRUDGE);
    }
}
