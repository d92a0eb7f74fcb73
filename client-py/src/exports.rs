//! The exported functions and classes of an addon, bound again by name in each generation.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hostd_client::lock;
use hostd_protocol::ids::SlotId;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::addon::{Export, LoadedAddon};
use crate::convert::pace;
use crate::fallible::{self, push, reserve};
use crate::generation::HostGeneration;
use crate::proxy::{JSClass, JSFunction, class, function};

impl LoadedAddon {
    /// Binds the exported functions and classes of a host by name: each is one proxy in all
    /// generations.
    pub(crate) fn bind(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        bound: Vec<(Arc<str>, bool, SlotId)>,
        pause: &mut dyn FnMut() -> PyResult<()>,
    ) -> PyResult<()> {
        let mut numbers: Vec<Option<SlotId>> = Vec::new();
        let mut found = Vec::new();
        let mut names: HashSet<Arc<str>> = HashSet::new();
        names
            .try_reserve(bound.len())
            .map_err(|_| fallible::memory())?;
        {
            let mut exports = lock(&self.exports);
            let all = exports.len() + bound.len();
            reserve(&mut exports, bound.len())?;
            reserve(&mut numbers, all)?;
            let mut places: HashMap<(Arc<str>, bool), usize> = HashMap::new();
            places.try_reserve(all).map_err(|_| fallible::memory())?;
            for (number, export) in exports.iter().enumerate() {
                places.insert(export.clone(), number);
            }
            for (name, class, id) in bound {
                let key = (Arc::clone(&name), class);
                let known = places.get(&key).copied();
                let number = known.unwrap_or(exports.len());
                names.insert(Arc::clone(&name));
                if known.is_none() {
                    places.insert(key.clone(), number);
                    exports.push(key);
                }
                push(&mut found, (name, class, number, id, known.is_some()))?;
                numbers.resize(exports.len(), None);
                if let Some(slot) = numbers.get_mut(number) {
                    *slot = Some(id);
                }
            }
        }
        generation.bind_exports(numbers);
        let Some(attributes) = self.attributes(py)? else {
            // The `Addon` object is gone; proxies of its exports are bound by number.
            return Ok(());
        };
        let mut gone = Vec::new();
        for (key, _) in &attributes {
            let is_known = |key: &Bound<'_, PyString>| names.contains(&*key.to_string_lossy());
            if !key.cast::<PyString>().is_ok_and(is_known) {
                push(&mut gone, key)?;
            }
        }
        for key in gone {
            attributes.del_item(key)?;
        }
        for (position, (name, class, number, id, is_known)) in found.into_iter().enumerate() {
            if pace::is_due(position) {
                pause()?;
            }
            let key = fallible::string(py, &name)?;
            let known = is_known.then(|| attributes.get_item(&key)).transpose()?;
            let proxy = match known.flatten() {
                Some(proxy) => proxy,
                None => self.export_proxy(py, name, class, number)?,
            };
            attributes.set_item(key, &proxy)?;
            generation.remember(id, &proxy)?;
        }
        Ok(())
    }

    fn export_proxy<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        name: Arc<str>,
        is_class: bool,
        number: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let export = Export {
            addon: Arc::clone(self),
            number,
            name,
        };
        Ok(if is_class {
            Bound::new(py, JSClass::new(class::Target::Exported(export)))?.into_any()
        } else {
            let target = function::Target::Exported(export);
            Bound::new(py, JSFunction { target })?.into_any()
        })
    }

    /// An attribute of the addon was set or deleted: it is read from the host from now on.
    pub(crate) fn forget_export(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<()> {
        match self.attributes(py)? {
            Some(attributes) if attributes.contains(name)? => attributes.del_item(name),
            _ => Ok(()),
        }
    }

    /// The attributes of the `Addon` object, while there is one.
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(addon) = self.object(py) else {
            return Ok(None);
        };
        let attributes = addon.getattr(intern!(py, "__dict__"))?;
        Ok(Some(attributes.cast_into()?))
    }
}
