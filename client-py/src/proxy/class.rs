//! A JavaScript class: calling it constructs, `isinstance` works.

use std::sync::{Arc, OnceLock};

use hostd_protocol::calls::CallKind;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::reference::{Reference, attribute};
use super::{Handle, JSObject, is_dunder};
use crate::errors;
use crate::names::Names;
use crate::session::Export;

/// A JavaScript class.
#[pyclass(frozen, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct JSClass {
    target: Target,
    name: OnceLock<String>,
}

#[derive(Debug)]
enum Target {
    Lent(Handle),
    Exported(Export),
}

impl JSClass {
    pub(crate) const fn lent(handle: Handle) -> Self {
        Self {
            target: Target::Lent(handle),
            name: OnceLock::new(),
        }
    }

    pub(crate) const fn exported(export: Export) -> Self {
        Self {
            target: Target::Exported(export),
            name: OnceLock::new(),
        }
    }

    pub(crate) const fn handle(&self) -> Option<&Handle> {
        match &self.target {
            Target::Lent(handle) => Some(handle),
            Target::Exported(..) => None,
        }
    }

    pub(crate) const fn reference(&self) -> Reference<'_> {
        match &self.target {
            Target::Lent(handle) => Reference::Lent(handle),
            Target::Exported(export) => Reference::Exported(export),
        }
    }

    fn shown_name(&self, py: Python<'_>) -> String {
        if let Target::Exported(export) = &self.target {
            return export.name.to_string();
        }
        if let Some(name) = self.name.get() {
            return name.clone();
        }
        match self.reference().describe(py, None) {
            Ok(description) => self.name.get_or_init(|| description.name).clone(),
            Err(_) => String::new(),
        }
    }
}

#[pymethods]
impl JSClass {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let name = match &self.target {
            Target::Exported(export) => Some(&export.name),
            Target::Lent(_) => None,
        };
        self.reference().construct(py, name, args, kwargs)
    }

    fn __instancecheck__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(object) = value.cast::<JSObject>() else {
            return Ok(false);
        };
        let reference = self.reference();
        let handle = &object.get().handle;
        if !Arc::ptr_eq(&handle.session, reference.session()) {
            return Ok(false);
        }
        // An object of an earlier process is an instance of nothing that is there now.
        if reference
            .session()
            .world()
            .is_none_or(|world| !Arc::ptr_eq(&world, &handle.world) || world.is_dead())
        {
            return Ok(false);
        }
        reference.is_instance(value)
    }

    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let text = name.to_string_lossy();
        if text == "__name__" || text == "__qualname__" {
            return Ok(PyString::new(py, &slf.get().shown_name(py)).into_any());
        }
        if is_dunder(&text) {
            return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
        }
        attribute(slf.as_any(), slf.get().reference(), name)
    }

    /// Asked only after the above found nothing: says so.
    fn __getattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        Err(errors::no_attribute(slf.as_any(), name))
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        slf.get().reference().set(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let reference = slf.get().reference();
        reference.test(CallKind::Delete, name.as_any()).map(|_| ())
    }

    fn __dir__(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.reference().keys(py, 1)
    }

    fn __repr__(&self) -> String {
        let name = match &self.target {
            Target::Exported(export) => export.name.to_string(),
            Target::Lent(_) => self.name.get().cloned().unwrap_or_default(),
        };
        if name.is_empty() {
            "<JSClass>".to_owned()
        } else {
            format!("<JSClass {name}>")
        }
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("JSClass"))
    }
}
