//! What a pickle of a proxy refers to: what was opened, and the names that lead from it to the proxy.
//! The rest is in Python (`napi_python/_references.py`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use hostd_protocol::message::LoadRequest;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::call::call;
use crate::errors;
use crate::fallible;
use crate::handle::{Handle, Place};
use crate::proxy::function::Target;
use crate::proxy::{JSFunction, Reference, reference_of};

/// What `__reduce__` of a proxy returns.
pub(crate) fn reduce<'py>(proxy: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let reduce = fallible::import(proxy.py(), "napi_python._references", "reduce")?;
    call(&reduce, (proxy,))
}

/// Returns where a proxy comes from: its owner and its name, if it was read from another proxy; else
/// the `Opening` of its addon, the `Addon` while there is one, the module of `Host.require` or
/// `Host.load_addon` that it belongs to, and its name there: () for the module itself, and None for an
/// object of which no name is known.
#[pyfunction]
#[pyo3(signature = (proxy, /))]
pub(crate) fn _origin<'py>(proxy: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = proxy.py();
    if let Ok(function) = proxy.cast_exact::<JSFunction>() {
        let read = match &function.get().target {
            Target::Method { object, name, .. } => Some((object.bind(py).as_any(), name)),
            Target::Bound { this, name, .. } => Some((this.bind(py), name)),
            Target::Lent(_) | Target::Exported(_) => None,
        };
        if let Some((owner, name)) = read {
            return (owner, name).into_pyobject(py);
        }
    }
    let Some(reference) = reference_of(proxy)? else {
        return Err(errors::raised::<PyTypeError>(
            "an object of a host is needed",
        ));
    };
    let addon = reference.addon();
    let (module, names) = match reference {
        Reference::Exports(_) => (None, Some(PyTuple::empty(py))),
        Reference::Exported(export) => {
            let name = fallible::string(py, &export.name)?;
            (None, Some((name,).into_pyobject(py)?))
        }
        Reference::Lent(handle) => of_module(py, handle)?,
    };
    let opening = addon.config.opening.bind(py);
    (opening, addon.object(py), module, names).into_pyobject(py)
}

type OfModule<'py> = (Option<Bound<'py, PyTuple>>, Option<Bound<'py, PyTuple>>);

/// The module that an object belongs to, and its name there.
fn of_module<'py>(py: Python<'py>, handle: &Handle) -> PyResult<OfModule<'py>> {
    let Some(origin) = handle.origin() else {
        return Ok((None, None));
    };
    let module = match &*origin.module {
        LoadRequest::Addon { path } => {
            let path = OsString::from_vec(path.clone());
            Some(("load_addon", path).into_pyobject(py)?)
        }
        LoadRequest::Module { name, folder } => {
            let (name, folder) = (name.as_str(), folder.as_str());
            Some(("require", name, folder).into_pyobject(py)?)
        }
        LoadRequest::Nothing { .. } => None,
    };
    let names = match &origin.place {
        Place::Module(_) => PyTuple::empty(py),
        Place::Export(name) => {
            let name: &Bound<'_, PyString> = name.bind(py);
            (name,).into_pyobject(py)?
        }
    };
    Ok((module, Some(names)))
}
