//! Spinning for a short, bounded time before sleeping, for as long as it pays.

use std::time::{Duration, Instant};

use crate::layout::PATIENT_SPIN_TIME;

/// How long one waiter spins. Belongs to one end of one lane, or to the JS thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spin {
    /// The longest time; zero where spinning can't help.
    most: Duration,
    /// The time to spin now: the longest after a success, half as long after each failure.
    budget: Duration,
    /// Waits since it was given up.
    idle: u32,
    /// How often it paid since it was [renewed](Self::renewed).
    won: u32,
}

/// A shorter time is not worth the trouble.
const LEAST: Duration = Duration::from_nanos(500);
/// What is waited for longer than this does not come at once.
pub(crate) const MOMENT: Duration = Duration::from_micros(3);
/// Given up, it is tried again once in so many waits.
const RETRY: u32 = 32;
/// Looks between two looks at the clock.
const ROUNDS: u32 = 16;

impl Spin {
    /// Spins for `most` at most, where spinning can help.
    pub(crate) fn new(most: Duration) -> Self {
        Self::at_most(if cpus() < 2 { Duration::ZERO } else { most })
    }

    /// Never spins, for measurements and for those who know better.
    pub(crate) fn never() -> Self {
        Self::at_most(Duration::ZERO)
    }

    /// The same, where there is a new reason to think that spinning pays: it has all its time, and
    /// the next time longer, for the other end is on its way to another CPU.
    pub(crate) fn renewed(self) -> Self {
        let budget = if self.most.is_zero() {
            Duration::ZERO
        } else {
            PATIENT_SPIN_TIME.max(self.most)
        };
        Self {
            budget,
            ..Self::at_most(self.most)
        }
    }

    fn at_most(most: Duration) -> Self {
        Self {
            most,
            budget: most,
            idle: 0,
            won: 0,
        }
    }

    /// This end slept for so long until what it waited for came from another CPU, of which some was
    /// the time that waking takes. If it was not much longer than spinning may take, that will pay
    /// the next time, for the other end is awake now.
    pub(crate) fn slept(&mut self, time: Duration) {
        if time < self.most + self.most / 2 {
            self.budget = self.budget.max(self.most);
            self.idle = 0;
        }
    }

    /// How often spinning paid since there was reason to think so.
    pub(crate) fn won(&self) -> u32 {
        self.won
    }

    /// Looks once, and then again for as long as spinning is thought to pay.
    #[inline]
    pub(crate) fn until<T>(&mut self, look: impl FnMut() -> Option<T>) -> Option<T> {
        self.until_between(look, |_| ())
    }

    /// The same, and calls `between` now and then, between two looks, with the time that has passed.
    #[inline]
    pub(crate) fn until_between<T>(
        &mut self,
        mut look: impl FnMut() -> Option<T>,
        between: impl FnMut(Duration),
    ) -> Option<T> {
        if let Some(found) = look() {
            return Some(found);
        }
        let mut budget = self.budget;
        if budget.is_zero() {
            budget = self.retry();
            if budget.is_zero() {
                return None;
            }
        }
        let found = self.spin(budget, look, between);
        if found.is_none() {
            let half = self.budget / 2;
            self.budget = if half < LEAST { Duration::ZERO } else { half };
        }
        found
    }

    /// Looks once, and then again for a moment if spinning is thought to pay. That it did not within
    /// a moment says nothing.
    #[inline]
    pub(crate) fn briefly<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if let Some(found) = look() {
            return Some(found);
        }
        if self.budget.is_zero() {
            return None;
        }
        self.spin(MOMENT.min(self.budget), look, |_| ())
    }

    #[inline]
    fn spin<T>(
        &mut self,
        budget: Duration,
        mut look: impl FnMut() -> Option<T>,
        mut between: impl FnMut(Duration),
    ) -> Option<T> {
        // What comes at once is found without a look at the clock.
        let mut start = None;
        loop {
            for _ in 0..ROUNDS {
                std::hint::spin_loop();
                if let Some(found) = look() {
                    self.budget = self.most;
                    self.won = self.won.saturating_add(1);
                    return Some(found);
                }
            }
            let passed = start.get_or_insert_with(Instant::now).elapsed();
            if passed >= budget {
                return None;
            }
            between(passed);
        }
    }

    /// How long to try although spinning was given up.
    #[cold]
    fn retry(&mut self) -> Duration {
        self.idle += 1;
        if self.idle < RETRY {
            return Duration::ZERO;
        }
        self.idle = 0;
        self.most
    }
}

/// CPUs that this thread may run on. On a single one, whom we wait for can't run while we spin.
#[cfg(all(not(loom), target_os = "linux"))]
fn cpus() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// No lanes here, or no time: in the model spinning is nothing but more states.
#[cfg(any(loom, not(target_os = "linux")))]
fn cpus() -> u32 {
    1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn failing(spin: &mut Spin) -> u32 {
        let mut looks = 0;
        let found: Option<()> = spin.until(|| {
            looks += 1;
            None
        });
        assert!(found.is_none());
        looks
    }

    #[test]
    fn is_given_up_when_it_does_not_pay_and_tried_again() {
        let mut spin = Spin::at_most(4 * LEAST);
        let tries: Vec<bool> = (0..4).map(|_| failing(&mut spin) > 1).collect();
        assert_eq!(tries, [true, true, true, false]);
        let again = (1..=2 * RETRY).filter(|_| failing(&mut spin) > 1).count();
        assert_eq!(again, 2);
    }

    #[test]
    fn its_time_is_bounded() {
        let mut spin = Spin::at_most(Duration::from_millis(5));
        let start = Instant::now();
        failing(&mut spin);
        assert!(start.elapsed() >= Duration::from_millis(5));
        assert!(start.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn a_moment_says_nothing_of_whether_it_pays() {
        let mut spin = Spin::at_most(Duration::from_secs(1));
        let start = Instant::now();
        assert_eq!(spin.briefly(|| None::<()>), None);
        assert!(start.elapsed() < Duration::from_millis(500));
        assert_eq!(spin.budget, spin.most);
        let mut never = Spin::never();
        let mut looks = 0;
        let found: Option<()> = never.briefly(|| {
            looks += 1;
            None
        });
        assert_eq!((found, looks), (None, 1));
    }

    #[test]
    fn is_tried_again_at_once_by_who_slept_for_a_moment_only() {
        let mut spin = Spin::at_most(4 * LEAST);
        while failing(&mut spin) > 1 {}
        spin.slept(Duration::from_millis(1));
        assert_eq!(failing(&mut spin), 1);
        spin.slept(4 * LEAST);
        assert!(failing(&mut spin) > 1);
        let mut never = Spin::never();
        never.slept(Duration::ZERO);
        assert_eq!(failing(&mut never), 1);
    }

    #[test]
    fn others_are_let_between_two_looks() {
        let mut spin = Spin::at_most(Duration::from_secs(60));
        let let_others = std::cell::Cell::new(0);
        let mut last = Duration::ZERO;
        let found = spin.until_between(
            || (let_others.get() == 3).then_some(()),
            |passed| {
                assert!(passed >= last);
                last = passed;
                let_others.set(let_others.get() + 1);
            },
        );
        assert_eq!(found, Some(()));
    }

    #[test]
    fn a_success_restores_it() {
        let mut spin = Spin::at_most(4 * LEAST);
        failing(&mut spin);
        let mut looks = 0;
        let found = spin.until(|| {
            looks += 1;
            (looks == 3).then_some(())
        });
        assert_eq!(found, Some(()));
        assert_eq!(spin.budget, spin.most);
    }

    #[test]
    fn never_means_one_look() {
        let mut spin = Spin::never();
        assert!((0..2 * RETRY).all(|_| failing(&mut spin) == 1));
    }
}
