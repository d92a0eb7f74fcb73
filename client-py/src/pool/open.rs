//! `BufferPool`: a pool as one Python object has it open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hostd_client::lock;
use hostd_client::pool::SharedPool;
use pyo3::prelude::*;

use super::errors::closed;

/// A pool of buffers in memory that addons and other Python processes of this user can share.
///
/// `BufferPool(size, *, name=None)` makes one of `size` bytes, a number or a text such as "256 MiB". Only
/// memory that buffers have used is taken from the system. With a name, other processes open it by
/// `BufferPool.open(name)`. docs/memory.md describes it.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct BufferPool {
    /// None once it is closed.
    shared: Mutex<Option<Arc<SharedPool>>>,
    /// Whether it made the pool, and so gives up its name when it is closed.
    is_maker: AtomicBool,
}

impl BufferPool {
    pub(crate) fn new(shared: Arc<SharedPool>, is_maker: bool) -> Self {
        Self {
            shared: Mutex::new(Some(shared)),
            is_maker: AtomicBool::new(is_maker),
        }
    }

    /// The pool.
    ///
    /// # Errors
    /// This object was closed.
    pub(crate) fn shared(&self) -> PyResult<Arc<SharedPool>> {
        lock(&self.shared).clone().ok_or_else(closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.shared).is_none()
    }

    /// Closes it; without effect the second time.
    pub(crate) fn end(&self) {
        let shared = lock(&self.shared).take();
        if let Some(shared) = shared.filter(|_| self.is_maker.load(Ordering::Relaxed)) {
            shared.remove_name();
        }
    }
}
