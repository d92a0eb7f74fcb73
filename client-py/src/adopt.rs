//! Hands the turns of an addon to the asyncio loop that uses it.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::turns::{LoopSignal, PipeWatch, running_loop};

/// What a loop calls when one of its descriptors is readable. It belongs to the loop alone: when the
/// loop drops it, as a closed one does, the loop owns the turns no more.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct TurnReader {
    pub(crate) addon: Weak<LoadedAddon>,
    pub(crate) signal: Arc<LoopSignal>,
    pub(crate) pipe: Option<Arc<PipeWatch>>,
}

/// A turn that other code takes in the loop's place. It holds nothing that the loop is to drop.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct LoopTurn(pub(crate) Weak<LoadedAddon>);

impl Drop for TurnReader {
    fn drop(&mut self) {
        if let Some(addon) = self.addon.upgrade() {
            let background = &addon.background;
            if let Some(task) = background.turns.detach(&self.signal) {
                background.leave(task);
                if background.turns.is_due() {
                    background.request_turn();
                }
            }
        }
    }
}

/// A callable or an awaitable goes to the host: the loop of this thread, if one runs, takes the turns
/// from now on, unless another one does.
#[inline]
pub(crate) fn adopt_running(addon: &Arc<LoadedAddon>, py: Python<'_>) -> PyResult<()> {
    if addon.background.turns.is_committed() {
        return Ok(());
    }
    adopt_if_running(addon, py, true)
}

/// A promise comes from the host: the loop of this thread will most likely await it.
#[inline]
pub(crate) fn adopt_provisionally(addon: &Arc<LoadedAddon>, py: Python<'_>) -> PyResult<()> {
    if addon.background.turns.is_owned() {
        return Ok(());
    }
    adopt_if_running(addon, py, false)
}

#[inline]
fn adopt_if_running(addon: &Arc<LoadedAddon>, py: Python<'_>, committed: bool) -> PyResult<()> {
    match running_loop(py)? {
        Some(event_loop) => adopt(addon, &event_loop, committed),
        None => Ok(()),
    }
}

/// This running loop waits for something of the addon, or may do so soon if it is not `committed`.
pub(crate) fn adopt(
    addon: &Arc<LoadedAddon>,
    event_loop: &Bound<'_, PyAny>,
    committed: bool,
) -> PyResult<()> {
    let py = event_loop.py();
    // A turn that has to wait in the host for other calls would block the loop.
    let client = addon.client()?;
    if addon.background.is_stopped() || !client.sees_top() {
        return Ok(());
    }
    let callbacks = |signal: &Arc<LoopSignal>, pipe: Option<&Arc<PipeWatch>>| {
        let reader = TurnReader {
            addon: Arc::downgrade(addon),
            signal: Arc::clone(signal),
            pipe: pipe.cloned(),
        };
        let turn = Py::new(py, LoopTurn(Arc::downgrade(addon)))?.into_any();
        Ok((Bound::new(py, reader)?.into_any(), turn))
    };
    let (turns, chosen) = (&addon.background.turns, (event_loop, committed));
    match turns.adopt(py, client, chosen, &callbacks) {
        Ok(task) => {
            addon.background.leave(task);
            Ok(())
        }
        Err(error) => {
            // The former owner may be gone.
            addon.background.wake();
            Err(error)
        }
    }
}
