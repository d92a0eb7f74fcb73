//! A JavaScript object that lives in the host, and its iterator.

use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;

use super::Reference;
use crate::classes::ClassInfo;
use crate::handle::Handle;

/// A JavaScript object: attributes are its properties and methods.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct JSObject {
    pub(crate) handle: Handle,
    /// Its class, once it was requested.
    pub(crate) class: OnceLock<Arc<ClassInfo>>,
}

impl JSObject {
    pub(crate) const fn reference(&self) -> Reference<'_> {
        Reference::Lent(&self.handle)
    }
}

/// Iterates over a JavaScript iterable by one request per item. When it is dropped before the end,
/// the host calls the iterator's `return` some time later.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct JSIterator {
    pub(crate) object: Py<JSObject>,
}
