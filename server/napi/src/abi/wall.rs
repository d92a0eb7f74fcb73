//! Where exceptions of C++ end: every call into the addon goes through here.
//!
//! A C++ library that throws looks for a handler up the stack first, and calls `std::terminate`
//! where it stands if there is none: the text of the exception is printed, and the stack that is
//! left for the crash record is the one that threw. Rust's own handlers further up would stop an
//! exception, too, but only to end the process when that stack is gone. So between them and the
//! addon there is a frame that ends every search. It costs a call and a return.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::ffi::c_void;

/// Calls `function` with as many of the arguments as it takes.
///
/// # Safety
///
/// `function` is a function of the C ABI that takes at most four integers or pointers and returns
/// one or nothing, and may be called with these.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn through(
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    function: *const (),
) -> usize {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, {refuse}",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "call r8",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "ret",
        ".cfi_endproc",
        refuse = sym refuse,
    )
}

/// Calls `function` with as many of the arguments as it takes.
///
/// # Safety
///
/// `function` is a function of the C ABI that takes at most four integers or pointers and returns
/// one or nothing, and may be called with these.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn through(
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    function: *const (),
) -> usize {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, {refuse}",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        "blr x4",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
        refuse = sym refuse,
    )
}

/// Calls `function` with as many of the arguments as it takes.
///
/// On processors without such a frame, an exception ends at Rust's own handlers.
///
/// # Safety
///
/// `function` is a function of the C ABI that takes at most four integers or pointers and returns
/// one or nothing, and may be called with these.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe extern "C" fn through(
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    function: *const (),
) -> usize {
    type Function = unsafe extern "C" fn(usize, usize, usize, usize) -> usize;
    // SAFETY: the caller says that it is one; what it does not take, it does not look at.
    let function = unsafe { std::mem::transmute::<*const (), Function>(function) };
    // SAFETY: the caller says that it may be called so.
    unsafe { function(first, second, third, fourth) }
}

/// What the unwinder asks about the frame: nothing may pass, in a search or by force.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
extern "C" fn refuse(
    _version: i32,
    _actions: i32,
    _class: u64,
    _exception: *mut c_void,
    _context: *mut c_void,
) -> i32 {
    const URC_FATAL_PHASE1_ERROR: i32 = 3;
    URC_FATAL_PHASE1_ERROR
}
