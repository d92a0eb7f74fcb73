//! Modules that register themselves from a static constructor while their image is opened.
//!
//! The constructor runs inside `dlopen`, on the thread that called it, so a thread-local slot
//! passes the module to the loader. Constructors run once per image, so what an image registered is
//! stored by its handle, as in Node, for the next load of the same file by any host. Images are
//! never closed, so there are no more entries than images.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::callback::{Function, Init};
use super::types::napi_module;

/// What an image registered from a constructor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Registered {
    /// A Node-API module; without `init` it "has no declared entry point".
    Module(Option<Init>),
    /// A module for Node's C++ interface.
    Foreign,
}

thread_local! {
    static SLOT: Cell<Option<Registered>> = const { Cell::new(None) };
}

/// What images registered, by their handle.
#[derive(Debug)]
pub(super) struct Images(Vec<(usize, Registered)>);

static IMAGES: Mutex<Images> = Mutex::new(Images(Vec::new()));

/// Serves `napi_module_register`.
///
/// # Safety
///
/// A1: `module` is NULL or points to a module structure.
pub(super) unsafe fn register(module: *const napi_module) {
    if module.is_null() {
        tracing::warn!("an addon passed NULL to napi_module_register");
        return;
    }
    // SAFETY: A1; the caller's contract; not NULL.
    let init = unsafe { (*module).nm_register_func };
    SLOT.set(Some(Registered::Module(Init::new(init))));
}

/// Serves `node_module_register`.
pub(super) fn register_foreign() {
    SLOT.set(Some(Registered::Foreign));
}

/// Begins to open an image. Images are opened one at a time, as `dlopen` itself does, so that a
/// thread that opens one again finds what it registered.
pub(super) fn begin() -> MutexGuard<'static, Images> {
    let images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    SLOT.set(None);
    images
}

impl Images {
    /// What the image with this handle registered, now or when it was opened first.
    pub(super) fn registered_by(&mut self, image: *mut c_void) -> Option<Registered> {
        if let Some(fresh) = SLOT.take() {
            self.0.push((image.addr(), fresh));
        }
        let mut images = self.0.iter().rev();
        let found = images.find(|(handle, _)| *handle == image.addr());
        found.map(|(_, found)| *found)
    }
}
