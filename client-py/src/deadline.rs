//! Deadlines of calls and waits: those of the `deadline` blocks, and which of several is nearer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::call;
use crate::fallible;

/// The number of `deadline` blocks that are open in this process. While it is zero, a call does not
/// run Python code to find the nearest one.
static OPEN_DEADLINES: AtomicUsize = AtomicUsize::new(0);

static NEAREST: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Tells native code that a `deadline` block was entered or left.
#[pyfunction]
pub(crate) fn _deadlines(change: i64) {
    if change > 0 {
        OPEN_DEADLINES.fetch_add(1, Ordering::AcqRel);
    } else {
        OPEN_DEADLINES.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A moment at which a wait ends, and the timeout that led to it, for the message of the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

impl Deadline {
    /// The deadline of a wait that begins now; None if the clock does not reach that far.
    #[inline]
    pub(crate) fn after(after: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(after)?;
        Some(Self { at, after })
    }
}

/// The nearest deadline of the `deadline` blocks around this thread or task.
#[inline]
pub(crate) fn of_blocks(py: Python<'_>) -> PyResult<Option<Deadline>> {
    if OPEN_DEADLINES.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    let current = NEAREST.get_or_try_init(py, || {
        Ok::<_, PyErr>(fallible::import(py, "napi_python._deadline", "nearest")?.unbind())
    })?;
    let nearest: Option<(f64, f64)> = call(current.bind(py), ())?.extract()?;
    let duration =
        |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    Ok(nearest.map(|(left, seconds)| {
        let now = Instant::now();
        Deadline {
            at: now
                .checked_add(duration(left))
                .unwrap_or(now + Duration::from_secs(1 << 30)),
            after: duration(seconds),
        }
    }))
}

/// The nearer of two deadlines. Most calls have no second one.
#[inline]
pub(crate) fn nearer(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
    match other {
        None => one,
        Some(other) => Some(nearer_of_some(one, other)),
    }
}

#[cold]
fn nearer_of_some(one: Option<Deadline>, other: Deadline) -> Deadline {
    one.filter(|one| one.at <= other.at).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_deadline_wins_and_a_missing_one_never() {
        let deadline = |seconds| Deadline::after(Duration::from_secs(seconds));
        let after = |one, other| nearer(one, other).map(|found| found.after.as_secs());
        assert_eq!(after(None, None), None);
        assert_eq!(after(deadline(1), None), Some(1));
        assert_eq!(after(None, deadline(2)), Some(2));
        assert_eq!(after(deadline(1), deadline(2)), Some(1));
        assert_eq!(after(deadline(3), deadline(2)), Some(2));
    }

    #[test]
    fn a_timeout_beyond_the_clock_is_no_deadline() {
        assert!(Deadline::after(Duration::MAX).is_none());
    }
}
