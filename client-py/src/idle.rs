//! What a thread of Python's does while it waits for a host: it looks at signals and deadlines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hostd_client::{Idle, Interrupted};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// How many `deadline` blocks are open in this process: while none is, nobody asks.
static OPEN_DEADLINES: AtomicUsize = AtomicUsize::new(0);

static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Tells native code that a `deadline` block was entered or left.
#[pyfunction]
pub(crate) fn _deadlines(change: i64) {
    if change > 0 {
        OPEN_DEADLINES.fetch_add(1, Ordering::AcqRel);
    } else {
        OPEN_DEADLINES.fetch_sub(1, Ordering::AcqRel);
    }
}

/// When the innermost `deadline` block of this thread or task ends.
#[inline]
pub(crate) fn deadline(py: Python<'_>) -> PyResult<Option<Instant>> {
    if OPEN_DEADLINES.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    let current = CURRENT.get_or_try_init(py, || {
        Ok::<_, PyErr>(
            py.import("napi_python._deadline")?
                .getattr("remaining")?
                .unbind(),
        )
    })?;
    let remaining: Option<f64> = current.bind(py).call0()?.extract()?;
    Ok(remaining.map(|seconds| {
        let wait = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        let now = Instant::now();
        now.checked_add(wait)
            .unwrap_or(now + Duration::from_secs(1 << 30))
    }))
}

/// Why a wait ended early.
#[derive(Debug)]
pub(crate) enum Reason {
    Signal(PyErr),
    Deadline,
}

/// The idling of one wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) deadline: Option<Instant>,
    pub(crate) reason: Option<Reason>,
}

impl Waiting {
    pub(crate) const fn until(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            reason: None,
        }
    }
}

fn signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}

impl Idle for Waiting {
    fn check(&mut self) -> Result<(), Interrupted> {
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            self.reason = Some(Reason::Deadline);
            return Err(Interrupted);
        }
        match Python::try_attach(signals) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.reason = Some(Reason::Signal(error));
                Err(Interrupted)
            }
            // The interpreter ends: nothing more is to be waited for.
            None => Err(Interrupted),
        }
    }
}
