//! The object that `load_addon` returns, and the object for its process.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::addon::LoadedAddon;

/// A loaded addon: its exports are its attributes.
///
/// Exported functions and classes are in the instance's `__dict__`, so reading one sends no message;
/// other exports are read from the host each time.
#[pyclass(frozen, dict, weakref, module = "napi_python")]
pub(crate) struct Addon {
    pub(crate) addon: Arc<LoadedAddon>,
}

/// The process of an addon.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct Host {
    pub(crate) addon: Arc<LoadedAddon>,
}
