//! What an addon exports: functions and classes, bound again by name in each generation.

use std::sync::Arc;

use hostd_protocol::ids::SlotId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyWeakrefMethods};

use super::{Export, Session, locked};
use crate::errors;
use crate::proxy::{JSClass, JSFunction};
use crate::world::World;

pub(super) struct KnownExport {
    name: String,
    class: bool,
}

impl Session {
    pub(super) fn bind(
        self: &Arc<Self>,
        py: Python<'_>,
        world: &Arc<World>,
        bound: Vec<(String, bool, SlotId)>,
    ) -> PyResult<()> {
        let mut numbers: Vec<Option<SlotId>> = Vec::new();
        let mut fresh = Vec::new();
        let mut known_again = Vec::new();
        {
            let mut exports = locked(&self.exports);
            for (name, class, id) in bound {
                let known = exports
                    .iter()
                    .position(|export| export.name == name && export.class == class);
                let number = known.unwrap_or(exports.len());
                if known.is_none() {
                    exports.push(KnownExport {
                        name: name.clone(),
                        class,
                    });
                    fresh.push((name, class, number, id));
                } else {
                    known_again.push((name, class, number, id));
                }
                numbers.resize(exports.len(), None);
                if let Some(slot) = numbers.get_mut(number) {
                    *slot = Some(id);
                }
            }
        }
        world.bind_exports(numbers);
        let Some(addon) = self.addon.get().and_then(|addon| addon.bind(py).upgrade()) else {
            // Only some of its functions are still in use: they are bound by number.
            return Ok(());
        };
        let attributes = addon.getattr("__dict__")?.cast_into::<PyDict>()?;
        let gone: Vec<_> = attributes
            .keys()
            .iter()
            .filter(|key| {
                !fresh.iter().chain(&known_again).any(|export| {
                    key.cast::<PyString>()
                        .is_ok_and(|key| *key == export.0.as_str())
                })
            })
            .collect();
        for key in gone {
            attributes.del_item(key)?;
        }
        for (name, class, number, id) in fresh {
            let proxy = self.export_proxy(py, &name, class, number)?;
            attributes.set_item(&name, &proxy)?;
            world.remember(id, &proxy)?;
        }
        for (name, class, number, id) in known_again {
            let proxy = match attributes.get_item(&name)? {
                Some(proxy) => proxy,
                None => self.export_proxy(py, &name, class, number)?,
            };
            attributes.set_item(&name, &proxy)?;
            world.remember(id, &proxy)?;
        }
        Ok(())
    }

    fn export_proxy<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        name: &str,
        class: bool,
        number: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let export = Export {
            session: Arc::clone(self),
            number,
            name: name.into(),
        };
        Ok(if class {
            Bound::new(py, JSClass::exported(export))?.into_any()
        } else {
            Bound::new(py, JSFunction::exported(export))?.into_any()
        })
    }

    /// An attribute of the addon was set or deleted: it is read live from now on.
    pub(crate) fn forget_export(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let Some(addon) = self.addon.get().and_then(|addon| addon.bind(py).upgrade()) else {
            return Ok(());
        };
        let attributes = addon.getattr("__dict__")?.cast_into::<PyDict>()?;
        if attributes.contains(name)? {
            attributes.del_item(name)?;
        }
        Ok(())
    }

    /// The object that an export is in this world.
    #[inline]
    pub(crate) fn exported_in(&self, world: &World, number: usize) -> PyResult<SlotId> {
        match world.exported(number) {
            Some(id) => Ok(id),
            None => Err(self.export_gone(number)),
        }
    }

    #[cold]
    fn export_gone(&self, number: usize) -> PyErr {
        let name = locked(&self.exports)
            .get(number)
            .map_or_else(String::new, |export| export.name.clone());
        errors::export_gone(&name, self.generation())
    }
}
