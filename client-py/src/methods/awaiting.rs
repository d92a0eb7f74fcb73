//! Awaiting a promise on asyncio.
//!
//! A step of an `await` raises the outcome or, while the promise is pending, gives the loop a future
//! to wait for. A promise can have any number of awaits, on several loops; they do not affect each
//! other.

use std::cell::Cell;
use std::sync::Mutex;

use hostd_client::lock;
use hostd_protocol::calls;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTraceback;

use crate::adopt::adopt;
use crate::call::call;
use crate::deadline::Deadline;
use crate::errors;
use crate::exchange::suspended;
use crate::fallible;
use crate::proxy::await_future::{AwaitFuture, is_done};
use crate::proxy::{Promise, Reference};
use crate::turns::running_loop;

/// One step of an `await`: what the loop is to wait for, and the future; or, as an error, the
/// outcome.
fn step<'py>(promise: &Bound<'py, Promise>) -> PyResult<(Bound<'py, PyAny>, Py<PyAny>)> {
    let (py, this) = (promise.py(), promise.get());
    if let Some(outcome) = this.outcome(py) {
        return Err(ended(py, outcome));
    }
    let Some(event_loop) = running_loop(py)? else {
        return Err(no_loop());
    };
    let addon = &this.handle.addon;
    adopt(addon, &event_loop, true)?;
    note_loop(py, addon.number, &event_loop)?;
    subscribe(promise, None)?;
    // The answer may be the outcome, and so may a turn.
    let mut outcome = this.outcome(py);
    if outcome.is_none() && addon.background.turns.poll_briefly(py, &event_loop)? {
        outcome = this.outcome(py);
    }
    if let Some(outcome) = outcome {
        return Err(ended(py, outcome));
    }
    let deadline = addon.deadline(py, None)?;
    let awaited = AwaitFuture::new(promise.as_any(), &event_loop, deadline)?;
    let future = awaited.future(py);
    if let Err((awaited, outcome)) = this.add_await(py, awaited) {
        awaited.cancel(py);
        return Err(ended(py, outcome));
    }
    let waiting = future.call_method0(intern!(py, "__await__"))?;
    let waiting = waiting.call_method0(intern!(py, "__next__"))?;
    Ok((waiting, future.unbind()))
}

/// The exception that ends an `await` with this outcome.
fn ended(py: Python<'_>, outcome: PyResult<Py<PyAny>>) -> PyErr {
    match outcome {
        Ok(value) => PyStopIteration::new_err((value,)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            // Python would take it for the value of the `await`.
            let other =
                errors::raised::<PyRuntimeError>("a promise was rejected with StopIteration");
            other.set_cause(py, Some(error));
            other
        }
        Err(error) => error,
    }
}

fn no_loop() -> PyErr {
    errors::raised::<PyRuntimeError>(
        "a promise can only be awaited on a running asyncio loop or in trio; elsewhere, call its \
         result()",
    )
}

/// What `await` in a task of trio iterates over: see `_trio`. None elsewhere.
fn await_in_trio<'py>(promise: &Bound<'py, Promise>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = promise.py();
    let modules = py.import("sys")?.getattr(intern!(py, "modules"))?;
    if !modules.contains(intern!(py, "trio"))? {
        return Ok(None);
    }
    let wait = fallible::import(py, "napi_python._trio", "wait")?;
    let awaited = call(&wait, (promise,))?;
    Ok((!awaited.is_none()).then_some(awaited))
}

/// An `await` of an object of the host that is no promise: of a promise that follows it.
pub(super) fn follow<'py>(py: Python<'py>, object: Reference<'_>) -> PyResult<Bound<'py, PyAny>> {
    let promise = object.request(py, calls::Follow, &(object,))?;
    match promise.cast::<Promise>() {
        Ok(promise) => Awaiting::of(promise),
        Err(_) => Err(errors::raised::<PyTypeError>(
            "this JavaScript object can't be awaited: it has no method then()",
        )),
    }
}

/// One step of a task that has the promise as its coroutine.
pub(super) fn send<'py>(
    promise: &Bound<'py, Promise>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if !value.is_none() {
        let text = "can't send a value to a promise: it is not a generator";
        return Err(errors::raised::<PyTypeError>(text));
    }
    step(promise).map(|(waiting, _)| waiting)
}

/// A task throws into a promise that is its coroutine: the awaits whose futures are done end.
pub(super) fn throw<'py>(
    promise: &Promise,
    thrown: Bound<'py, PyAny>,
    value: Option<Bound<'py, PyAny>>,
    traceback: Option<Bound<'py, PyTraceback>>,
) -> PyResult<PyErr> {
    let py = thrown.py();
    let mut gone = Vec::new();
    for future in promise.futures(py) {
        if is_done(&future)? {
            gone.push(future);
        }
    }
    leave(py, promise, &gone);
    let error = PyErr::from_value(match value {
        Some(value) if value.is_instance_of::<PyBaseException>() => value,
        Some(value) => call(&thrown, (value,))?,
        None => thrown,
    });
    if traceback.is_some() {
        error.set_traceback(py, traceback);
    }
    Ok(error)
}

/// Removes the awaits of these futures.
fn leave(py: Python<'_>, promise: &Promise, futures: &[Bound<'_, PyAny>]) {
    let is_gone = |awaited: &AwaitFuture| futures.iter().any(|gone| awaited.is(gone));
    for awaited in promise.remove_awaits(is_gone) {
        awaited.cancel(py);
    }
}

/// Has the host send a notice when a promise is settled. If the host runs something, which may be the
/// callback of a thread that waits for this loop, or that is unknown, a thread sends the request.
pub(super) fn subscribe(promise: &Bound<'_, Promise>, deadline: Option<Deadline>) -> PyResult<()> {
    let this = promise.get();
    let addon = &this.handle.addon;
    if this.is_subscribed() {
        return Ok(());
    }
    if suspended::generation(addon).is_some() {
        return Promise::request_outcome_if(promise, None, deadline);
    }
    // A request to a host that has ended fails at once.
    if addon.is_current(&this.handle.generation) && !addon.client()?.sees_top() {
        return subscribe_later(promise, addon.number);
    }
    let declined = Cell::new(false);
    match Promise::request_outcome_if(promise, Some(&declined), deadline) {
        Err(_) if declined.get() => subscribe_later(promise, addon.number),
        requested => requested,
    }
}

/// Has a thread subscribe to the promise: see `_aio`.
#[cold]
fn subscribe_later(promise: &Bound<'_, Promise>, addon: u64) -> PyResult<()> {
    static LATER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LATER
        .import(promise.py(), "napi_python._aio", "watch_later")
        .and_then(|later| call(later, (promise, addon)))
        .map(drop)
}

/// Coroutines that the addon gets in a thread without a loop can run on this one: see `_loops`.
pub(super) fn note_loop(py: Python<'_>, addon: u64, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    static NOTE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let note = NOTE.import(py, "napi_python._loops", "note")?;
    call(note, (addon, event_loop)).map(drop)
}

/// One `await`. It keeps the promise alive.
#[pyclass(frozen, module = "napi_python")]
pub(super) struct Awaiting {
    promise: Py<Promise>,
    /// The future of its last step.
    future: Mutex<Option<Py<PyAny>>>,
}

impl Awaiting {
    /// What `__await__` of a promise returns: an `Awaiting`, or in a task of trio a coroutine's.
    pub(super) fn of<'py>(promise: &Bound<'py, Promise>) -> PyResult<Bound<'py, PyAny>> {
        let py = promise.py();
        // A settled one needs no loop.
        if promise.get().is_pending() && running_loop(py)?.is_none() {
            return await_in_trio(promise)?.ok_or_else(no_loop);
        }
        let awaiting = Self {
            promise: promise.clone().unbind(),
            future: Mutex::new(None),
        };
        Ok(Bound::new(py, awaiting)?.into_any())
    }

    fn leave(&self, py: Python<'_>, future: Py<PyAny>) {
        leave(py, self.promise.get(), &[future.into_bound(py)]);
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        let Some(future) = lock(&self.future).take() else {
            return;
        };
        Python::try_attach(|py| {
            // The interpreter can drop this while an exception is raised, which must stay.
            let raised = PyErr::take(py);
            self.leave(py, future);
            if let Some(error) = raised {
                error.restore(py);
            }
        });
    }
}

#[pymethods]
impl Awaiting {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (waiting, future) = step(self.promise.bind(py))?;
        let former = lock(&self.future).replace(future);
        if let Some(former) = former {
            self.leave(py, former);
        }
        Ok(waiting)
    }
}
