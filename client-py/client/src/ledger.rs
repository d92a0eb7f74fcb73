//! The budget of crashes: how often a host may die before no other is started.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::options::RestartMode;
use crate::report::ExitReport;

/// Crashes in a row double the pause before the next start, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is remembered of crashes, at most: the policy may allow more, but nobody counts so far.
const REMEMBERED: usize = 4096;

/// The crashes since the last successful call.
#[derive(Debug)]
pub(crate) struct Ledger {
    mode: RestartMode,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// When each happened, and to which generation.
    crashes: VecDeque<(Instant, u32)>,
    /// How the last host died.
    last: Option<Arc<ExitReport>>,
    total: u64,
}

impl Ledger {
    pub(crate) fn new(mode: RestartMode) -> Self {
        Self {
            mode,
            entries: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host died that had not been told to.
    pub(crate) fn crashed(&self, report: Arc<ExitReport>) {
        let mut entries = self.lock();
        entries.total += 1;
        entries
            .crashes
            .push_back((Instant::now(), report.generation));
        entries.last = Some(report);
        if entries.crashes.len() > REMEMBERED {
            entries.crashes.pop_front();
        }
    }

    /// A call of this generation came back: the crashes before it are forgiven.
    pub(crate) fn forgive(&self, generation: u32) {
        let mut entries = self.lock();
        entries.crashes.retain(|crash| crash.1 >= generation);
        if entries.crashes.is_empty() {
            entries.last = None;
        }
    }

    /// How many hosts have crashed in all.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    /// How the last host died, if the policy allows no other.
    pub(crate) fn verdict(&self) -> Option<Arc<ExitReport>> {
        self.verdict_at(Instant::now())
    }

    fn verdict_at(&self, now: Instant) -> Option<Arc<ExitReport>> {
        let mut entries = self.lock();
        let spent = match self.mode {
            RestartMode::OnCrash => false,
            RestartMode::Never => true,
            RestartMode::Limited { max, window, .. } => {
                entries
                    .crashes
                    .retain(|crash| now.saturating_duration_since(crash.0) < window);
                entries.crashes.len() >= max.max(1) as usize
            }
        };
        entries.last.clone().filter(|_| spent)
    }

    /// How long to wait before the next start.
    pub(crate) fn pause(&self) -> Duration {
        self.pause_at(Instant::now())
    }

    fn pause_at(&self, now: Instant) -> Duration {
        let RestartMode::Limited { backoff, .. } = self.mode else {
            return Duration::ZERO;
        };
        let entries = self.lock();
        let Some((last, _)) = entries.crashes.back() else {
            return Duration::ZERO;
        };
        let doublings = u32::try_from(entries.crashes.len() - 1).unwrap_or(u32::MAX);
        let pause = backoff
            .saturating_mul(2_u32.saturating_pow(doublings.min(31)))
            .min(LONGEST_PAUSE.max(backoff));
        pause.saturating_sub(now.saturating_duration_since(*last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(max: u32) -> Ledger {
        Ledger::new(RestartMode::Limited {
            max,
            window: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
        })
    }

    fn crash(ledger: &Ledger) {
        ledger.crashed(Arc::new(ExitReport {
            generation: 1,
            ..ExitReport::default()
        }));
    }

    #[test]
    fn budget_is_spent_after_max_crashes_and_forgiven_by_a_call() {
        let ledger = limited(2);
        crash(&ledger);
        assert!(ledger.verdict().is_none());
        crash(&ledger);
        assert!(ledger.verdict().is_some());
        ledger.forgive(1);
        assert!(ledger.verdict().is_some());
        ledger.forgive(2);
        assert!(ledger.verdict().is_none());
        assert_eq!(ledger.total(), 2);
    }

    #[test]
    fn crashes_older_than_the_window_are_forgotten() {
        let ledger = limited(1);
        crash(&ledger);
        assert!(ledger.verdict().is_some());
        let later = Instant::now() + Duration::from_secs(11);
        assert!(ledger.verdict_at(later).is_none());
    }

    #[test]
    fn pause_doubles_with_each_crash_and_is_bounded() {
        let ledger = limited(100);
        assert_eq!(ledger.pause(), Duration::ZERO);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            crash(&ledger);
            let pause = ledger.pause().as_secs_f64();
            assert!(
                pause <= f64::from(expected) && pause > f64::from(expected) - 0.5,
                "{pause} after {expected}"
            );
        }
        assert_eq!(
            ledger.pause_at(Instant::now() + LONGEST_PAUSE),
            Duration::ZERO
        );
    }

    #[test]
    fn never_means_after_the_first() {
        let ledger = Ledger::new(RestartMode::Never);
        assert!(ledger.verdict().is_none());
        crash(&ledger);
        assert!(ledger.verdict().is_some());
    }
}
