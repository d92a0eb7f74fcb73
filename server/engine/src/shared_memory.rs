//! The memory of shared array buffers. The engine makes growable ones only if it is given functions
//! that allocate their memory; `Engine::new` gives it these.

use std::ffi::c_void;

use hostd_quickjs as q;

use crate::state::current;

/// The size of what stands before the bytes (E12): the number of buffers that share them. It is a
/// multiple of the alignment of the engine's blocks.
const HEAD: usize = size_of::<u64>();

/// Lets the engine allocate shared array buffers on its own heap.
pub(crate) fn install(rt: *mut q::JSRuntime) {
    let functions = q::JSSharedArrayBufferFunctions {
        sab_alloc: Some(allocate),
        sab_free: Some(release),
        sab_dup: Some(share),
        sab_opaque: rt.cast(),
    };
    // SAFETY: E1; the engine copies the structure.
    unsafe { q::JS_SetSharedArrayBufferFunctions(rt, &raw const functions) };
}

/// Allocates bytes for one buffer, all zero, so that large ones lie in memory that another process can be
/// shown (see `large_blocks`). On failure the exception is pending, as the engine requires.
unsafe extern "C" fn allocate(opaque: *mut c_void, size: q::size_t) -> *mut c_void {
    let Some(size) = size.checked_add(HEAD as q::size_t) else {
        return std::ptr::null_mut();
    };
    // SAFETY: E1, E12; the opaque pointer is the engine.
    let block = unsafe { q::js_mallocz_rt(opaque.cast(), size) }.cast::<u64>();
    if block.is_null() {
        if let Some(state) = current() {
            // SAFETY: E1; the context is live while scripts run.
            unsafe { q::JS_ThrowOutOfMemory(state.ctx) };
        }
        return std::ptr::null_mut();
    }
    // SAFETY: E12; the block begins with the count.
    unsafe { block.write(1) };
    // SAFETY: E12; the bytes follow.
    unsafe { block.byte_add(HEAD) }.cast()
}

/// Counts another buffer that shares the bytes.
unsafe extern "C" fn share(_: *mut c_void, bytes: *mut c_void) {
    // SAFETY: E12; `allocate` returned the bytes.
    let count = unsafe { bytes.cast::<u64>().byte_sub(HEAD) };
    // SAFETY: E1, E12; only this thread counts.
    unsafe { *count += 1 };
}

/// Counts a buffer less; the last one frees the bytes.
unsafe extern "C" fn release(opaque: *mut c_void, bytes: *mut c_void) {
    // SAFETY: E12; `allocate` returned the bytes.
    let count = unsafe { bytes.cast::<u64>().byte_sub(HEAD) };
    // SAFETY: E1, E12; only this thread counts.
    let others = unsafe { count.read() } - 1;
    if others > 0 {
        // SAFETY: E1, E12; as above.
        unsafe { count.write(others) };
        return;
    }
    // SAFETY: E1, E12; the engine made the block, and no buffer uses it any more. There may be no
    // context any more.
    unsafe { q::js_free_rt(opaque.cast(), count.cast()) };
}
