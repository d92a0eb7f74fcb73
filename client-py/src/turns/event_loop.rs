//! What is asked of asyncio loops.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::call;

/// The asyncio loop that runs in this thread.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING.import(py, "asyncio", "_get_running_loop")?;
    let found = running.call0()?;
    Ok((!found.is_none()).then_some(found))
}

pub(super) fn is_running(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_running = event_loop.getattr(intern!(event_loop.py(), "is_running"))?;
    call(&is_running, ())?.is_truthy()
}
