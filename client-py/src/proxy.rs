//! Objects of the host as Python objects: one object, one proxy.

pub(crate) mod addon;
mod awaiting;
pub(crate) mod class;
pub(crate) mod function;
pub(crate) mod object;
pub(crate) mod opaque;
pub(crate) mod promise;
pub(crate) mod reference;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use hostd_protocol::value::HostKind;
use pyo3::prelude::*;

pub(crate) use addon::Addon;
pub(crate) use class::JSClass;
pub(crate) use function::JSFunction;
pub(crate) use object::{JSIterator, JSObject};
pub(crate) use promise::Promise;
pub(crate) use reference::Reference;

use crate::buffer::Buffer;
use crate::errors;
use crate::session::Session;
use crate::world::{Token, World};

/// The right to speak of one object of the host; given back when dropped.
pub(crate) struct Handle {
    pub(crate) session: Arc<Session>,
    pub(crate) world: Arc<World>,
    pub(crate) id: SlotId,
    pub(crate) class: u32,
    times: AtomicU64,
}

impl Handle {
    /// A handle for an object that came in `times` times.
    pub(crate) fn new(
        session: &Arc<Session>,
        world: &Arc<World>,
        id: SlotId,
        class: u32,
        times: u64,
    ) -> Self {
        Self {
            session: Arc::clone(session),
            world: Arc::clone(world),
            id,
            class,
            times: AtomicU64::new(times),
        }
    }

    /// Keeps the object lent until the process ends: one receipt is never given back.
    pub(crate) fn keep(&self) {
        self.times.fetch_sub(1, Ordering::AcqRel);
    }

    /// Counts another receipt.
    pub(crate) fn count(&self) {
        self.times.fetch_add(1, Ordering::AcqRel);
    }

    /// The id, if the object lives in this addon and this generation.
    pub(crate) fn id_in(&self, session: &Arc<Session>, world: &Arc<World>) -> PyResult<SlotId> {
        if Arc::ptr_eq(&self.world, world) {
            return Ok(self.id);
        }
        if Arc::ptr_eq(&self.session, session) {
            Err(session.stale(&self.world, world.generation.0))
        } else {
            Err(errors::another_addon(&self.session.label))
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let received = self.times.load(Ordering::Acquire);
        if received != 0 {
            self.world.release(Release {
                id: self.id,
                received,
                returned: 0,
            });
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({} of {})", self.id, self.session.label)
    }
}

/// The proxy of an object that came in: the one there is, or a new one.
pub(crate) fn proxy<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    world: &Arc<World>,
    token: Token,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(known) = world.proxy(py, token.id) {
        if let Some(handle) = handle_of(&known) {
            handle.count();
        }
        return Ok(known);
    }
    let handle = Handle::new(session, world, token.id, token.class, 1);
    let new = match token.kind {
        HostKind::Function => Bound::new(py, JSFunction::lent(handle))?.into_any(),
        HostKind::Class => Bound::new(py, JSClass::lent(handle))?.into_any(),
        HostKind::Object => Bound::new(py, JSObject::new(handle))?.into_any(),
        HostKind::Promise => Bound::new(py, Promise::new(handle))?.into_any(),
        HostKind::Symbol => Bound::new(py, opaque::Symbol { handle })?.into_any(),
        HostKind::External => Bound::new(py, opaque::External { handle })?.into_any(),
        HostKind::Error => return Err(errors::violation("a lent error without its message")),
    };
    world.remember(token.id, &new)?;
    if let Ok(promise) = new.cast::<Promise>() {
        promise.get().remembered(py);
        session.owner.ask_running(py)?;
    }
    Ok(new)
}

/// The handle behind a proxy; exported functions and classes have none.
fn handle_of<'a>(proxy: &'a Bound<'_, PyAny>) -> Option<&'a Handle> {
    if let Ok(object) = proxy.cast::<JSObject>() {
        return Some(&object.get().handle);
    }
    if let Ok(function) = proxy.cast::<JSFunction>() {
        return function.get().handle();
    }
    if let Ok(class) = proxy.cast::<JSClass>() {
        return class.get().handle();
    }
    if let Ok(promise) = proxy.cast::<Promise>() {
        return Some(&promise.get().handle);
    }
    if let Ok(symbol) = proxy.cast::<opaque::Symbol>() {
        return Some(&symbol.get().handle);
    }
    if let Ok(external) = proxy.cast::<opaque::External>() {
        return Some(&external.get().handle);
    }
    proxy.cast::<Buffer>().ok()?.get().handle.as_ref()
}

/// Names that Python itself looks up on any object; they are never JavaScript's.
pub(crate) fn is_dunder(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}
