//! The engine of this thread as a bare pointer, with which values and keys are released.
//!
//! `value` and `key` read it when something is cloned or dropped, and know no more of an engine.
//! Only `state::set_current` writes it, when an engine is made and before it is freed.

use std::cell::Cell;
use std::ptr;

use hostd_quickjs as q;

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
