//! A JavaScript function: lent, exported, or read from an object and then bound to it.

use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::reference::{Reference, attribute};
use super::{Handle, JSObject, is_dunder};
use crate::errors;
use crate::names::Names;
use crate::session::Export;

/// A JavaScript function. Its attributes are JavaScript's own.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct JSFunction {
    target: Target,
}

enum Target {
    Lent(Handle),
    Exported(Export),
    /// `object.name`, not read yet: a call of it is one message.
    Method {
        object: Py<JSObject>,
        name: Py<PyString>,
        /// The same, for messages.
        label: Arc<str>,
        real: PyOnceLock<Py<JSFunction>>,
    },
    /// A function that was read from an object.
    Bound {
        function: Py<JSFunction>,
        this: Py<PyAny>,
        name: Py<PyString>,
    },
}

impl JSFunction {
    pub(crate) const fn lent(handle: Handle) -> Self {
        Self {
            target: Target::Lent(handle),
        }
    }

    pub(crate) const fn exported(export: Export) -> Self {
        Self {
            target: Target::Exported(export),
        }
    }

    pub(crate) fn method(
        object: &Bound<'_, JSObject>,
        name: &Bound<'_, PyString>,
        label: &Arc<str>,
    ) -> Self {
        Self {
            target: Target::Method {
                object: object.clone().unbind(),
                name: name.clone().unbind(),
                label: Arc::clone(label),
                real: PyOnceLock::new(),
            },
        }
    }

    pub(crate) fn bound<'py>(
        function: &Bound<'py, Self>,
        this: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let target = Target::Bound {
            function: function.clone().unbind(),
            this: this.clone().unbind(),
            name: name.clone().unbind(),
        };
        Ok(Bound::new(function.py(), Self { target })?.into_any())
    }

    pub(crate) const fn handle(&self) -> Option<&Handle> {
        match &self.target {
            Target::Lent(handle) => Some(handle),
            _ => None,
        }
    }

    /// The function itself, whatever it is bound to; a method is read for that, once.
    pub(crate) fn reference(&self, py: Python<'_>) -> PyResult<Reference<'_>> {
        match &self.target {
            Target::Lent(handle) => Ok(Reference::Lent(handle)),
            Target::Exported(export) => Ok(Reference::Exported(export)),
            Target::Bound { function, .. } => function.get().reference(py),
            Target::Method {
                object, name, real, ..
            } => {
                let real = real.get_or_try_init(py, || {
                    let key = name.bind(py);
                    let owner = object.bind(py).as_any();
                    let value = Reference::Lent(&object.get().handle).get(key.as_any())?;
                    let Some(value) = value else {
                        return Err(errors::no_attribute(owner, key));
                    };
                    value.cast_into::<Self>().map(Bound::unbind).map_err(|_| {
                        PyTypeError::new_err(format!(
                            "{} is no longer a function",
                            key.to_string_lossy()
                        ))
                    })
                })?;
                real.get().reference(py)
            }
        }
    }

    fn shown_name(&self, py: Python<'_>) -> Option<String> {
        match &self.target {
            Target::Lent(_) => None,
            Target::Exported(export) => Some(export.name.to_string()),
            Target::Method { name, .. } | Target::Bound { name, .. } => {
                Some(name.bind(py).to_string_lossy().into_owned())
            }
        }
    }
}

#[pymethods]
impl JSFunction {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match &self.target {
            Target::Exported(export) => Reference::Exported(export).call(
                py,
                Some(&export.name),
                Some(Reference::Exports(&export.session)),
                args,
                kwargs,
            ),
            Target::Lent(handle) => Reference::Lent(handle).call(py, None, None, args, kwargs),
            Target::Method {
                object,
                name,
                label,
                ..
            } => Reference::Lent(&object.get().handle).call_method(
                name.bind(py),
                label,
                args,
                kwargs,
            ),
            Target::Bound { function, this, .. } => {
                function
                    .get()
                    .reference(py)?
                    .call_with(py, this.bind(py), args, kwargs)
            }
        }
    }

    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let text = name.to_string_lossy();
        if text == "__name__" || text == "__qualname__" {
            let shown = slf.get().shown_name(py).unwrap_or_default();
            return Ok(PyString::new(py, &shown).into_any());
        }
        if is_dunder(&text) {
            return Names::get(py)?.generic_getattr.bind(py).call1((slf, name));
        }
        let reference = slf.get().reference(py).map_err(|error| {
            // `inspect.signature()` looks for attributes of everything that can be called.
            if error.is_instance_of::<PyTypeError>(py) {
                PyAttributeError::new_err(error.value(py).to_string())
            } else {
                error
            }
        })?;
        attribute(slf.as_any(), reference, name)
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
        slf.get().reference(slf.py())?.set(name.as_any(), value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let reference = slf.get().reference(slf.py())?;
        reference.test(CallKind::Delete, name.as_any()).map(|_| ())
    }

    fn __dir__(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.reference(py)?.keys(py, 1)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Self>() else {
            return Ok(false);
        };
        Ok(std::ptr::eq(self, other.get())
            || match (&self.target, &other.get().target) {
                (
                    Target::Method { object, name, .. },
                    Target::Method {
                        object: theirs,
                        name: other_name,
                        ..
                    },
                ) => object.is(theirs) && name.bind(py).as_any().eq(other_name)?,
                (
                    Target::Bound { function, this, .. },
                    Target::Bound {
                        function: theirs,
                        this: other_this,
                        ..
                    },
                ) => function.is(theirs) && this.is(other_this),
                _ => false,
            })
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        match &self.target {
            Target::Method { object, name, .. } => {
                Ok(object.as_ptr() as isize ^ name.bind(py).hash()?)
            }
            Target::Bound { function, this, .. } => {
                Ok(function.as_ptr() as isize ^ this.as_ptr() as isize)
            }
            _ => Ok(std::ptr::from_ref(self) as isize),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.shown_name(py) {
            Some(name) => format!("<JSFunction {name}>"),
            None => "<JSFunction>".to_owned(),
        }
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("JSFunction"))
    }
}
