//! Objects of the host that Python can only pass back: symbols, externals, and the object behind an
//! exception.

use pyo3::prelude::*;

use crate::errors;
use crate::handle::Handle;

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident, $repr:literal) => {
        $(#[$doc])*
        #[pyclass(frozen, weakref, module = "napi_python")]
        pub(crate) struct $name {
            pub(crate) handle: Handle,
        }

        #[pymethods]
        impl $name {
            const fn __repr__(&self) -> &'static str {
                $repr
            }

            fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
                Err(errors::not_picklable(stringify!($name)))
            }
        }
    };
}

opaque! {
    /// A JavaScript symbol; passed back it is that very symbol.
    Symbol, "<Symbol>"
}

opaque! {
    /// A native value of the addon, which is opaque to all others.
    External, "<External>"
}

/// The JavaScript object behind a `JSError`.
#[pyclass(frozen, name = "_ErrorHandle", module = "napi_python._native")]
pub(crate) struct ErrorHandle {
    pub(crate) handle: Handle,
}
