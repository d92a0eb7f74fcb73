//! Methods of `Promise`: the requests about it, and waiting for it in a thread.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyBaseException, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyTraceback;

use super::awaiting::{self, Awaiting};
use super::future;
use crate::call::call;
use crate::deadline::Deadline;
use crate::errors;
use crate::exchange::{Request, suspended};
use crate::fallible;
use crate::proxy::Promise;
use crate::proxy::await_future;
use crate::settlements;
use crate::threads;
use crate::turn;
use crate::turns::{TurnCondition, TurnWait, WAITER_TURN_AFTER, running_loop};

/// How often the host may answer that a promise is pending after it has sent its settlement.
const SUBSCRIBE_ATTEMPTS_MAX: usize = 3;

/// A waiting thread checks signals and its deadline this often.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// A thread that waits inside a callback requests the outcome this often: no turn can be taken
/// meanwhile.
const CALLBACK_POLL_INTERVAL: Duration = Duration::from_millis(2);

impl Promise {
    /// Has the host send a notice when the promise is settled.
    fn subscribe(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_subscribed() {
            Ok(())
        } else {
            Self::request_outcome(slf)
        }
    }

    /// Requests the outcome; if the promise is pending, the host will send a notice.
    pub(crate) fn request_outcome(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::request_outcome_if(slf, None, None)
    }

    /// As [`Self::request_outcome`], until `deadline`; with `declined` only if the host is free, or
    /// that is set.
    pub(crate) fn request_outcome_if(
        slf: &Bound<'_, Self>,
        declined: Option<&Cell<bool>>,
        deadline: Option<Deadline>,
    ) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        for _ in 0..SUBSCRIBE_ATTEMPTS_MAX {
            let request = Request {
                declined,
                deadline,
                ..Request::to(Some(&this.handle.generation))
            };
            let id = (this.handle.id,);
            let addon = &this.handle.addon;
            let outcome =
                addon.request_and(py, calls::Watch, request, &id, |decoder, outcome| {
                    settlements::outcome_of(decoder, outcome)
                })?;
            let subscription = match outcome {
                Ok(outcome) => {
                    Self::settle(slf, outcome);
                    return Ok(());
                }
                Err(subscription) => subscription,
            };
            this.set_subscription(subscription);
            // The notice can arrive before this answer was read.
            let Self { handle, .. } = this;
            if !handle.generation.was_settled(handle.id, subscription) {
                return Ok(());
            }
        }
        let error = errors::violation("a promise that is pending although it was settled");
        this.handle.addon.end_if_broken(&this.handle.generation);
        Err(error)
    }

    /// Waits for the value of a promise with a subscription.
    fn wait(slf: &Bound<'_, Self>, limit: Option<Deadline>) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(outcome) = this.outcome(py) {
            return outcome;
        }
        let addon = Arc::clone(&this.handle.addon);
        let deadline = addon.deadline(py, limit)?;
        let in_callback = suspended::generation(&addon).is_some();
        if limit.is_none_or(|limit| limit.at > Instant::now()) {
            Self::check_wait(slf, in_callback)?;
        }
        // Inside a callback no turn can be taken.
        let waiting = (!in_callback).then(|| TurnWait::new(&addon.background.turns));
        this.add_thread();
        let mut may_poll = true;
        loop {
            if let Some(outcome) = this.outcome(py) {
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
                Self::request_outcome(slf)?;
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
            if this.is_pending() {
                py.detach(|| thread::park_timeout(slice));
            }
            py.check_signals()?;
        }
    }

    /// Raises if waiting here would never end, after the host has answered that the promise is
    /// pending.
    fn check_wait(slf: &Bound<'_, Self>, in_callback: bool) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let addon = &this.handle.addon;
        let is_loop = !in_callback && addon.background.turns.is_owned_here(py)?;
        let is_endless = is_loop || (in_callback && !addon.config.nested_threads);
        if !is_endless {
            return Ok(());
        }
        Self::request_outcome(slf)?;
        if !this.is_pending() {
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
    fn done(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::subscribe(slf)?;
        Ok(!slf.get().is_pending())
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
        if slf.get().is_cancelled() && running_loop(py)?.is_some() {
            return Err(future::cancelled());
        }
        match limit {
            // A busy host may not answer before the deadline, so a thread subscribes.
            Some(limit) if limit.at > Instant::now() => awaiting::subscribe(slf, Some(limit))?,
            _ => Self::subscribe(slf)?,
        }
        let result = Self::wait(slf, limit);
        if result.is_err() {
            threads::hold_at_end(py);
        }
        result
    }

    /// For asyncio this is a future, which `gather` and others use without a task: not where no loop
    /// runs, nor under a deadline, which a task of its own keeps to.
    #[getter]
    fn _asyncio_future_blocking(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let is_future =
            running_loop(py)?.is_some() && self.handle.addon.deadline(py, None)?.is_none();
        Ok(is_future.then_some(false))
    }

    /// The loop that runs in this thread: a promise belongs to none.
    #[expect(clippy::unused_self, reason = "it is a method of futures")]
    fn get_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        future::event_loop(py)
    }

    /// Has a function called with the promise on the running loop, soon after the promise is settled.
    #[pyo3(signature = (function, /, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        function: &Bound<'_, PyAny>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        future::add(slf, function, context)
    }

    /// Removes a callback. Returns how often it was there.
    fn remove_done_callback(&self, function: &Bound<'_, PyAny>) -> PyResult<usize> {
        future::remove(self, function)
    }

    /// Ends the wait of callbacks on the running loop, by a cancelled future; the promise is not
    /// affected. Returns whether there were any.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        future::cancel(slf, msg)
    }

    /// The callbacks whose wait `cancel` ended have run.
    fn _cancelling_ended(&self, _promise: &Bound<'_, PyAny>) {
        drop(self.set_cancelling(None));
    }

    /// Whether the promise is pending, and `cancel` ended the wait of a callback.
    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }

    /// The reason of a rejection, None for a promise that is fulfilled.
    fn exception(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyBaseException>>> {
        future::exception(slf)
    }

    #[expect(clippy::unused_self, reason = "it is a method of futures")]
    fn _make_cancelled_error(&self, py: Python<'_>) -> Py<PyBaseException> {
        future::cancelled().into_value(py)
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "it is an attribute of futures")]
    const fn _cancel_message(&self) -> Option<Py<PyAny>> {
        None
    }

    /// A `concurrent.futures.Future` that is settled as the promise is, in any thread.
    fn future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let future_of = fallible::import(slf.py(), "napi_python._aio", "future_of")?;
        call(&future_of, (slf,))
    }

    /// Has a function called with the promise when it is settled, in the thread that settles it.
    #[pyo3(name = "_when_settled")]
    fn when_settled(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>) -> PyResult<()> {
        future::add_without_loop(slf, function)
    }

    /// The deadline of an `await` that begins now: the seconds that are left, and all of them.
    #[pyo3(name = "_deadline")]
    fn deadline(&self, py: Python<'_>) -> PyResult<Option<(f64, Duration)>> {
        let deadline = self.handle.addon.deadline(py, None)?;
        Ok(deadline.map(|deadline| {
            let left = deadline.at.saturating_duration_since(Instant::now());
            (left.as_secs_f64(), deadline.after)
        }))
    }

    /// Has a function called on the thread of the session, if that is a thread of the program. Whether it
    /// is.
    fn _defer(&self, function: &Bound<'_, PyAny>) -> bool {
        self.handle.addon.background.defer(function)
    }

    /// Subscribes, however long the host is busy.
    #[pyo3(name = "_watch")]
    fn subscribe_when_free(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::subscribe(slf)
    }

    /// The deadline of one `await` has passed; the promise is not affected.
    #[pyo3(name = "_give_up")]
    fn give_up(&self, py: Python<'_>, future: &Bound<'_, PyAny>, after: Duration) -> PyResult<()> {
        await_future::give_up(&self.handle.addon, py, future, after)
    }

    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
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
