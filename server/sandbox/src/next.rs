//! Finds the C library's function whose name this program exports as well.

use std::sync::atomic::{AtomicPtr, Ordering};

/// Returns the next definition of the name after this program's, and caches it in `found`. The name
/// ends with a zero.
pub(crate) fn next(
    found: &AtomicPtr<libc::c_void>,
    name: &'static str,
) -> Option<*mut libc::c_void> {
    let mut function = found.load(Ordering::Acquire);
    if function.is_null() && name.ends_with('\0') {
        // SAFETY: C3; the name ends with a zero.
        function = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast()) };
        found.store(function, Ordering::Release);
    }
    (!function.is_null()).then_some(function)
}
