//! Spinning for a bounded time before parking, adapted to how often that succeeds.

use std::time::{Duration, Instant};

use crate::constants::{BRIEF_POLL_MAX, MIGRATION_SPIN, POLLS_PER_CLOCK_READING, SpinLimits};
use crate::switch::WaitSwitch;

const NEVER: &SpinLimits = &SpinLimits {
    switch: WaitSwitch::Spin,
    max: Duration::ZERO,
    min: Duration::ZERO,
    retry_after: u32::MAX,
};

/// How long one waiter spins: the longest time after a success, half as long after each failure.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveSpin {
    limits: &'static SpinLimits,
    budget: Duration,
    /// Waits since the budget came to zero.
    skipped: u32,
    /// Successes since it was made or [extended](Self::extended).
    successes: u32,
}

impl AdaptiveSpin {
    /// Spins only where this thread may run on two CPUs: on one, the other end can't run meanwhile.
    pub fn new(limits: &'static SpinLimits) -> Self {
        if cpu_count() > 1 && limits.switch.is_on() {
            Self::on_any_cpus(limits)
        } else {
            Self::never()
        }
    }

    /// Spins on a single CPU as well: for a caller that yields between polls.
    pub const fn on_any_cpus(limits: &'static SpinLimits) -> Self {
        Self {
            limits,
            budget: limits.max,
            skipped: 0,
            successes: 0,
        }
    }

    /// Polls once and never spins.
    pub const fn never() -> Self {
        Self::on_any_cpus(NEVER)
    }

    /// The same with its longest budget, at least that of [`MIGRATION_SPIN`]: for the wait in which the
    /// other end migrates to another CPU.
    #[must_use]
    pub fn extended(self) -> Self {
        let mut extended = Self::on_any_cpus(self.limits);
        if !extended.budget.is_zero() {
            extended.budget = extended.budget.max(MIGRATION_SPIN);
        }
        extended
    }

    /// Notes that this thread was parked for `time`, the time of waking it included, until it was
    /// notified from another CPU. If spinning would have taken little longer, the next wait spins:
    /// the other end is awake now.
    pub fn record_park(&mut self, time: Duration) {
        let max = self.limits.max;
        if time < max + max / 2 {
            self.budget = self.budget.max(max);
            self.skipped = 0;
        }
    }

    /// Successes since it was made or [extended](Self::extended).
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// Polls once, then again for as long as spinning is expected to succeed.
    #[inline]
    pub fn until<T>(&mut self, poll: impl FnMut() -> Option<T>) -> Option<T> {
        self.until_between(poll, |_| ())
    }

    /// As [`until`](Self::until); calls `between` between two series of polls, with the time that
    /// has passed.
    #[inline]
    pub fn until_between<T>(
        &mut self,
        mut poll: impl FnMut() -> Option<T>,
        mut between: impl FnMut(Duration),
    ) -> Option<T> {
        if let Some(found) = poll() {
            return Some(found);
        }
        let budget = self.next_budget()?;
        self.spin_for(budget, poll, |passed| {
            between(passed);
            true
        })
    }

    /// Polls once, then again for [`BRIEF_POLL_MAX`] if spinning is expected to succeed. A failure
    /// does not shorten the budget.
    #[inline]
    pub fn briefly<T>(&mut self, mut poll: impl FnMut() -> Option<T>) -> Option<T> {
        if let Some(found) = poll() {
            return Some(found);
        }
        if self.budget.is_zero() || !WaitSwitch::BriefPoll.is_on() {
            return None;
        }
        self.poll_for(BRIEF_POLL_MAX.min(self.budget), poll, |_| true)
    }

    /// How long the wait that begins now is to spin; none if that is not expected to succeed. To be
    /// called once for each wait.
    #[inline]
    pub fn next_budget(&mut self) -> Option<Duration> {
        if self.budget.is_zero() {
            self.retry()
        } else {
            Some(self.budget)
        }
    }

    /// Polls for `budget`, or until `between` returns false.
    #[inline]
    pub fn spin_for<T>(
        &mut self,
        budget: Duration,
        poll: impl FnMut() -> Option<T>,
        between: impl FnMut(Duration) -> bool,
    ) -> Option<T> {
        let found = self.poll_for(budget, poll, between);
        if found.is_none() {
            let half = self.budget / 2;
            self.budget = if half < self.limits.min {
                Duration::ZERO
            } else {
                half
            };
        }
        found
    }

    #[inline]
    fn poll_for<T>(
        &mut self,
        budget: Duration,
        mut poll: impl FnMut() -> Option<T>,
        mut between: impl FnMut(Duration) -> bool,
    ) -> Option<T> {
        let mut start = None;
        loop {
            for _ in 0..POLLS_PER_CLOCK_READING {
                std::hint::spin_loop();
                if let Some(found) = poll() {
                    self.budget = self.limits.max;
                    self.successes = self.successes.saturating_add(1);
                    return Some(found);
                }
            }
            let passed = start.get_or_insert_with(Instant::now).elapsed();
            if passed >= budget || !between(passed) {
                return None;
            }
        }
    }

    /// The budget of one of `retry_after` waits.
    #[cold]
    fn retry(&mut self) -> Option<Duration> {
        if self.limits.max.is_zero() {
            return None;
        }
        self.skipped += 1;
        if self.skipped < self.limits.retry_after {
            return None;
        }
        self.skipped = 0;
        Some(self.limits.max)
    }
}

/// CPUs that this thread may run on.
#[cfg(not(loom))]
fn cpu_count() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// One: in the model, spinning only adds states.
#[cfg(loom)]
fn cpu_count() -> u32 {
    1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::constants::{LANE_SPIN, POOL_SPIN};

    const SHORT: &SpinLimits = &SpinLimits {
        max: Duration::from_micros(2),
        ..*LANE_SPIN
    };

    fn lasting(seconds: u64) -> AdaptiveSpin {
        let mut spin = AdaptiveSpin::on_any_cpus(SHORT);
        spin.budget = Duration::from_secs(seconds);
        spin
    }

    fn polls_without_success(spin: &mut AdaptiveSpin) -> u32 {
        let mut polls = 0;
        let found: Option<()> = spin.until(|| {
            polls += 1;
            None
        });
        assert!(found.is_none());
        polls
    }

    #[test]
    fn stops_without_success_and_is_retried() {
        let mut spin = AdaptiveSpin::on_any_cpus(SHORT);
        let spins: Vec<bool> = (0..4)
            .map(|_| polls_without_success(&mut spin) > 1)
            .collect();
        assert_eq!(spins, [true, true, true, false]);
        let retries = (1..=2 * SHORT.retry_after).filter(|_| polls_without_success(&mut spin) > 1);
        assert_eq!(retries.count(), 2);
    }

    #[test]
    fn time_is_bounded() {
        let mut spin = AdaptiveSpin::on_any_cpus(SHORT);
        spin.budget = Duration::from_millis(5);
        let start = Instant::now();
        polls_without_success(&mut spin);
        assert!(start.elapsed() >= Duration::from_millis(5));
        assert!(start.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn brief_poll_does_not_adapt() {
        let mut spin = lasting(1);
        let start = Instant::now();
        assert_eq!(spin.briefly(|| None::<()>), None);
        assert!(start.elapsed() < Duration::from_millis(500));
        assert_eq!(spin.budget, Duration::from_secs(1));
        let mut polls = 0;
        let found: Option<()> = AdaptiveSpin::never().briefly(|| {
            polls += 1;
            None
        });
        assert_eq!((found, polls), (None, 1));
    }

    #[test]
    fn short_park_restores_the_budget() {
        let mut spin = AdaptiveSpin::on_any_cpus(SHORT);
        while polls_without_success(&mut spin) > 1 {}
        spin.record_park(Duration::from_millis(1));
        assert_eq!(polls_without_success(&mut spin), 1);
        spin.record_park(SHORT.max);
        assert!(polls_without_success(&mut spin) > 1);
        let mut never = AdaptiveSpin::never();
        never.record_park(Duration::ZERO);
        assert_eq!(polls_without_success(&mut never), 1);
    }

    #[test]
    fn between_is_called_with_growing_times() {
        let mut spin = lasting(60);
        let calls = std::cell::Cell::new(0);
        let mut last = Duration::ZERO;
        let found = spin.until_between(
            || (calls.get() == 3).then_some(()),
            |passed| {
                assert!(passed >= last);
                last = passed;
                calls.set(calls.get() + 1);
            },
        );
        assert_eq!(found, Some(()));
    }

    #[test]
    fn between_ends_a_spin() {
        let mut spin = AdaptiveSpin::on_any_cpus(POOL_SPIN);
        let start = Instant::now();
        let found = spin.spin_for(Duration::from_secs(60), || None::<()>, |_| false);
        assert!(found.is_none() && start.elapsed() < Duration::from_secs(30));
        assert_eq!(spin.budget, POOL_SPIN.max / 2);
    }

    #[test]
    fn success_restores_the_budget() {
        let mut spin = AdaptiveSpin::on_any_cpus(SHORT);
        polls_without_success(&mut spin);
        let mut polls = 0;
        let found = spin.until(|| {
            polls += 1;
            (polls == 3).then_some(())
        });
        assert_eq!(found, Some(()));
        assert_eq!(spin.budget, SHORT.max);
    }

    #[test]
    fn never_means_one_poll() {
        let mut spin = AdaptiveSpin::never();
        assert!((0..100).all(|_| polls_without_success(&mut spin) == 1));
    }
}
