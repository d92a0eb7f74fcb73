//! What is lent out for longer than Rust can check: the parts of a host, and its engine.
//!
//! A call of Node-API finds its host and environment without a count and without a lock. So they
//! are lent as if they lived as long as the process, and [`OwnedHost`](crate::OwnedHost) drops
//! them last (A10).
//!
//! Upholds I-23.

use std::ptr::NonNull;

use hostd_engine::{Engine, EngineError, Options};

/// A box whose content is lent out until it is dropped.
#[derive(Debug)]
pub(crate) struct Owned<T>(NonNull<T>);

impl<T> Owned<T> {
    /// Owns it.
    pub(crate) fn new(content: T) -> Self {
        Self(NonNull::from(Box::leak(Box::new(content))))
    }

    /// Lends it, until this is dropped.
    #[inline]
    pub(crate) fn get(&self) -> &'static T {
        // SAFETY: A10; what was lent is not used after the drop.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: A10; it was leaked in `new`, and what was lent is not used any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Makes this thread's engine.
pub(crate) fn engine(options: Options) -> Result<Engine, EngineError> {
    // SAFETY: A10; the owner of a host drops the engine after all that came from it.
    unsafe { Engine::new(options) }
}
