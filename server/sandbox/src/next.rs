//! Functions that this program exports under names of the C library, which the dynamic linker finds
//! before the C library's own: `exported` and `own_thread` define theirs by [`export`].

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

/// Defines functions under names of the C library. In a body, `$call` calls the C library's function
/// with the caller's arguments; its result is none if there is no such function.
macro_rules! export {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty { $call:pat => $body:expr })*) => {$(
        /// As in the C library.
        ///
        /// # Safety
        ///
        /// As the C library requires.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            type Function = unsafe extern "C" fn($($kind),*) -> $result;
            static NEXT: std::sync::atomic::AtomicPtr<libc::c_void> =
                std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
            // Keeps the function in the program, so that the linker exports it.
            #[used]
            static KEPT: Function = $name;
            let $call = || {
                let function = $crate::next::next(&NEXT, concat!(stringify!($name), "\0"))?;
                // SAFETY: C8; the C library's function of this name has this signature.
                let function = unsafe { std::mem::transmute::<*mut libc::c_void, Function>(function) };
                // SAFETY: C8; the caller's arguments are passed on unchanged.
                Some(unsafe { function($($argument),*) })
            };
            $body
        }
    )*};
}
pub(crate) use export;
