//! A JavaScript promise: awaitable on asyncio, or waited for in a thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::Handle;
use crate::convert::Decoder;
use crate::errors;
use crate::request::Ask;

/// A JavaScript promise.
#[pyclass(frozen, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) handle: Handle,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug)]
enum State {
    /// The host has not been asked yet.
    Unknown,
    /// It tells when it is settled.
    Watched(Vec<Py<PyAny>>),
    Fulfilled(Py<PyAny>),
    Rejected(PyErr),
}

/// How a promise ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Fulfilled(Py<PyAny>),
    Rejected(PyErr),
}

/// Reads the state of a promise and, if it is settled, its value.
pub(crate) fn read_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<Option<Outcome>> {
    match decoder.reader.take_u8().map_err(errors::protocol)? {
        0 => Ok(None),
        1 => Ok(Some(Outcome::Fulfilled(decoder.value()?.unbind()))),
        2 => Ok(Some(Outcome::Rejected(decoder.thrown()?))),
        _ => Err(errors::violation("an unknown state of a promise")),
    }
}

/// The wait looks at signals and deadlines this often.
const SLICE: Duration = Duration::from_millis(100);
/// The owner, who would tell, looks by itself.
const OWNER_SLICE: Duration = Duration::from_millis(2);

impl Promise {
    pub(crate) const fn new(handle: Handle) -> Self {
        Self {
            handle,
            state: Mutex::new(State::Unknown),
            settled: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps how it ended and tells those who wait. The first word counts.
    pub(crate) fn settle(&self, py: Python<'_>, outcome: Outcome) {
        let next = match outcome {
            Outcome::Fulfilled(value) => State::Fulfilled(value),
            Outcome::Rejected(error) => State::Rejected(error),
        };
        let former = {
            let mut state = self.state();
            if matches!(*state, State::Fulfilled(_) | State::Rejected(_)) {
                return;
            }
            std::mem::replace(&mut *state, next)
        };
        self.settled.notify_all();
        if let State::Watched(callbacks) = former {
            for callback in callbacks {
                if let Err(error) = callback.call0(py) {
                    error.write_unraisable(py, None);
                }
            }
        }
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(*self.state(), State::Unknown | State::Watched(_))
    }

    /// Asks the host once to tell how it ends.
    fn watch(&self, py: Python<'_>) -> PyResult<()> {
        {
            let mut state = self.state();
            if !matches!(*state, State::Unknown) {
                return Ok(());
            }
            *state = State::Watched(Vec::new());
        }
        let asked = self.ask(py);
        if asked.is_err() {
            let mut state = self.state();
            if matches!(*state, State::Watched(_)) {
                *state = State::Unknown;
            }
        }
        asked
    }

    /// Asks the host how it stands; if it is pending a notice follows.
    pub(crate) fn ask(&self, py: Python<'_>) -> PyResult<()> {
        let outcome = self.handle.session.request(
            py,
            Ask::at(CallKind::Watch, &self.handle.world),
            |encoder| {
                encoder.out.put_u32(self.handle.id.get());
                Ok(())
            },
            read_outcome,
        );
        if let Some(outcome) = outcome? {
            self.settle(py, outcome);
        }
        Ok(())
    }
}

#[pymethods]
impl Promise {
    /// Tells whether the promise is settled.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        self.watch(py)?;
        Ok(!self.is_pending())
    }

    /// Waits for the value; raises what it was rejected with.
    #[pyo3(signature = (timeout = None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let limit = match timeout {
            None => None,
            Some(seconds) => {
                let wait = Duration::try_from_secs_f64(seconds.max(0.0))
                    .map_err(|_| PyValueError::new_err("a timeout is a number of seconds"))?;
                Instant::now().checked_add(wait)
            }
        };
        self.watch(py)?;
        let until = self.handle.session.until(py, limit)?;
        loop {
            match &*self.state() {
                State::Fulfilled(value) => return Ok(value.clone_ref(py)),
                State::Rejected(error) => return Err(error.clone_ref(py)),
                State::Unknown | State::Watched(_) => {}
            }
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                let own = limit.is_some_and(|limit| limit <= now);
                let error = errors::promise_timeout(timeout.filter(|_| own));
                self.handle.session.annotate(py, &error);
                return Err(error);
            }
            let slice = if self.handle.session.owner.attend_if_owner() {
                if !self.is_pending() {
                    continue;
                }
                OWNER_SLICE
            } else {
                SLICE
            };
            let slice = until.map_or(slice, |until| slice.min(until - now));
            py.detach(|| {
                let state = self.state();
                if matches!(*state, State::Unknown | State::Watched(_)) {
                    drop(self.settled.wait_timeout(state, slice));
                }
            });
            py.check_signals()?;
        }
    }

    /// The number of its addon, and for how many seconds it may be waited for from now on.
    fn _bounds(&self, py: Python<'_>) -> PyResult<(u64, Option<f64>)> {
        let session = &self.handle.session;
        let until = session.until(py, None)?;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        Ok((session.number, left.map(|left| left.as_secs_f64())))
    }

    /// Calls `callback()` once the promise is settled, in whichever thread learns it.
    fn _add_callback(&self, py: Python<'_>, callback: Bound<'_, PyAny>) -> PyResult<()> {
        self.watch(py)?;
        {
            let mut state = self.state();
            if let State::Watched(callbacks) = &mut *state {
                callbacks.push(callback.unbind());
                return Ok(());
            }
        }
        callback.call0().map(|_| ())
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("napi_python._aio")?
            .getattr("await_promise")?
            .call1((slf,))?
            .call_method0("__await__")
    }

    fn __repr__(&self) -> &'static str {
        match *self.state() {
            State::Unknown | State::Watched(_) => "<Promise pending>",
            State::Fulfilled(_) => "<Promise fulfilled>",
            State::Rejected(_) => "<Promise rejected>",
        }
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("Promise"))
    }
}
