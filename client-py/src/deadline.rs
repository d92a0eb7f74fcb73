//! The deadlines of `deadline` blocks, which `_deadline.py` keeps: each call asks for the nearest one,
//! if any block is open in this process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) use hostd_client::deadline::{Deadline, nearer};
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
