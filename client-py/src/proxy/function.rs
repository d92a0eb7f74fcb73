//! A JavaScript function: lent, exported, or read from an object and then bound to it.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use super::{JSObject, Reference};
use crate::addon::Export;
use crate::errors;
use crate::handle::Handle;
use crate::names;

/// A JavaScript function. Its attributes are those of the JavaScript object.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct JSFunction {
    pub(crate) target: Target,
}

/// Which function it is.
pub(crate) enum Target {
    Lent(Handle),
    Exported(Export),
    /// `object.name`, which was not read yet: a call of it is one request.
    Method {
        object: Py<JSObject>,
        name: Py<PyString>,
        /// The name, for messages.
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
    /// The function itself, without what it is bound to. A method is read from its object for that,
    /// once, by the object's `__getitem__`.
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
                    let value = owner.get_item(key).map_err(|error| {
                        if error.is_instance_of::<PyKeyError>(py) {
                            errors::no_attribute(owner, key)
                        } else {
                            error
                        }
                    })?;
                    value.cast_into::<Self>().map(Bound::unbind).map_err(|_| {
                        errors::raised::<PyTypeError>(format!(
                            "{} is no longer a function",
                            names::shown(py, &key.to_string_lossy())
                        ))
                    })
                })?;
                real.get().reference(py)
            }
        }
    }

    /// The name as it is shown; None for a lent function.
    pub(crate) fn shown_name(&self, py: Python<'_>) -> Option<String> {
        match &self.target {
            Target::Lent(_) => None,
            Target::Exported(export) => Some(names::shown(py, &export.name)),
            Target::Method { name, .. } | Target::Bound { name, .. } => {
                Some(names::shown(py, &name.bind(py).to_string_lossy()))
            }
        }
    }
}
