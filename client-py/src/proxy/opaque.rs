//! Objects of the host that Python can only pass back: symbols, externals, and the object behind an
//! exception.

use pyo3::prelude::*;

use crate::errors;
use crate::handle::Handle;

/// A JavaScript symbol; passed back it is that very symbol.
#[pyclass(frozen, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) handle: Handle,
}

#[pymethods]
impl Symbol {
    #[expect(clippy::unused_self, reason = "a method of Python's")]
    const fn __repr__(&self) -> &'static str {
        "<Symbol>"
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("Symbol"))
    }
}

/// A native value of the addon, which is opaque to all others.
#[pyclass(frozen, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) handle: Handle,
}

#[pymethods]
impl External {
    #[expect(clippy::unused_self, reason = "a method of Python's")]
    const fn __repr__(&self) -> &'static str {
        "<External>"
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("External"))
    }
}

/// The JavaScript object behind a `JSError`.
#[pyclass(frozen, name = "_ErrorHandle", module = "napi_python._native")]
#[derive(Debug)]
pub(crate) struct ErrorHandle {
    pub(crate) handle: Handle,
}
