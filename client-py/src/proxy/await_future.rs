//! The asyncio future that an `await` of a promise waits for.

use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::call::method;
use crate::deadline::Deadline;
use crate::errors;
use crate::generation::{End, HostGeneration};

/// A future of one loop, which is done when the promise is settled.
pub(crate) struct AwaitFuture {
    future: Py<PyAny>,
    event_loop: Py<PyAny>,
    thread: ThreadId,
    /// The loop's timer for the deadline, if there is one.
    timer: Option<Py<PyAny>>,
}

impl AwaitFuture {
    /// A future of this running loop. At the deadline the loop calls `promise._give_up`.
    pub(crate) fn new(
        promise: &Bound<'_, PyAny>,
        event_loop: &Bound<'_, PyAny>,
        deadline: Option<Deadline>,
    ) -> PyResult<Self> {
        let py = promise.py();
        let future = method(event_loop, intern!(py, "create_future"), ())?;
        let timer = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.at.saturating_duration_since(Instant::now());
                let give_up = promise.getattr(intern!(py, "_give_up"))?;
                let after = deadline.after.into_pyobject(py)?;
                let later = (left.as_secs_f64(), give_up, &future, after);
                Some(method(event_loop, intern!(py, "call_later"), later)?.unbind())
            }
        };
        Ok(Self {
            future: future.unbind(),
            event_loop: event_loop.clone().unbind(),
            thread: thread::current().id(),
            timer,
        })
    }

    /// The promise is settled: the `await` goes on.
    pub(crate) fn resolve(self, py: Python<'_>, generation: &HostGeneration) {
        let resolved = if self.thread == thread::current().id() {
            set_done(self.future.bind(py))
        } else if matches!(generation.end(), Some(End::Forked)) {
            // That thread stayed with the parent, and the wake-up of this loop is the parent's.
            Ok(())
        } else {
            wrap_pyfunction!(set_done, py).and_then(|set_done| {
                let soon = intern!(py, "call_soon_threadsafe");
                method(self.event_loop.bind(py), soon, (set_done, &self.future)).map(drop)
            })
        };
        // A loop that was closed meanwhile runs no `await`.
        drop(resolved);
        self.cancel(py);
    }

    /// The `await` has ended.
    pub(crate) fn cancel(self, py: Python<'_>) {
        if let Some(timer) = self.timer {
            // This has no effect on a timer that has run. With a timer of another thread's loop it
            // only clears the callback.
            let _ = method(timer.bind(py), intern!(py, "cancel"), ());
        }
    }

    pub(crate) fn future<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.future.bind(py).clone()
    }

    pub(crate) fn is(&self, future: &Bound<'_, PyAny>) -> bool {
        future.is(&self.future)
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.event_loop)?;
        visit.call(&self.timer)
    }
}

pub(crate) fn is_done(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    future
        .call_method0(intern!(future.py(), "done"))?
        .is_truthy()
}

/// Has the `await` go on, in the thread of its loop.
#[pyfunction]
fn set_done(future: &Bound<'_, PyAny>) -> PyResult<()> {
    if is_done(future)? {
        return Ok(());
    }
    let py = future.py();
    method(future, intern!(py, "set_result"), (py.None(),)).map(drop)
}

/// The deadline of one `await` has passed.
pub(crate) fn give_up(
    addon: &LoadedAddon,
    py: Python<'_>,
    future: &Bound<'_, PyAny>,
    after: Duration,
) -> PyResult<()> {
    if is_done(future)? {
        return Ok(());
    }
    let error = errors::promise_timeout(after);
    addon.annotate(py, &error);
    let set = intern!(py, "set_exception");
    method(future, set, (error.into_value(py),)).map(drop)
}
