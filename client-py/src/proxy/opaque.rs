//! Things of the host that Python can only keep and pass back: symbols, externals, and the object
//! behind an exception.

use pyo3::prelude::*;

use super::Handle;

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
        Err(crate::errors::not_picklable("Symbol"))
    }
}

/// A native value that the addon gave out; it means something to the addon alone.
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
        Err(crate::errors::not_picklable("External"))
    }
}

/// The JavaScript object behind a `JSError`.
#[pyclass(frozen, name = "_ErrorHandle", module = "napi_python._native")]
#[derive(Debug)]
pub(crate) struct ErrorHandle {
    pub(crate) handle: Handle,
}
