//! A JavaScript class.

use std::sync::OnceLock;

use pyo3::prelude::*;

use super::Reference;
use crate::addon::Export;
use crate::handle::Handle;

/// A JavaScript class: calling it constructs, and a class statement can extend it.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct JSClass {
    pub(crate) target: Target,
    /// The name of a lent class, once it was requested.
    pub(crate) name: OnceLock<String>,
}

/// A class that was lent, or is an export.
pub(crate) enum Target {
    Lent(Handle),
    Exported(Export),
}

impl JSClass {
    pub(crate) const fn new(target: Target) -> Self {
        Self {
            target,
            name: OnceLock::new(),
        }
    }

    pub(crate) const fn reference(&self) -> Reference<'_> {
        match &self.target {
            Target::Lent(handle) => Reference::Lent(handle),
            Target::Exported(export) => Reference::Exported(export),
        }
    }
}
