//! The crash budget: how often a host may crash before no other is started, and the backoff between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock;
use crate::options::RestartMode;
use crate::report::ExitReport;

/// Each crash in a row doubles the backoff before the next start, up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How many crashes are kept. A policy may name a larger `max`, which is then never reached.
const CRASHES_KEPT_MAX: usize = 4096;

/// The crashes since the last successful call.
#[derive(Debug)]
pub(crate) struct CrashBudget {
    mode: RestartMode,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// When each happened, and to which generation.
    crashes: VecDeque<(Instant, u32)>,
    last: Option<Arc<ExitReport>>,
}

impl CrashBudget {
    pub(crate) fn new(mode: RestartMode) -> Self {
        Self {
            mode,
            entries: Mutex::default(),
        }
    }

    /// Counts a host that ended without having been told to.
    pub(crate) fn crashed(&self, report: Arc<ExitReport>) {
        let mut entries = lock(&self.entries);
        entries
            .crashes
            .push_back((Instant::now(), report.generation));
        entries.last = Some(report);
        if entries.crashes.len() > CRASHES_KEPT_MAX {
            entries.crashes.pop_front();
        }
    }

    pub(crate) fn reset_before(&self, generation: u32) {
        let mut entries = lock(&self.entries);
        entries.crashes.retain(|crash| crash.1 >= generation);
        if entries.crashes.is_empty() {
            entries.last = None;
        }
    }

    /// How the last host crashed, if the policy allows no other.
    pub(crate) fn exhausted(&self) -> Option<Arc<ExitReport>> {
        self.exhausted_at(Instant::now())
    }

    fn exhausted_at(&self, now: Instant) -> Option<Arc<ExitReport>> {
        let mut entries = lock(&self.entries);
        let is_exhausted = match self.mode {
            RestartMode::OnCrash => false,
            RestartMode::Never => true,
            RestartMode::Limited { max, window, .. } => {
                entries
                    .crashes
                    .retain(|crash| now.saturating_duration_since(crash.0) < window);
                entries.crashes.len() >= max.max(1) as usize
            }
        };
        entries.last.clone().filter(|_| is_exhausted)
    }

    /// How long to wait before the next start.
    pub(crate) fn backoff(&self) -> Duration {
        self.backoff_at(Instant::now())
    }

    fn backoff_at(&self, now: Instant) -> Duration {
        let RestartMode::Limited { backoff, .. } = self.mode else {
            return Duration::ZERO;
        };
        let entries = lock(&self.entries);
        let Some((last, _)) = entries.crashes.back() else {
            return Duration::ZERO;
        };
        let doublings = u32::try_from(entries.crashes.len() - 1).unwrap_or(u32::MAX);
        let wait = backoff
            .saturating_mul(2_u32.saturating_pow(doublings.min(31)))
            .min(BACKOFF_MAX.max(backoff));
        wait.saturating_sub(now.saturating_duration_since(*last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(max: u32) -> CrashBudget {
        CrashBudget::new(RestartMode::Limited {
            max,
            window: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
        })
    }

    fn crash(budget: &CrashBudget) {
        budget.crashed(Arc::new(ExitReport {
            generation: 1,
            ..ExitReport::default()
        }));
    }

    #[test]
    fn budget_is_exhausted_after_max_crashes_and_reset_by_a_call() {
        let budget = limited(2);
        crash(&budget);
        assert!(budget.exhausted().is_none());
        crash(&budget);
        assert!(budget.exhausted().is_some());
        budget.reset_before(1);
        assert!(budget.exhausted().is_some());
        budget.reset_before(2);
        assert!(budget.exhausted().is_none());
    }

    #[test]
    fn crashes_older_than_the_window_are_forgotten() {
        let budget = limited(1);
        crash(&budget);
        assert!(budget.exhausted().is_some());
        let later = Instant::now() + Duration::from_secs(11);
        assert!(budget.exhausted_at(later).is_none());
    }

    #[test]
    fn backoff_doubles_with_each_crash_and_is_bounded() {
        let budget = limited(100);
        assert_eq!(budget.backoff(), Duration::ZERO);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            crash(&budget);
            let wait = budget.backoff().as_secs_f64();
            assert!(
                wait <= f64::from(expected) && wait > f64::from(expected) - 0.5,
                "{wait} after {expected}"
            );
        }
        assert_eq!(
            budget.backoff_at(Instant::now() + BACKOFF_MAX),
            Duration::ZERO
        );
    }

    #[test]
    fn never_means_after_the_first() {
        let budget = CrashBudget::new(RestartMode::Never);
        assert!(budget.exhausted().is_none());
        crash(&budget);
        assert!(budget.exhausted().is_some());
    }
}
