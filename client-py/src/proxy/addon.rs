//! The object that `load_addon` returns, and the object for its process.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::addon::LoadedAddon;

/// A loaded addon: its exports are its attributes.
///
/// Exported functions and classes are in the instance's `__dict__`, so reading one sends no message;
/// other exports are read from the host each time.
#[pyclass(frozen, dict, weakref, subclass, module = "napi_python")]
pub(crate) struct Addon {
    pub(crate) addon: Arc<LoadedAddon>,
}

/// A package or module that `require` loaded: what it exports are its attributes.
///
/// It is callable if the package exports a function or a class.
#[pyclass(frozen, extends = Addon, module = "napi_python")]
pub(crate) struct Module;

/// The process of an addon.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct Host {
    pub(crate) addon: Arc<LoadedAddon>,
}
