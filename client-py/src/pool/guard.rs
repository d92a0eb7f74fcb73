//! Guards of a pool buffer: context managers that exclude each other over threads and processes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hostd_client::lock;
use hostd_client::pool::{PoolError, PoolReference};
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use super::errors::pool_error;
use crate::call::method;
use crate::errors::raised;

/// The first and the longest pause between two tries to enter a guard.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// A guard that was entered; it ends with the drop.
struct Entered {
    reference: Arc<PoolReference>,
    is_writer: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // If the tables cannot be locked, the guard ends with the reference.
        let _ = self.reference.unguard(self.is_writer);
    }
}

enum State {
    New(Arc<PoolReference>),
    Entered(Entered, Py<PyAny>),
    Done,
}

/// A context manager that gives a memoryview of a pool buffer while no guard excludes it.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct PoolGuard {
    /// A view of the buffer that is this guard's alone.
    buffer: Py<PyAny>,
    is_writer: bool,
    /// None is no limit.
    timeout: Option<Duration>,
    state: Mutex<State>,
}

impl PoolGuard {
    pub(crate) fn new(
        buffer: Bound<'_, PyAny>,
        reference: Arc<PoolReference>,
        is_writer: bool,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        if timeout.is_some_and(|seconds| seconds.is_nan() || seconds < 0.0) {
            return Err(raised::<PyValueError>(
                "timeout must be a number of seconds >= 0, or None",
            ));
        }
        Ok(Self {
            buffer: buffer.unbind(),
            is_writer,
            // A value beyond a duration means no limit.
            timeout: timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            state: Mutex::new(State::New(reference)),
        })
    }

    /// Waits until no guard excludes this one.
    fn wait(&self, py: Python<'_>, reference: Arc<PoolReference>) -> PyResult<Entered> {
        let begin = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            let refused = match reference.guard(self.is_writer) {
                Ok(()) => {
                    return Ok(Entered {
                        reference,
                        is_writer: self.is_writer,
                    });
                }
                Err(error @ PoolError::Guarded { .. }) => error,
                Err(error) => return Err(pool_error(error)),
            };
            let left = self
                .timeout
                .map_or(PAUSE_MAX, |timeout| timeout.saturating_sub(begin.elapsed()));
            if left.is_zero() {
                return Err(raised::<PyTimeoutError>(refused.to_string()));
            }
            py.check_signals()?;
            py.detach(|| std::thread::sleep(pause.min(left)));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

#[pymethods]
impl PoolGuard {
    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Done);
        let reference = match state {
            State::New(reference) => reference,
            used => {
                *lock(&self.state) = used;
                return Err(raised::<PyRuntimeError>(
                    "a guard of a pool buffer is entered once; call read() or write() for each with",
                ));
            }
        };
        let entered = self.wait(py, reference)?;
        let view = PyMemoryView::from(self.buffer.bind(py))?.into_any();
        *lock(&self.state) = State::Entered(entered, view.clone().unbind());
        Ok(view)
    }

    /// Ends the guard and releases the view. Raises `BufferError` if an array or memoryview of the view is
    /// still in use; the guard has ended then as well.
    #[pyo3(signature = (_kind=None, _error=None, _traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let state = std::mem::replace(&mut *lock(&self.state), State::Done);
        let State::Entered(entered, view) = state else {
            return Err(raised::<PyRuntimeError>(
                "a guard of a pool buffer was left that was not entered",
            ));
        };
        drop(entered);
        let release = intern!(py, "release");
        method(view.bind(py), release, ())?;
        drop(view);
        // It counts what was made of the memoryview as well.
        method(self.buffer.bind(py), release, ())?;
        Ok(())
    }
}
