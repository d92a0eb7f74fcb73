//! A JavaScript promise: its outcome, and what waits for it.

use std::mem;
use std::sync::Mutex;
use std::thread::{self, Thread};

use hostd_client::lock;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyBaseException;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use super::await_future::AwaitFuture;
use super::done_callback::DoneCallback;
use crate::handle::Handle;

/// A JavaScript promise.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct Promise {
    pub(crate) handle: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the settlement subscription; zero if the host will send no notice.
    subscription: u32,
    awaits: Vec<AwaitFuture>,
    callbacks: Vec<DoneCallback>,
    /// Whether `cancel` ended the wait of a callback.
    is_cancelled: bool,
    /// The loop on which callbacks are due whose wait `cancel` ended.
    cancelling: Option<Py<PyAny>>,
    /// The threads that wait for it.
    threads: Vec<Thread>,
    /// When it came, if a profile is made.
    made: Option<u64>,
    outcome: Option<Outcome>,
}

pub(crate) enum Outcome {
    Fulfilled(Py<PyAny>),
    Rejected(Py<PyBaseException>),
}

impl Outcome {
    pub(crate) fn rejected(py: Python<'_>, error: PyErr) -> Self {
        Self::Rejected(error.into_value(py))
    }

    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Fulfilled(value) => Ok(value.clone_ref(py)),
            Self::Rejected(error) => Err(PyErr::from_value(error.bind(py).clone().into_any())),
        }
    }
}

impl Promise {
    /// A promise. If the handle has the number of a settlement subscription as its class, the host
    /// will send a notice when it is settled.
    pub(crate) fn new(handle: Handle) -> Self {
        let state = State {
            subscription: handle.class,
            made: handle.addon.profiler.as_ref().map(|it| it.promises.made()),
            ..State::default()
        };
        Self {
            handle,
            state: Mutex::new(state),
        }
    }

    /// Its proxy is in the generation's table from now on. A notice that arrived before is requested
    /// again, and if the generation has ended before, the promise is rejected here.
    pub(crate) fn stored(slf: &Bound<'_, Self>) {
        let this = slf.get();
        let Handle {
            addon, generation, ..
        } = &this.handle;
        if generation.end().is_some() {
            let error = addon.ended(generation);
            Self::settle(slf, Outcome::rejected(slf.py(), error));
        }
        let mut state = lock(&this.state);
        if state.subscription != 0 && generation.was_settled(this.handle.id, state.subscription) {
            state.subscription = 0;
        }
    }

    /// Stores the outcome and wakes the waiters. The first outcome is kept.
    pub(crate) fn settle(slf: &Bound<'_, Self>, outcome: Outcome) {
        let this = slf.get();
        let (awaits, callbacks, threads) = {
            let mut state = lock(&this.state);
            if state.outcome.is_some() {
                return;
            }
            if let (Some(made), Some(profiler)) = (state.made, &this.handle.addon.profiler) {
                let is_rejected = matches!(outcome, Outcome::Rejected(_));
                profiler.promises.settled(made, is_rejected);
            }
            state.outcome = Some(outcome);
            (
                mem::take(&mut state.awaits),
                mem::take(&mut state.callbacks),
                mem::take(&mut state.threads),
            )
        };
        threads.iter().for_each(Thread::unpark);
        for future in awaits {
            future.resolve(slf.py(), &this.handle.generation);
        }
        for callback in callbacks {
            callback.run(slf.as_any(), &this.handle.generation);
        }
    }

    /// Whether this is the current subscription, and whether the promise is pending.
    pub(crate) fn subscribed_by(&self, subscription: u32) -> Option<bool> {
        let state = lock(&self.state);
        (state.subscription == subscription).then(|| state.outcome.is_none())
    }

    pub(crate) fn set_subscription(&self, subscription: u32) {
        lock(&self.state).subscription = subscription;
    }

    /// Whether the host will send a notice, or the outcome is known.
    pub(crate) fn is_subscribed(&self) -> bool {
        let state = lock(&self.state);
        state.subscription != 0 || state.outcome.is_some()
    }

    /// Clears the subscription. Returns whether anything waits for the promise.
    pub(crate) fn unsubscribe(&self) -> bool {
        let mut state = lock(&self.state);
        state.subscription = 0;
        !state.awaits.is_empty() || !state.threads.is_empty() || !state.callbacks.is_empty()
    }

    /// Adds an `await`. If the promise is settled already, returns the future and the outcome.
    pub(crate) fn add_await(
        &self,
        py: Python<'_>,
        future: AwaitFuture,
    ) -> Result<(), (AwaitFuture, PyResult<Py<PyAny>>)> {
        let mut state = lock(&self.state);
        if let Some(outcome) = &state.outcome {
            return Err((future, outcome.result(py)));
        }
        state.awaits.push(future);
        Ok(())
    }

    /// Adds this thread, unless it is there from an earlier wait or the promise is settled.
    pub(crate) fn add_thread(&self) {
        let mut state = lock(&self.state);
        let own = thread::current();
        let is_known = state.threads.iter().any(|known| known.id() == own.id());
        if state.outcome.is_none() && !is_known {
            state.threads.push(own);
        }
    }

    pub(crate) fn futures<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let state = lock(&self.state);
        state.awaits.iter().map(|it| it.future(py)).collect()
    }

    /// Removes awaits. The caller drops them, which can run Python code.
    pub(crate) fn remove_awaits(&self, is_gone: impl Fn(&AwaitFuture) -> bool) -> Vec<AwaitFuture> {
        let mut state = lock(&self.state);
        let gone = state.awaits.extract_if(.., |it| is_gone(it));
        gone.collect()
    }

    /// Adds a callback. If the promise is settled already, returns it.
    pub(crate) fn add_callback(&self, callback: DoneCallback) -> Result<(), DoneCallback> {
        let mut state = lock(&self.state);
        if state.outcome.is_some() {
            return Err(callback);
        }
        state.callbacks.push(callback);
        Ok(())
    }

    /// Takes out the callbacks that are chosen, of which Python code may run when they are dropped. No
    /// code may run in `is_chosen`.
    pub(crate) fn take_callbacks(
        &self,
        is_chosen: impl FnMut(&mut DoneCallback) -> bool,
    ) -> Vec<DoneCallback> {
        let mut state = lock(&self.state);
        state.callbacks.extract_if(.., is_chosen).collect()
    }

    /// Reads the callbacks. No code of Python may run in `read`.
    pub(crate) fn read_callbacks<R>(&self, read: impl FnOnce(&[DoneCallback]) -> R) -> R {
        read(&lock(&self.state).callbacks)
    }

    /// Sets on which loop callbacks are due whose wait `cancel` ended. Returns the former one.
    pub(crate) fn set_cancelling(&self, event_loop: Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        let mut state = lock(&self.state);
        state.is_cancelled |= event_loop.is_some();
        mem::replace(&mut state.cancelling, event_loop)
    }

    /// Whether callbacks are due on this loop whose wait `cancel` ended.
    pub(crate) fn is_cancelling(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        let state = lock(&self.state);
        state
            .cancelling
            .as_ref()
            .is_some_and(|it| it.is(event_loop))
    }

    /// Whether it is pending, and `cancel` ended the wait of a callback.
    pub(crate) fn is_cancelled(&self) -> bool {
        let state = lock(&self.state);
        state.is_cancelled && state.outcome.is_none()
    }

    pub(crate) fn is_pending(&self) -> bool {
        lock(&self.state).outcome.is_none()
    }

    pub(crate) fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        let result = {
            let state = lock(&self.state);
            state.outcome.as_ref().map(|outcome| outcome.result(py))?
        };
        let addon = &self.handle.addon;
        if result.is_ok()
            && addon.denials.is_pending()
            && let Err(error) = addon.warn_of_denials(py, None, true)
        {
            return Some(Err(error));
        }
        Some(result)
    }

    /// The kind of its outcome, for its `repr`.
    pub(crate) fn status(&self) -> &'static str {
        match &lock(&self.state).outcome {
            None => "pending",
            Some(Outcome::Fulfilled(_)) => "fulfilled",
            Some(Outcome::Rejected(_)) => "rejected",
        }
    }

    /// Visits its outcome and futures for the cyclic collector. An exception that was raised has a
    /// traceback whose frames can hold the promise.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A thread that has the lock holds the interpreter, so the collector does not run.
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        visit.call(&state.cancelling)?;
        match &state.outcome {
            Some(Outcome::Fulfilled(value)) => visit.call(value)?,
            Some(Outcome::Rejected(error)) => visit.call(error)?,
            None => {}
        }
        state
            .awaits
            .iter()
            .try_for_each(|future| future.traverse(visit))?;
        state
            .callbacks
            .iter()
            .try_for_each(|callback| callback.traverse(visit))
    }

    pub(crate) fn clear(&self) {
        let state = mem::take(&mut *lock(&self.state));
        // Python code may run.
        drop(state);
    }
}
