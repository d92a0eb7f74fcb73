//! The reference to one object of the host that a proxy holds, and what binds that of a module again
//! in later processes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hostd_client::lock;
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use hostd_protocol::message::LoadRequest;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::addon::LoadedAddon;
use crate::errors;
use crate::generation::HostGeneration;
use crate::reserve;

/// A counted reference to one object of the host; released when dropped.
pub(crate) struct Handle {
    pub(crate) addon: Arc<LoadedAddon>,
    pub(crate) generation: Arc<HostGeneration>,
    pub(crate) id: SlotId,
    pub(crate) class: u32,
    /// How often the host has sent the object.
    receipts: AtomicU64,
    /// Where to find the same in another process; only modules and what they export have it.
    origin: OnceLock<Box<Origin>>,
}

/// Where an object of a module is found, in each process anew.
pub(crate) struct Origin {
    /// What loads the module.
    pub(crate) module: Arc<LoadRequest>,
    pub(crate) place: Place,
    /// The proxy that has this origin.
    proxy: Py<PyWeakrefReference>,
    /// The object in the process that it was bound in last, after that of the handle itself.
    bound: Mutex<Option<Arc<Handle>>>,
}

/// What of a module an origin is.
pub(crate) enum Place {
    /// The module itself. By name, weakly, the proxies of functions and classes that were read from it.
    Module(Py<PyDict>),
    /// What it exports under this name.
    Export(Py<PyString>),
}

impl Origin {
    pub(crate) fn new(
        proxy: &Bound<'_, PyAny>,
        module: &Arc<LoadRequest>,
        place: Place,
    ) -> PyResult<Self> {
        Ok(Self {
            module: Arc::clone(module),
            place,
            proxy: PyWeakrefReference::new(proxy)?.unbind(),
            bound: Mutex::new(None),
        })
    }
}

impl Handle {
    /// A handle for an object that was received `receipts` times. Without memory the object is
    /// released.
    pub(crate) fn new(
        addon: &Arc<LoadedAddon>,
        generation: &Arc<HostGeneration>,
        id: SlotId,
        class: u32,
        receipts: u64,
    ) -> PyResult<Self> {
        let room = reserve::check().and_then(|()| generation.expect_release());
        if let Err(error) = room {
            if receipts > 0 {
                generation.release(release_of(id, receipts));
            }
            return Err(error);
        }
        Ok(Self {
            addon: Arc::clone(addon),
            generation: Arc::clone(generation),
            id,
            class,
            receipts: AtomicU64::new(receipts),
            origin: OnceLock::new(),
        })
    }

    /// Where the object is found again in another process.
    #[inline]
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.get().map(|origin| &**origin)
    }

    /// Has the object be bound again in later processes. The first origin is kept.
    pub(crate) fn set_origin(&self, origin: Origin) {
        let _ = self.origin.set(Box::new(origin));
    }

    /// The only generation in which it can be used, if it is not bound again.
    #[inline]
    pub(crate) fn home(&self) -> Option<&Arc<HostGeneration>> {
        self.origin.get().is_none().then_some(&self.generation)
    }

    /// The same object in a later generation, if it was bound there.
    fn bound_in(&self, generation: &Arc<HostGeneration>) -> Option<Arc<Self>> {
        let bound = lock(&self.origin()?.bound);
        let bound = bound.as_ref()?;
        Arc::ptr_eq(&bound.generation, generation).then(|| Arc::clone(bound))
    }

    /// The proxy, if it has to be bound in this generation before it can be used there.
    #[inline]
    pub(crate) fn unbound<'py>(
        &self,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
    ) -> Option<Bound<'py, PyAny>> {
        if Arc::ptr_eq(&self.generation, generation) {
            return None;
        }
        let proxy = self.origin()?.proxy.bind(py).upgrade()?;
        self.bound_in(generation).is_none().then_some(proxy)
    }

    /// Binds it in the generation of `found`, which is the same object there; a binding that another
    /// thread made meanwhile is kept.
    pub(crate) fn bind(&self, found: Self) {
        let Some(origin) = self.origin() else { return };
        let found = Arc::new(found);
        let mut bound = lock(&origin.bound);
        let is_bound = bound
            .as_ref()
            .is_some_and(|bound| Arc::ptr_eq(&bound.generation, &found.generation));
        let former = if is_bound {
            Some(found)
        } else {
            bound.replace(found)
        };
        drop(bound);
        drop(former);
    }

    /// A second handle for the object in this generation, to which one receipt moves.
    pub(crate) fn split(&self, generation: &Arc<HostGeneration>) -> PyResult<Option<Self>> {
        if Arc::ptr_eq(&self.generation, generation) {
            // Without memory for the second one, the receipt stays with the first.
            let second = Self::new(&self.addon, generation, self.id, self.class, 0)?;
            self.keep();
            second.count();
            return Ok(Some(second));
        }
        match self.bound_in(generation) {
            Some(bound) => bound.split(generation),
            None => Ok(None),
        }
    }

    /// Keeps the object lent until the process ends: one receipt is never released.
    pub(crate) fn keep(&self) {
        self.receipts.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn count(&self) {
        self.receipts.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a receipt in this generation, in which it lives or is bound.
    pub(crate) fn count_in(&self, generation: &Arc<HostGeneration>) {
        if Arc::ptr_eq(&self.generation, generation) {
            self.count();
        } else if let Some(bound) = self.bound_in(generation) {
            bound.count_in(generation);
        }
    }

    /// The id, if the object lives in this addon, and in this generation or is bound there.
    pub(crate) fn id_in(
        &self,
        addon: &Arc<LoadedAddon>,
        generation: &Arc<HostGeneration>,
    ) -> PyResult<SlotId> {
        if Arc::ptr_eq(&self.generation, generation) {
            return Ok(self.id);
        }
        if !Arc::ptr_eq(&self.addon, addon) {
            return Err(errors::another_addon(self.addon.label()));
        }
        match self.bound_in(generation) {
            Some(bound) => Ok(bound.id),
            None => Err(addon.stale(&self.generation, generation.number.0)),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let receipts = self.receipts.load(Ordering::Acquire);
        let release = (receipts != 0).then(|| release_of(self.id, receipts));
        self.generation.drop_handle(release);
    }
}

const fn release_of(id: SlotId, receipts: u64) -> Release {
    Release {
        id,
        received: receipts,
        returned: 0,
    }
}
