//! Gives the turns of an addon to the asyncio loop that uses it: called where a promise is awaited or
//! received, and where a callable is sent.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::thread;

use hostd_client::{Client, LoopSignal, PipeWatch};
use hostd_protocol::ids::Generation;
use pyo3::intern;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::call::call;
use crate::exchange::suspended;
use crate::fallible;
use crate::turns::{LoopOwner, running_loop};

/// What a loop calls when one of its descriptors is readable. It belongs to the loop alone: when the
/// loop drops it, as a closed one does, the loop owns the turns no more.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct TurnReader {
    pub(crate) addon: Weak<LoadedAddon>,
    pub(crate) signal: Arc<LoopSignal>,
    pub(crate) pipe: Option<Arc<PipeWatch>>,
}

/// A turn that other code takes in the loop's place. It holds nothing that the loop is to drop.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct LoopTurn(pub(crate) Weak<LoadedAddon>);

impl Drop for TurnReader {
    fn drop(&mut self) {
        if let Some(addon) = self.addon.upgrade() {
            addon.background.turns.detach(&self.signal);
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

/// An object is about to be constructed. A loop that runs in this thread takes the turns, unless
/// another one does: what the object emits waits until the loop comes round, and a listener that is
/// added in the next statement misses nothing. Returns whether microtasks wait for that, too.
pub(crate) fn adopt_for_constructor(addon: &Arc<LoadedAddon>, py: Python<'_>) -> PyResult<bool> {
    let Some(event_loop) = running_loop(py)? else {
        return Ok(false);
    };
    let turns = &addon.background.turns;
    if !turns.is_owned() {
        adopt(addon, &event_loop, false)?;
    }
    Ok(suspended::generation(addon).is_none() && turns.is_owned_by(&event_loop))
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
    // A turn that has to wait in the host for other calls would block the loop. Where the session runs
    // on a thread of the program, a loop of another thread can take no turn.
    let (client, background) = (addon.client()?, &addon.background);
    if background.is_stopped() || background.is_owned_elsewhere() || !client.sees_top() {
        return Ok(());
    }
    if addon
        .background
        .turns
        .displace_owner(client, event_loop, committed)?
    {
        attach(addon, client, event_loop, committed)?;
    }
    Ok(())
}

/// Has the loop watch its descriptors, and gives it the turns.
fn attach(
    addon: &Arc<LoadedAddon>,
    client: &Client,
    event_loop: &Bound<'_, PyAny>,
    committed: bool,
) -> PyResult<()> {
    let (py, turns) = (event_loop.py(), &addon.background.turns);
    let generation = Generation(client.generation());
    let is_served = client.serves(generation);
    let pipe = client.wake_pipe(generation).and_then(PipeWatch::new);
    let pipe = pipe.map(Arc::new);
    let signal = Arc::new(LoopSignal::new()?);
    let reader = TurnReader {
        addon: Arc::downgrade(addon),
        signal: Arc::clone(&signal),
        pipe: pipe.clone(),
    };
    let reader = Bound::new(py, reader)?;
    // An empty context, or a deadline that is open here would apply to every turn.
    let context = fallible::import(py, "contextvars", "Context")?.call0()?;
    let add_reader = event_loop.getattr(intern!(py, "add_reader"))?;
    let run = context.getattr(intern!(py, "run"))?;
    if call(&run, (&add_reader, signal.descriptor(), &reader)).is_err() {
        turns.set_unfit(event_loop);
        return Ok(());
    }
    let pipe = pipe.filter(|pipe| {
        let descriptor = pipe.descriptor.as_raw_fd();
        call(&run, (&add_reader, descriptor, &reader, true)).is_ok()
    });
    let owner = LoopOwner {
        event_loop: event_loop.clone().unbind(),
        thread: thread::current().id(),
        signal,
        // Zero has the next call adopt the loop again, when the host is there.
        generation: if is_served { generation.0 } else { 0 },
        pipe,
        run: run.unbind(),
        turn: Py::new(py, LoopTurn(Arc::downgrade(addon)))?.into_any(),
    };
    turns.attach(owner, committed);
    Ok(())
}
