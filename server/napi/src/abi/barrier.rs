//! The C++ exception barrier: a stack frame between Rust and the addon that no exception passes.
//!
//! `std::terminate` runs where an exception is thrown if the search up the stack finds no handler:
//! it prints the text of the exception, and the crash record shows the stack that threw. Rust's own
//! handlers further up would stop the exception too, but only to end the process when that stack is
//! gone. So [`guarded_call`] adds a frame whose personality function ends every search. It costs a
//! call and a return.
//!
//! Upholds I-14.

use std::ffi::c_void;

/// Calls `function` with as many of the arguments as it takes.
///
/// # Safety
///
/// `function` is a function of the C ABI that takes at most four integers or pointers and returns
/// one or nothing, and may be called with these.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn guarded_call(
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
    );
}

/// The personality function of the frame: ends the search for a handler, and a forced unwind.
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
