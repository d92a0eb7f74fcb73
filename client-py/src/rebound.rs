//! Modules that were loaded into a running host (`Host.require`, `Host.load_addon`), and the functions
//! and classes that were read from them: each is bound again when it is first used in a later process.

use std::sync::Arc;

use hostd_protocol::calls;
use hostd_protocol::message::LoadRequest;
use hostd_protocol::parts::Record;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyWeakrefReference};

use crate::addon::LoadedAddon;
use crate::call::method;
use crate::errors;
use crate::exchange::Request;
use crate::generation::HostGeneration;
use crate::handle::{Handle, Origin, Place};
use crate::proxy::{JSClass, JSFunction, JSObject, Reference, class, function, reference_of};

/// A module was loaded: it is bound again in later processes.
pub(crate) fn loaded(module: &Bound<'_, PyAny>, request: LoadRequest) -> PyResult<()> {
    let handle = if let Ok(object) = module.cast_exact::<JSObject>() {
        Some(&object.get().handle)
    } else {
        lent(module)
    };
    match handle {
        Some(handle) if handle.origin().is_none() => {
            let exports = Place::Module(PyDict::new(module.py()).unbind());
            handle.set_origin(Origin::new(module, &Arc::new(request), exports)?);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A property of `owner` was read. If that is a module and this a function or a class, it is bound again
/// as the module is; returned is the proxy that an earlier process' has, if there is one.
#[inline]
pub(crate) fn exported<'py>(
    owner: Reference<'_>,
    value: Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Reference::Lent(owner) = owner
        && let Some(origin) = owner.origin()
        && let Place::Module(exports) = &origin.place
        && let Some(handle) = lent(&value)
        && handle.origin().is_none()
    {
        let exports = exports.bind(value.py());
        if let Some(former) = former(handle, exports, name)? {
            return Ok(former);
        }
        let place = Place::Export(name.clone().unbind());
        handle.set_origin(Origin::new(&value, &origin.module, place)?);
        exports.set_item(name, PyWeakrefReference::new(&value)?)?;
    }
    Ok(value)
}

/// The proxy of what a module exported under this name in an earlier process, bound to the object of
/// `handle`.
fn former<'py>(
    handle: &Handle,
    exports: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(found) = exports.get_item(name)? else {
        return Ok(None);
    };
    let Some(proxy) = found.cast_into::<PyWeakrefReference>()?.upgrade() else {
        return Ok(None);
    };
    let generation = &handle.generation;
    match reference_of(&proxy)? {
        Some(Reference::Lent(former)) if former.unbound(proxy.py(), generation).is_some() => {
            let Some(second) = handle.split(generation)? else {
                return Ok(None);
            };
            former.bind(second);
        }
        _ => return Ok(None),
    }
    generation.remember(handle.id, &proxy)?;
    Ok(Some(proxy))
}

/// The handle of a lent function or class.
fn lent<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a Handle> {
    if let Ok(function) = value.cast_exact::<JSFunction>()
        && let function::Target::Lent(handle) = &function.get().target
    {
        Some(handle)
    } else if let Ok(class) = value.cast_exact::<JSClass>()
        && let class::Target::Lent(handle) = &class.get().target
    {
        Some(handle)
    } else {
        None
    }
}

impl LoadedAddon {
    /// Finds what a proxy of an earlier process stands for in this one, and binds the proxy to it.
    #[cold]
    pub(crate) fn bind_again(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        proxy: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let Some(Reference::Lent(handle)) = reference_of(proxy)? else {
            return Ok(());
        };
        let Some(origin) = handle.origin() else {
            return Ok(());
        };
        let found = self.find_again(py, generation, origin)?;
        let found = match reference_of(&found)? {
            Some(Reference::Lent(found)) => found.split(generation)?,
            _ => None,
        };
        // Another host has started while the module was loaded.
        let found = found.ok_or_else(|| errors::replaced(self.label(), self.generation()))?;
        let id = found.id;
        handle.bind(found);
        generation.remember(id, proxy)
    }

    fn find_again<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
        origin: &Origin,
    ) -> PyResult<Bound<'py, PyAny>> {
        let body = (Record(LoadRequest::clone(&origin.module)),);
        let module = self
            .request(py, calls::LoadMore, Request::to(None), &body)
            .inspect_err(|error| {
                let what = match &*origin.module {
                    LoadRequest::Module { name, .. } => name.clone(),
                    LoadRequest::Addon { path } => String::from_utf8_lossy(path).into_owned(),
                    LoadRequest::Nothing { .. } => String::new(),
                };
                let note = format!(
                    "while {what} was loaded again, in process {}, since its process had ended",
                    generation.number.0
                );
                // An exception that takes no note is raised without it.
                let _ = method(error.value(py).as_any(), intern!(py, "add_note"), (note,));
            })?;
        let Place::Export(name) = &origin.place else {
            return Ok(module);
        };
        let name = name.bind(py);
        let export = match reference_of(&module)? {
            Some(module) => module.get(name.as_any())?,
            None => None,
        };
        export
            .filter(|export| lent(export).is_some())
            .ok_or_else(|| errors::export_gone(&name.to_string_lossy(), generation.number.0))
    }
}
