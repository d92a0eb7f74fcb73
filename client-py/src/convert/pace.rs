//! Pauses in a long conversion: signals and the deadline are checked, and other threads may run.

use std::time::{Duration, Instant};

use hostd_protocol::value::PAUSE_VALUES;
use pyo3::prelude::*;

use crate::config::AddonConfig;
use crate::deadline::Deadline;
use crate::errors;

/// A thread releases the interpreter for others after this long: the default of
/// `sys.setswitchinterval`.
const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// The number of values between two pauses.
pub(crate) const PAUSE_ITEMS: usize = PAUSE_VALUES as usize;

/// Whether there is a pause before the item at this position.
pub(crate) const fn is_due(position: usize) -> bool {
    position % PAUSE_ITEMS == PAUSE_ITEMS - 1
}

/// The pauses of one conversion.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Since when this thread has held the interpreter without a break.
    since: Option<Instant>,
}

impl Pace {
    /// Raises what a signal handler raises, and `AddonTimeout` after the deadline. Other threads may
    /// run Python code meanwhile.
    pub(crate) fn pause(
        &mut self,
        py: Python<'_>,
        config: &AddonConfig,
        deadline: Option<Deadline>,
    ) -> PyResult<()> {
        let now = Instant::now();
        if let Some(deadline) = deadline
            && deadline.at <= now
        {
            return Err(errors::call_timeout(&config.label, None, deadline.after));
        }
        py.check_signals()?;
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= SWITCH_INTERVAL {
            py.detach(|| ());
            self.since = Some(Instant::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_due_once_in_each_run_of_items() {
        let due: Vec<usize> = (0..3 * PAUSE_ITEMS).filter(|&at| is_due(at)).collect();
        assert_eq!(
            due,
            [PAUSE_ITEMS - 1, 2 * PAUSE_ITEMS - 1, 3 * PAUSE_ITEMS - 1]
        );
    }
}
