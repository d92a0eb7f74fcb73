//! The bytes of shared array buffers. The engine makes growable ones only where somebody provides
//! the memory.

use std::ffi::c_void;

use rquickjs_sys as q;

/// What stands before the bytes (E12): how many buffers share them. As long as the engine's blocks
/// are aligned.
const HEAD: usize = size_of::<u64>();

/// Lets the engine make growable shared array buffers, of the engine's own heap.
pub(crate) fn provide(rt: *mut q::JSRuntime, ctx: *mut q::JSContext) {
    let functions = q::JSSharedArrayBufferFunctions {
        sab_alloc: Some(allocate),
        sab_free: Some(release),
        sab_dup: Some(share),
        sab_opaque: ctx.cast(),
    };
    // SAFETY: E1; the engine copies the structure.
    unsafe { q::JS_SetSharedArrayBufferFunctions(rt, &raw const functions) };
}

/// Makes bytes that one buffer has. What fails leaves the exception that the engine asks for.
unsafe extern "C" fn allocate(opaque: *mut c_void, size: q::size_t) -> *mut c_void {
    let Some(size) = size.checked_add(HEAD as q::size_t) else {
        return std::ptr::null_mut();
    };
    // SAFETY: E1, E12; the opaque pointer is the context.
    let block = unsafe { q::js_malloc(opaque.cast(), size) }.cast::<u64>();
    if block.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: E12; the block begins with the count.
    unsafe { block.write(1) };
    // SAFETY: E12; the bytes follow.
    unsafe { block.byte_add(HEAD) }.cast()
}

/// Another buffer has the bytes.
unsafe extern "C" fn share(_: *mut c_void, bytes: *mut c_void) {
    // SAFETY: E12; the bytes are of `allocate`.
    let count = unsafe { bytes.cast::<u64>().byte_sub(HEAD) };
    // SAFETY: E1, E12; nobody else counts at the same moment.
    unsafe { *count += 1 };
}

/// A buffer gives the bytes up; the last one frees them.
unsafe extern "C" fn release(opaque: *mut c_void, bytes: *mut c_void) {
    // SAFETY: E12; the bytes are of `allocate`.
    let count = unsafe { bytes.cast::<u64>().byte_sub(HEAD) };
    // SAFETY: E1, E12; nobody else counts at the same moment.
    let others = unsafe { count.read() } - 1;
    if others > 0 {
        // SAFETY: E1, E12; as above.
        unsafe { count.write(others) };
        return;
    }
    // SAFETY: E1, E12; the context made the block, and nobody has it any more.
    unsafe { q::js_free(opaque.cast(), count.cast()) };
}
