//! Spinning for a short, bounded time before sleeping, for as long as it pays.

/// How long one waiter spins. Belongs to one end of one lane, or to the JS thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spin {
    /// Rounds at most; zero where spinning can't help.
    most: u32,
    /// Rounds to spin now: all of them after a success, half as many after each failure.
    budget: u32,
    /// Waits since it was given up.
    idle: u32,
}

/// Fewer rounds than this are not worth the trouble.
const LEAST: u32 = 8;
/// Given up, it is tried again once in so many waits.
const RETRY: u32 = 32;

impl Spin {
    pub(crate) fn new() -> Self {
        let most = rounds();
        Self {
            most,
            budget: most,
            idle: 0,
        }
    }

    /// Never spins, for measurements and for those who know better.
    pub(crate) fn never() -> Self {
        Self {
            most: 0,
            budget: 0,
            idle: 0,
        }
    }

    /// Looks once, and then again for as long as spinning is thought to pay.
    #[inline]
    pub(crate) fn until<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if let Some(found) = look() {
            return Some(found);
        }
        let mut rounds = self.budget;
        if rounds == 0 {
            rounds = self.retry();
        }
        for _ in 0..rounds {
            std::hint::spin_loop();
            if let Some(found) = look() {
                self.budget = self.most;
                return Some(found);
            }
        }
        let half = self.budget / 2;
        self.budget = if half < LEAST { 0 } else { half };
        None
    }

    /// How many rounds to try although spinning was given up.
    #[cold]
    fn retry(&mut self) -> u32 {
        self.idle += 1;
        if self.idle < RETRY {
            return 0;
        }
        self.idle = 0;
        self.most
    }
}

/// How many rounds `SPIN_TIME` has on this machine; none on a single CPU, where whom we wait for
/// can't run while we spin.
#[cfg(not(loom))]
fn rounds() -> u32 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static PER_SPIN: OnceLock<u32> = OnceLock::new();
    if cpus() < 2 {
        return 0;
    }
    *PER_SPIN.get_or_init(|| {
        const PROBE: u32 = 128;
        // The best of a few: an interruption makes a probe longer, nothing makes it shorter.
        let probe = || {
            let start = Instant::now();
            for _ in 0..PROBE {
                std::hint::spin_loop();
            }
            start.elapsed().as_nanos().max(1)
        };
        let best = (0..4).map(|_| probe()).min().unwrap_or(1);
        let rounds = crate::SPIN_TIME.as_nanos() * u128::from(PROBE) / best;
        u32::try_from(rounds).unwrap_or(u32::MAX).clamp(LEAST, 4096)
    })
}

#[cfg(loom)]
fn rounds() -> u32 {
    0
}

/// CPUs that this thread may run on.
#[cfg(all(not(loom), target_os = "linux"))]
fn cpus() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

#[cfg(all(not(loom), not(target_os = "linux")))]
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
        let mut spin = Spin {
            most: 64,
            budget: 64,
            idle: 0,
        };
        let looks: Vec<u32> = (0..5).map(|_| failing(&mut spin)).collect();
        assert_eq!(looks, [65, 33, 17, 9, 1]);
        let tried: u32 = (0..RETRY).map(|_| u32::from(failing(&mut spin) > 1)).sum();
        assert_eq!(tried, 1);
    }

    #[test]
    fn a_success_restores_it() {
        let mut spin = Spin {
            most: 64,
            budget: 8,
            idle: 0,
        };
        let mut looks = 0;
        let found = spin.until(|| {
            looks += 1;
            (looks == 3).then_some(())
        });
        assert_eq!(found, Some(()));
        assert_eq!(failing(&mut spin), 65);
    }

    #[test]
    fn never_means_one_look() {
        let mut spin = Spin::never();
        assert!((0..2 * RETRY).all(|_| failing(&mut spin) == 1));
    }
}
