//! Awaiting a promise on asyncio.
//!
//! A step of an `await` raises how the promise ended, or, as long as it is pending, gives the loop a
//! future to wait for, which is done when the promise is settled. A promise has any number of them,
//! of several loops; what becomes of one of them is nothing to the promise or to the others.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::PyTraverseError;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTraceback;

use super::Promise;
use crate::call::{call, method};
use crate::errors;
use crate::session::Session;
use crate::talk;
use crate::turns::running_loop;
use crate::world::{End, World};

/// What an `await` waits for while a promise is pending.
#[derive(Debug)]
pub(super) struct Sleeper {
    future: Py<PyAny>,
    event_loop: Py<PyAny>,
    thread: ThreadId,
    /// What the loop calls at the deadline, if there is one.
    timer: Option<Py<PyAny>>,
}

impl Sleeper {
    fn new(promise: &Bound<'_, Promise>, event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = promise.py();
        let until = promise.get().handle.session.until(py, None)?;
        let future = method(event_loop, intern!(py, "create_future"), ())?;
        let timer = match until {
            None => None,
            Some(until) => {
                let left = until.at.saturating_duration_since(Instant::now());
                let give_up = promise.getattr(intern!(py, "_give_up"))?;
                let later = (left.as_secs_f64(), give_up, &future, until.after);
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

    /// The promise is settled: who waits looks again.
    pub(super) fn wake(self, py: Python<'_>, world: &World) {
        let woken = if self.thread == thread::current().id() {
            set_done(self.future.bind(py))
        } else if matches!(world.end(), Some(End::Forked)) {
            // That thread stayed with the parent, and this loop's wake-up is the parent's too.
            Ok(())
        } else {
            wrap_pyfunction!(set_done, py).and_then(|set_done| {
                let soon = intern!(py, "call_soon_threadsafe");
                method(self.event_loop.bind(py), soon, (set_done, &self.future)).map(drop)
            })
        };
        // A loop that was closed meanwhile has nobody left to tell.
        drop(woken);
        self.cancel(py);
    }

    /// Nobody waits for it any more.
    fn cancel(self, py: Python<'_>) {
        if let Some(timer) = self.timer {
            // One that has run already needs nothing. That of another thread's loop only forgets
            // what it was to call.
            let _ = method(timer.bind(py), intern!(py, "cancel"), ());
        }
    }

    pub(super) fn future<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.future.bind(py).clone()
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.event_loop)?;
        visit.call(&self.timer)
    }
}

fn is_done(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    future
        .call_method0(intern!(future.py(), "done"))?
        .is_truthy()
}

/// Has whoever waits for it look again, in the thread of its loop.
#[pyfunction]
fn set_done(future: &Bound<'_, PyAny>) -> PyResult<()> {
    if is_done(future)? {
        return Ok(());
    }
    let py = future.py();
    method(future, intern!(py, "set_result"), (py.None(),)).map(drop)
}

/// The time is over for one `await`.
pub(super) fn give_up(
    session: &Session,
    py: Python<'_>,
    future: &Bound<'_, PyAny>,
    after: Duration,
) -> PyResult<()> {
    if is_done(future)? {
        return Ok(());
    }
    let error = errors::promise_timeout(after);
    session.annotate(py, &error);
    let set = intern!(py, "set_exception");
    method(future, set, (error.into_value(py),)).map(drop)
}

/// One step of an `await`: what the loop is to wait for, and the sleeper's future; or, as an error,
/// how it ended.
fn step<'py>(promise: &Bound<'py, Promise>) -> PyResult<(Bound<'py, PyAny>, Py<PyAny>)> {
    let (py, this) = (promise.py(), promise.get());
    if let Some(outcome) = this.outcome(py) {
        return Err(ended(py, outcome));
    }
    let Some(event_loop) = running_loop(py)? else {
        return Err(no_loop());
    };
    let session = &this.handle.session;
    session.owner.adopt(py, &event_loop, true)?;
    note_loop(py, session.number, &event_loop)?;
    watch(promise)?;
    // Asking may have been enough, and so may a turn.
    let mut outcome = this.outcome(py);
    if outcome.is_none() && session.owner.turns().look_out(py, &event_loop)? {
        outcome = this.outcome(py);
    }
    if let Some(outcome) = outcome {
        return Err(ended(py, outcome));
    }
    let sleeper = Sleeper::new(promise, &event_loop)?;
    let future = sleeper.future.clone_ref(py);
    if let Err((sleeper, outcome)) = this.sleep(py, sleeper) {
        sleeper.cancel(py);
        return Err(ended(py, outcome));
    }
    let waiting = future.bind(py).call_method0(intern!(py, "__await__"))?;
    let waiting = waiting.call_method0(intern!(py, "__next__"))?;
    Ok((waiting, future))
}

/// What ends an `await`.
fn ended(py: Python<'_>, outcome: PyResult<Py<PyAny>>) -> PyErr {
    match outcome {
        Ok(value) => PyStopIteration::new_err((value,)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            // It would be taken for a value.
            let other = PyRuntimeError::new_err("a promise was rejected with StopIteration");
            other.set_cause(py, Some(error));
            other
        }
        Err(error) => error,
    }
}

fn no_loop() -> PyErr {
    PyRuntimeError::new_err(
        "a promise can only be awaited on a running asyncio loop; elsewhere, call its result()",
    )
}

/// One step of a task whose coroutine the promise is.
pub(super) fn send<'py>(
    promise: &Bound<'py, Promise>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if !value.is_none() {
        let text = "can't send a value to a promise: it is not a generator";
        return Err(PyTypeError::new_err(text));
    }
    step(promise).map(|(waiting, _)| waiting)
}

/// What a task throws into a promise that is its coroutine: it waits no more.
pub(super) fn throw<'py>(
    promise: &Promise,
    thrown: Bound<'py, PyAny>,
    value: Option<Bound<'py, PyAny>>,
    traceback: Option<Bound<'py, PyTraceback>>,
) -> PyResult<PyErr> {
    let py = thrown.py();
    let mut gone = Vec::new();
    for future in promise.sleeping(py) {
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

/// Nobody waits for these futures any more.
fn leave(py: Python<'_>, promise: &Promise, futures: &[Bound<'_, PyAny>]) {
    let is_gone = |sleeper: &Sleeper| futures.iter().any(|gone| gone.is(&sleeper.future));
    for sleeper in promise.take_sleeping(is_gone) {
        sleeper.cancel(py);
    }
}

/// Sees to it that the host tells how a promise ends. A host that runs something, which may be the
/// callback of a thread that waits for this loop, is asked by a thread; so is one of which that is
/// not seen.
fn watch(promise: &Bound<'_, Promise>) -> PyResult<()> {
    let (py, this) = (promise.py(), promise.get());
    let session = &this.handle.session;
    if this.is_watched() {
        return Ok(());
    }
    if talk::parked_world(session).is_some() {
        return this.ask(py);
    }
    // One that does not run any more answers at once.
    if session.is_current(&this.handle.world) && !session.client()?.sees_top() {
        return watch_later(promise, session.number);
    }
    let declined = Cell::new(false);
    match this.ask_if(py, Some(&declined)) {
        Err(_) if declined.get() => watch_later(promise, session.number),
        asked => asked,
    }
}

/// Has a thread ask for the promise: see `_aio`.
#[cold]
fn watch_later(promise: &Bound<'_, Promise>, addon: u64) -> PyResult<()> {
    static LATER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LATER
        .import(promise.py(), "napi_python._aio", "watch_later")
        .and_then(|later| call(later, (promise, addon)))
        .map(drop)
}

/// Coroutines that the addon is given where no loop runs may run on this one: see `_loops`.
fn note_loop(py: Python<'_>, addon: u64, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    static NOTE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let note = NOTE.import(py, "napi_python._loops", "note")?;
    call(note, (addon, event_loop)).map(drop)
}

/// Goes through one `await`: that is what keeps the promise alive meanwhile.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(super) struct Awaiting {
    promise: Py<Promise>,
    /// What it waits for, or has waited for.
    future: Mutex<Option<Py<PyAny>>>,
}

impl Awaiting {
    pub(super) fn of(promise: &Bound<'_, Promise>) -> PyResult<Self> {
        // A settled one is a value at once, and the loop need not be asked for.
        if promise.get().is_pending() && running_loop(promise.py())?.is_none() {
            return Err(no_loop());
        }
        Ok(Self {
            promise: promise.clone().unbind(),
            future: Mutex::new(None),
        })
    }

    fn leave(&self, py: Python<'_>, future: Py<PyAny>) {
        leave(py, self.promise.get(), &[future.into_bound(py)]);
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        let future = self
            .future
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(future) = future.take() else {
            return;
        };
        Python::try_attach(|py| {
            // The interpreter drops this on the way of an exception, which stays what it is.
            let on_its_way = PyErr::take(py);
            self.leave(py, future);
            if let Some(error) = on_its_way {
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
        let former = {
            let mut known = self.future.lock().unwrap_or_else(PoisonError::into_inner);
            known.replace(future)
        };
        if let Some(former) = former {
            self.leave(py, former);
        }
        Ok(waiting)
    }
}
