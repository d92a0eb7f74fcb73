//! The reference that the views of a pool buffer share, and the count of what uses its memory.
//!
//! A `Handle` keeps its reference, and with that the mapping and the range of the buffer, while its count
//! of exports is above 0.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hostd_client::lock;
use hostd_client::pool::PoolReference;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

use super::errors::released;
use crate::errors::raised;

/// One reference to a buffer, which all views that were cut from it share.
#[derive(Debug)]
pub(super) struct Handle {
    /// None once it was forgotten.
    reference: Mutex<Option<Arc<PoolReference>>>,
    /// How many views of other objects, and regions, use the memory.
    exports: AtomicUsize,
}

impl Handle {
    pub(super) fn new(reference: PoolReference) -> Self {
        Self {
            reference: Mutex::new(Some(Arc::new(reference))),
            exports: AtomicUsize::new(0),
        }
    }

    pub(super) fn reference(&self) -> PyResult<Arc<PoolReference>> {
        lock(&self.reference).clone().ok_or_else(released)
    }

    /// Begins an export. The reference stays until [`Self::end_export`].
    pub(super) fn export(&self) -> PyResult<Arc<PoolReference>> {
        let reference = lock(&self.reference);
        let found = reference.clone().ok_or_else(released)?;
        self.exports.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    pub(super) fn end_export(&self) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
    }

    /// Drops the reference.
    pub(super) fn forget(&self) -> PyResult<()> {
        let mut reference = lock(&self.reference);
        check_exports(self.exports.load(Ordering::Relaxed))?;
        let found = reference.take();
        drop(reference);
        drop(found);
        Ok(())
    }
}

pub(super) fn check_exports(exports: usize) -> PyResult<()> {
    if exports == 0 {
        return Ok(());
    }
    Err(raised::<PyBufferError>(format!(
        "the pool buffer cannot be released: {exports} memoryviews, arrays, guards or addons use its \
         memory; release them first"
    )))
}
