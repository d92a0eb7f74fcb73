//! A reference to an object of the host: a lent object, an export, or the exports.

use std::sync::Arc;

use hostd_protocol::ids::SlotId;
use hostd_protocol::value::HostKind;
use pyo3::prelude::*;

use crate::addon::{Export, LoadedAddon};
use crate::errors;
use crate::generation::HostGeneration;
use crate::handle::Handle;

#[derive(Clone, Copy)]
pub(crate) enum Reference<'a> {
    /// A lent object; it ends with its generation, unless it belongs to a module.
    Lent(&'a Handle),
    /// An exported function or class: bound again by name in each generation.
    Exported(&'a Export),
    /// The exports themselves.
    Exports(&'a Arc<LoadedAddon>),
}

impl<'a> Reference<'a> {
    pub(crate) fn addon(self) -> &'a Arc<LoadedAddon> {
        match self {
            Self::Lent(handle) => &handle.addon,
            Self::Exported(export) => &export.addon,
            Self::Exports(addon) => addon,
        }
    }

    /// The only generation it can live in, if it can't be bound again.
    pub(crate) fn home(self) -> Option<&'a Arc<HostGeneration>> {
        match self {
            Self::Lent(handle) => handle.home(),
            Self::Exported(..) | Self::Exports(_) => None,
        }
    }

    #[inline]
    pub(crate) fn id_in(
        self,
        addon: &Arc<LoadedAddon>,
        generation: &Arc<HostGeneration>,
    ) -> PyResult<SlotId> {
        match self {
            Self::Lent(handle) => handle.id_in(addon, generation),
            Self::Exported(export) => {
                if !Arc::ptr_eq(&export.addon, addon) {
                    return Err(errors::another_addon(export.addon.label()));
                }
                addon.exported_in(generation, export.number)
            }
            Self::Exports(own) => {
                if !Arc::ptr_eq(own, addon) {
                    return Err(errors::another_addon(own.label()));
                }
                generation
                    .exports
                    .get()
                    .map(|exports| exports.0)
                    .ok_or_else(|| errors::export_gone("anything", generation.number.0))
            }
        }
    }

    /// The kind of the exports: whether they can be called or constructed.
    pub(crate) fn exports_kind(self) -> Option<HostKind> {
        let generation = self.addon().current()?;
        generation.exports.get().map(|exports| exports.1)
    }
}
