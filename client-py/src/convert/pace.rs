//! Pauses in a long conversion: signals and the deadline are checked, and other threads may run.

use std::time::{Duration, Instant};

use hostd_protocol::value::PAUSE_VALUES;
pub(crate) use hostd_protocol::value::is_pause_due as is_due;
use pyo3::prelude::*;

use crate::config::AddonConfig;
use crate::deadline::Deadline;
use crate::errors;

/// A thread releases the interpreter for others after this long: the default of
/// `sys.setswitchinterval`.
const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// The number of values between two pauses.
pub(crate) const PAUSE_ITEMS: usize = PAUSE_VALUES as usize;

#[derive(Default)]
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
