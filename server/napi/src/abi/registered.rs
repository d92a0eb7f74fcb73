//! Modules that register themselves from a static constructor while their image is opened.
//!
//! The constructor runs inside `dlopen`, on the thread that called it, so a thread-local slot
//! passes the module to the loader. Constructors run once per image, so what an image registered is
//! stored by its handle, as in Node, for the next load of the same file.

use std::cell::RefCell;
use std::ffi::c_void;

use super::callback::Init;
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
    static SLOT: RefCell<Option<Registered>> = const { RefCell::new(None) };
    static IMAGES: RefCell<Vec<(usize, Registered)>> = const { RefCell::new(Vec::new()) };
}

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

/// Forgets what was registered before an image is opened.
pub(super) fn reset() {
    SLOT.set(None);
}

/// What the image with this handle registered, now or when it was opened first.
pub(super) fn take(image: *mut c_void) -> Option<Registered> {
    let fresh = SLOT.take();
    IMAGES.with_borrow_mut(|images| {
        if let Some(fresh) = fresh {
            images.push((image.addr(), fresh));
        }
        images
            .iter()
            .rev()
            .find(|(handle, _)| *handle == image.addr())
            .map(|(_, found)| *found)
    })
}
