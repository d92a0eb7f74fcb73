//! The reference to one object of the host that a proxy holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use pyo3::prelude::*;

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
        })
    }

    /// Keeps the object lent until the process ends: one receipt is never released.
    pub(crate) fn keep(&self) {
        self.receipts.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn count(&self) {
        self.receipts.fetch_add(1, Ordering::AcqRel);
    }

    /// The id, if the object lives in this addon and this generation.
    pub(crate) fn id_in(
        &self,
        addon: &Arc<LoadedAddon>,
        generation: &Arc<HostGeneration>,
    ) -> PyResult<SlotId> {
        if Arc::ptr_eq(&self.generation, generation) {
            return Ok(self.id);
        }
        if Arc::ptr_eq(&self.addon, addon) {
            Err(addon.stale(&self.generation, generation.number.0))
        } else {
            Err(errors::another_addon(self.addon.label()))
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
