//! Methods of `Promise`: the requests about it, and waiting for it in a thread.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyValueError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyTraceback;

use super::awaiting::{self, Awaiting};
use crate::deadline::Deadline;
use crate::errors;
use crate::exchange::{Request, suspended};
use crate::proxy::Promise;
use crate::proxy::await_future;
use crate::settlements;
use crate::threads;
use crate::turn;
use crate::turns::{TurnCondition, TurnWait, WAITER_TURN_AFTER};

/// How often the host may answer that a promise is pending after it has sent its settlement.
const SUBSCRIBE_ATTEMPTS_MAX: usize = 3;

/// A waiting thread checks signals and its deadline this often.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// A thread that waits inside a callback requests the outcome this often: no turn can be taken
/// meanwhile.
const CALLBACK_POLL_INTERVAL: Duration = Duration::from_millis(2);

impl Promise {
    /// Has the host send a notice when the promise is settled.
    fn subscribe(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_subscribed() {
            Ok(())
        } else {
            self.request_outcome(py)
        }
    }

    /// Requests the outcome; if the promise is pending, the host will send a notice.
    pub(crate) fn request_outcome(&self, py: Python<'_>) -> PyResult<()> {
        self.request_outcome_if(py, None, None)
    }

    /// As [`Self::request_outcome`], until `deadline`; with `declined` only if the host is free, or
    /// that is set.
    pub(crate) fn request_outcome_if(
        &self,
        py: Python<'_>,
        declined: Option<&Cell<bool>>,
        deadline: Option<Deadline>,
    ) -> PyResult<()> {
        for _ in 0..SUBSCRIBE_ATTEMPTS_MAX {
            let request = Request {
                declined,
                deadline,
                ..Request::to(Some(&self.handle.generation))
            };
            let id = (self.handle.id,);
            let addon = &self.handle.addon;
            let outcome =
                addon.request_and(py, calls::Watch, request, &id, |decoder, outcome| {
                    settlements::outcome_of(decoder, outcome)
                })?;
            let subscription = match outcome {
                Ok(outcome) => {
                    self.settle(py, outcome);
                    return Ok(());
                }
                Err(subscription) => subscription,
            };
            self.set_subscription(subscription);
            // The notice can arrive before this answer was read.
            let Self { handle, .. } = self;
            if !handle.generation.was_settled(handle.id, subscription) {
                return Ok(());
            }
        }
        let error = errors::violation("a promise that is pending although it was settled");
        self.handle.addon.end_if_broken(&self.handle.generation);
        Err(error)
    }

    /// Waits for the value of a promise with a subscription.
    fn wait(&self, py: Python<'_>, limit: Option<Deadline>) -> PyResult<Py<PyAny>> {
        if let Some(outcome) = self.outcome(py) {
            return outcome;
        }
        let addon = Arc::clone(&self.handle.addon);
        let deadline = addon.deadline(py, limit)?;
        let in_callback = suspended::generation(&addon).is_some();
        if limit.is_none_or(|limit| limit.at > Instant::now()) {
            self.check_wait(py, in_callback)?;
        }
        // Inside a callback no turn can be taken.
        let waiting = (!in_callback).then(|| TurnWait::new(&addon.background.turns));
        self.add_thread();
        let mut may_poll = true;
        loop {
            if let Some(outcome) = self.outcome(py) {
                return outcome;
            }
            let now = Instant::now();
            if let Some(deadline) = deadline.filter(|deadline| deadline.at <= now) {
                let error = errors::promise_timeout(deadline.after);
                addon.annotate(py, &error);
                return Err(error);
            }
            let mut condition = waiting.as_ref().and_then(TurnWait::turn);
            if let Some(waiting) = &waiting
                && condition.is_none()
                && mem::take(&mut may_poll)
                && waiting.poll_briefly(addon.client()?)
            {
                condition = Some(TurnCondition::NoOwner);
            }
            let slice = if in_callback {
                self.request_outcome(py)?;
                CALLBACK_POLL_INTERVAL
            } else if let Some(condition) = condition {
                turn::give(&addon, py, condition)?;
                continue;
            } else if addon.background.turns.is_owned() {
                WAITER_TURN_AFTER
            } else {
                CHECK_INTERVAL
            };
            let slice = deadline.map_or(slice, |deadline| slice.min(deadline.at - now));
            if self.is_pending() {
                py.detach(|| thread::park_timeout(slice));
            }
            py.check_signals()?;
        }
    }

    /// Raises if waiting here would never end, after the host has answered that the promise is
    /// pending.
    fn check_wait(&self, py: Python<'_>, in_callback: bool) -> PyResult<()> {
        let addon = &self.handle.addon;
        let is_loop = !in_callback && addon.background.turns.is_owned_here(py)?;
        let is_endless = is_loop || (in_callback && !addon.config.nested_threads);
        if !is_endless {
            return Ok(());
        }
        self.request_outcome(py)?;
        if !self.is_pending() {
            return Ok(());
        }
        Err(errors::would_wait_for_ever(if is_loop {
            "the event loop of this thread is what lets the addon go on, and it does not run while \
             result() waits; await the promise, or call result() in another thread"
        } else {
            "the addon waits for the callback in which it was called; return from the callback \
             first, or have another thread wait"
        }))
    }
}

#[pymethods]
impl Promise {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }

    fn __clear__(&self) {
        self.clear();
    }

    /// Whether the promise is settled.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        self.subscribe(py)?;
        Ok(!self.is_pending())
    }

    /// Waits for the value; raises the reason of a rejection.
    #[pyo3(signature = (timeout = None))]
    fn result(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let limit = match timeout {
            None => None,
            Some(seconds) => {
                let wait = Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| {
                    errors::raised::<PyValueError>("timeout must be a number of seconds")
                })?;
                Deadline::after(wait)
            }
        };
        match limit {
            // A busy host may not answer before the deadline, so a thread subscribes.
            Some(limit) if limit.at > Instant::now() => awaiting::subscribe(slf, Some(limit))?,
            _ => slf.get().subscribe(py)?,
        }
        let result = slf.get().wait(py, limit);
        if result.is_err() {
            threads::hold_at_end(py);
        }
        result
    }

    /// Has a function called on the thread of the session, if that is a thread of the program. Whether it
    /// is.
    fn _defer(&self, function: &Bound<'_, PyAny>) -> bool {
        self.handle.addon.background.defer(function)
    }

    /// Subscribes, however long the host is busy.
    #[pyo3(name = "_watch")]
    fn subscribe_when_free(&self, py: Python<'_>) -> PyResult<()> {
        self.subscribe(py)
    }

    /// The deadline of one `await` has passed; the promise is not affected.
    #[pyo3(name = "_give_up")]
    fn give_up(&self, py: Python<'_>, future: &Bound<'_, PyAny>, after: Duration) -> PyResult<()> {
        await_future::give_up(&self.handle.addon, py, future, after)
    }

    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Awaiting> {
        Awaiting::of(slf)
    }

    /// Does one step of an `await`: to a task, a promise is a coroutine without state.
    #[pyo3(signature = (value, /))]
    fn send<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        awaiting::send(slf, value)
    }

    /// Ends an `await` by an exception; the promise is not affected.
    #[pyo3(signature = (typ, val = None, tb = None, /))]
    fn throw(
        &self,
        typ: Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        Err(awaiting::throw(self, typ, val, tb)?)
    }

    /// Does nothing: the promise is not affected.
    #[expect(clippy::unused_self, reason = "it is a method of coroutines")]
    fn close(&self) {}

    fn __repr__(&self) -> String {
        format!("<Promise {}>", self.status())
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("Promise"))
    }
}
