//! What is asked of asyncio loops.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::call::call;

/// The asyncio loop that runs in this thread. None runs before the program has imported asyncio.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = match RUNNING.get(py) {
        Some(running) => running.bind(py),
        None if is_asyncio_imported(py)? => RUNNING.import(py, "asyncio", "_get_running_loop")?,
        None => return Ok(None),
    };
    let found = running.call0()?;
    Ok((!found.is_none()).then_some(found))
}

fn is_asyncio_imported(py: Python<'_>) -> PyResult<bool> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let modules = MODULES.import(py, "sys", "modules")?;
    modules.contains(intern!(py, "asyncio"))
}

pub(super) fn is_running(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_running = event_loop.getattr(intern!(event_loop.py(), "is_running"))?;
    call(&is_running, ())?.is_truthy()
}
