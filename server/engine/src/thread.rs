//! Which engine this thread has: what values and keys need to be released.

use std::cell::Cell;
use std::ptr;

use rquickjs_sys as q;

thread_local! {
    static ENGINE: Cell<*mut q::JSRuntime> = const { Cell::new(ptr::null_mut()) };
}

/// The engine of this thread; null if there is none.
#[inline]
pub(crate) fn engine() -> *mut q::JSRuntime {
    ENGINE.get()
}

pub(crate) fn set_engine(engine: *mut q::JSRuntime) {
    ENGINE.set(engine);
}
