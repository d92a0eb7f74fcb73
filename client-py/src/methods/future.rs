//! The interface of asyncio's futures, by which `gather`, `shield`, `wait_for` and `as_completed` wait
//! for a promise without a task.
//!
//! A promise belongs to no loop: a callback runs on the loop that was running when it was added. What is
//! cancelled is the wait of callbacks, not the promise.

use pyo3::exceptions::asyncio::{CancelledError, InvalidStateError};
use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::awaiting;
use crate::adopt::adopt;
use crate::call::{call, method, release};
use crate::errors;
use crate::fallible;
use crate::proxy::Promise;
use crate::proxy::done_callback::{DoneCallback, LoopPlace, current_task};
use crate::turns::running_loop;

/// The running loop.
pub(super) fn event_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    running_loop(py)?.ok_or_else(|| {
        errors::raised::<PyRuntimeError>(
            "a promise has callbacks on a running asyncio loop only; elsewhere, use its future()",
        )
    })
}

pub(super) fn cancelled() -> PyErr {
    CancelledError::new_err(())
}

/// Has a function called on the running loop when the promise is settled.
pub(super) fn add(
    promise: &Bound<'_, Promise>,
    function: &Bound<'_, PyAny>,
    context: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = promise.py();
    let event_loop = event_loop(py)?;
    let place = Some(LoopPlace::new(&event_loop, context)?);
    if promise.get().is_pending() {
        let addon = &promise.get().handle.addon;
        adopt(addon, &event_loop, true)?;
        awaiting::note_loop(py, addon.number, &event_loop)?;
        awaiting::subscribe(promise, None)?;
    }
    let function = function.clone().unbind();
    insert(promise, DoneCallback { function, place });
    Ok(())
}

/// Has a function called in the thread that settles the promise.
pub(super) fn add_without_loop(
    promise: &Bound<'_, Promise>,
    function: &Bound<'_, PyAny>,
) -> PyResult<()> {
    awaiting::subscribe(promise, None)?;
    let function = function.clone().unbind();
    insert(
        promise,
        DoneCallback {
            function,
            place: None,
        },
    );
    Ok(())
}

fn insert(promise: &Bound<'_, Promise>, callback: DoneCallback) {
    let this = promise.get();
    if let Err(callback) = this.add_callback(callback) {
        callback.run(promise.as_any(), &this.handle.generation);
    }
}

/// Removes all callbacks that are equal to a function.
pub(super) fn remove(promise: &Promise, function: &Bound<'_, PyAny>) -> PyResult<usize> {
    let py = function.py();
    let known: Vec<Py<PyAny>> = promise.read_callbacks(|callbacks| {
        let functions = callbacks.iter().map(|it| it.function.clone_ref(py));
        functions.collect()
    });
    // A comparison can run code of the program, so no lock is held.
    let mut equal = Vec::new();
    for one in known {
        if one.bind(py).eq(function)? {
            fallible::push(&mut equal, one)?;
        }
    }
    let removed = promise.take_callbacks(|it| equal.iter().any(|one| one.is(&it.function)));
    Ok(removed.len())
}

/// Ends the wait of callbacks on the running loop.
pub(super) fn cancel(
    promise: &Bound<'_, Promise>,
    message: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let (py, this) = (promise.py(), promise.get());
    let Some(event_loop) = running_loop(py)? else {
        return Ok(false);
    };
    if !this.is_pending() {
        return Ok(false);
    }
    let is_repeated = this.is_cancelling(&event_loop);
    let chosen = choose(this, &event_loop, is_repeated)?;
    let callbacks = this.take_callbacks(|it| chosen.iter().any(|one| one.is(&it.function)));
    if callbacks.is_empty() {
        return Ok(is_repeated);
    }
    let argument = method(&event_loop, intern!(py, "create_future"), ())?;
    let message = message.cloned();
    call(&argument.getattr(intern!(py, "cancel"))?, (message,))?;
    let former = this.set_cancelling(Some(event_loop.clone().unbind()));
    drop(former);
    for callback in callbacks {
        callback.run(&argument, &this.handle.generation);
    }
    let function = promise.getattr(intern!(py, "_cancelling_ended"))?.unbind();
    let place = Some(LoopPlace::new(&event_loop, None)?);
    DoneCallback { function, place }.run(promise.as_any(), &this.handle.generation);
    Ok(true)
}

/// The functions of the callbacks that `cancel` is for. asyncio does not say who stops waiting, and the
/// others are to go on. In this order it is: `wait_for` in this task, whose callback is a `partial`; a
/// task that is being cancelled; what this task made by `gather`; or, as for other futures, all on this
/// loop. `gather` cancels a promise as often as it has it, and the last two are for the first time only.
fn choose(
    promise: &Promise,
    event_loop: &Bound<'_, PyAny>,
    is_repeated: bool,
) -> PyResult<Vec<Py<PyAny>>> {
    static PARTIAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event_loop.py();
    let (current, partial) = (
        current_task(event_loop)?,
        PARTIAL.import(py, "functools", "partial")?,
    );
    let all: Vec<(Py<PyAny>, Py<PyAny>)> = promise.read_callbacks(|callbacks| {
        let placed = callbacks
            .iter()
            .filter_map(|it| Some((it, it.place.as_ref()?)));
        placed
            .filter(|(_, place)| place.event_loop.is(event_loop))
            .map(|(it, place)| (it.function.clone_ref(py), place.task.clone_ref(py)))
            .collect()
    });
    let mut by_rank: [Vec<Py<PyAny>>; 4] = Default::default();
    for (function, task) in all {
        let is_partial = function.bind(py).get_type().is(partial);
        let (task, is_own) = (task.bind(py), task.is(&current) && !current.is_none());
        let is_cancelled = || -> PyResult<bool> {
            let cancelling = intern!(py, "cancelling");
            Ok(!task.is_none() && method(task, cancelling, ())?.is_truthy()?)
        };
        let rank = if is_own && is_partial {
            0
        } else if is_cancelled()? {
            1
        } else if is_partial || is_repeated {
            continue;
        } else if is_own {
            2
        } else {
            3
        };
        fallible::push(&mut by_rank[rank], function)?;
    }
    release(current);
    Ok(by_rank
        .into_iter()
        .find(|chosen| !chosen.is_empty())
        .unwrap_or_default())
}

/// The reason of a rejection, None for a promise that is fulfilled.
pub(super) fn exception(promise: &Bound<'_, Promise>) -> PyResult<Option<Py<PyBaseException>>> {
    let (py, this) = (promise.py(), promise.get());
    match this.outcome(py) {
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Ok(Some(error.into_value(py))),
        None if this.is_cancelled() => Err(cancelled()),
        None => Err(InvalidStateError::new_err("the promise is pending")),
    }
}
