//! What is called when a promise is settled: callbacks of asyncio's future interface, which run on the
//! loop that added them, and those that run in the thread that settles the promise.
//!
//! Callbacks that are due on a loop are collected, so that many promises that are settled at once need
//! one handle of the loop.

use std::sync::Mutex;
use std::thread::{self, ThreadId};

use hostd_client::lock;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::gc::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::call::{call, method, unraisable};
use crate::fallible;
use crate::generation::{End, HostGeneration};

/// A callback of a promise.
pub(crate) struct DoneCallback {
    pub(crate) function: Py<PyAny>,
    /// Where it runs; None for the thread that settles the promise.
    pub(crate) place: Option<LoopPlace>,
}

/// The loop that runs a callback.
pub(crate) struct LoopPlace {
    pub(crate) event_loop: Py<PyAny>,
    thread: ThreadId,
    context: Py<PyAny>,
    /// The task that added the callback; None outside of a task.
    pub(crate) task: Py<PyAny>,
}

impl LoopPlace {
    /// The loop that runs in this thread, and by default a copy of the current context.
    pub(crate) fn new(
        event_loop: &Bound<'_, PyAny>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        static COPY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = event_loop.py();
        let context = match context {
            Some(context) => context.clone(),
            None => call(COPY.import(py, "contextvars", "copy_context")?, ())?,
        };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            thread: thread::current().id(),
            context: context.unbind(),
            task: current_task(event_loop)?.unbind(),
        })
    }
}

/// The task that runs on a loop; None outside of one. Without the loop, asyncio would look for it by a
/// system call.
pub(crate) fn current_task<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current = CURRENT.import(event_loop.py(), "asyncio", "current_task")?;
    call(current, (event_loop,))
}

impl DoneCallback {
    /// The promise is settled, or the wait for it is cancelled: has the function called with `argument`.
    pub(crate) fn run(self, argument: &Bound<'_, PyAny>, generation: &HostGeneration) {
        let py = argument.py();
        if matches!(generation.end(), Some(End::Forked)) {
            // Its loop, or what waits in a thread, stayed with the parent.
            return;
        }
        let done = match self.place {
            None => call(self.function.bind(py), (argument,)).map(drop),
            Some(place) => Batch::add(py, &place, (self.function, argument.clone().unbind())),
        };
        match done {
            Err(error) if !error.is_instance_of::<PyRuntimeError>(py) => {
                unraisable(py, error);
            }
            // A loop that was closed meanwhile runs no callback.
            _ => {}
        }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        let Some(place) = &self.place else {
            return Ok(());
        };
        visit.call(&place.event_loop)?;
        visit.call(&place.context)?;
        visit.call(&place.task)
    }
}

/// A function, its argument and its context.
type Due = (Py<PyAny>, Py<PyAny>, Py<PyAny>);

/// The callbacks that are due on one loop: what one handle of the loop runs.
#[pyclass(frozen, weakref, module = "napi_python")]
struct Batch {
    event_loop: Py<PyAny>,
    /// None once it runs.
    due: Mutex<Option<Vec<Due>>>,
}

/// The batch that was made last, weakly: its loop holds it until it runs.
static OPEN: Mutex<Option<Py<PyWeakrefReference>>> = Mutex::new(None);

impl Batch {
    /// Adds a callback to the batch of its loop, or to a new one.
    fn add(
        py: Python<'_>,
        place: &LoopPlace,
        (function, argument): (Py<PyAny>, Py<PyAny>),
    ) -> PyResult<()> {
        let due = (function, argument, place.context.clone_ref(py));
        let open = lock(&OPEN).as_ref().map(|open| open.clone_ref(py));
        if let Some(open) = open.and_then(|open| open.bind(py).upgrade())
            && let Ok(batch) = open.cast_into::<Self>()
            && batch.get().event_loop.is(&place.event_loop)
            && let Some(waiting) = lock(&batch.get().due).as_mut()
        {
            return fallible::push(waiting, due);
        }
        let event_loop = place.event_loop.bind(py);
        let batch = Self {
            event_loop: event_loop.clone().unbind(),
            due: Mutex::new(Some(vec![due])),
        };
        let batch = Bound::new(py, batch)?.into_any();
        let soon = if place.thread == thread::current().id() {
            intern!(py, "call_soon")
        } else {
            intern!(py, "call_soon_threadsafe")
        };
        method(event_loop, soon, (&batch,))?;
        let former = lock(&OPEN).replace(PyWeakrefReference::new(&batch)?.unbind());
        drop(former);
        Ok(())
    }
}

#[pymethods]
impl Batch {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        let Ok(due) = self.due.try_lock() else {
            return Ok(());
        };
        for (function, argument, context) in due.iter().flatten() {
            visit.call(function)?;
            visit.call(argument)?;
            visit.call(context)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let due = lock(&self.due).take();
        // Python code may run.
        drop(due);
    }

    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let due = lock(&self.due).take();
        let mut due = due.into_iter().flatten();
        while let Some((function, argument, context)) = due.next() {
            let ran = method(context.bind(py), intern!(py, "run"), (&function, &argument));
            let Err(error) = ran else {
                continue;
            };
            if error.is_instance_of::<PyException>(py) {
                report(self.event_loop.bind(py), &function, error)?;
                continue;
            }
            // It ends the loop, as one of asyncio's own callbacks does; the others run when it goes on.
            let rest: Vec<Due> = due.collect();
            if !rest.is_empty() {
                let event_loop = self.event_loop.clone_ref(py);
                let due = Mutex::new(Some(rest));
                let rest = Bound::new(py, Self { event_loop, due })?;
                method(self.event_loop.bind(py), intern!(py, "call_soon"), (rest,))?;
            }
            return Err(error);
        }
        Ok(())
    }
}

/// Gives an exception of a callback to the loop, as asyncio does.
fn report(event_loop: &Bound<'_, PyAny>, function: &Py<PyAny>, error: PyErr) -> PyResult<()> {
    let py = event_loop.py();
    let facts = fallible::Facts::new(py)?;
    let shown = function.bind(py).repr()?;
    facts.set("message", format!("Exception in callback {shown}"))?;
    facts.set("exception", error.into_value(py))?;
    let handler = intern!(py, "call_exception_handler");
    method(event_loop, handler, (facts.0,)).map(drop)
}
