//! Alternate stacks for the handler, which cannot run on an exhausted stack.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::StepError;

const STEP: &str = "crash::install";
/// The main thread's size in bytes, larger since there is one only.
const MAIN_BYTES: usize = 64 << 10;
/// Any other thread's size in bytes: the largest supported signal frame, and the handler.
pub(super) const THREAD_BYTES: usize = 24 << 10;
/// Bytes that the handler and its callees may need.
const HANDLER_BYTES: usize = 8 << 10;
const GUARD_BYTES: usize = 4096;

/// Gives the calling thread an alternate stack that is never unmapped.
pub(super) fn give_main_thread() -> Result<(), StepError> {
    let length = MAIN_BYTES + GUARD_BYTES;
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: C7; the kernel chooses a free address.
    let bottom = unsafe { mmap_anonymous(ptr::null_mut(), length, access, flags) }
        .map_err(StepError::refused(STEP, "mmap"))?;
    // SAFETY: C7; the page is the first of the new mapping, which is unused.
    unsafe { mprotect(bottom, GUARD_BYTES, MprotectFlags::empty()) }
        .map_err(StepError::refused(STEP, "mprotect"))?;
    let stack = libc::stack_t {
        ss_sp: bottom.cast::<u8>().wrapping_add(GUARD_BYTES).cast(),
        ss_flags: 0,
        ss_size: MAIN_BYTES,
    };
    // SAFETY: C7; the memory is never unmapped.
    if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } != 0 {
        return Err(StepError::Refused {
            step: STEP,
            call: "sigaltstack",
            errno: Errno::NOMEM,
        });
    }
    Ok(())
}

/// Whether [`THREAD_BYTES`] suffice for the largest signal frame of this processor.
pub(super) fn threads_can_have_one() -> bool {
    // SAFETY: C5; reads a vector that is constant since the start of the process.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) };
    usize::try_from(frame).is_ok_and(|frame| frame <= THREAD_BYTES - HANDLER_BYTES)
}

/// Runs `body` with an alternate stack in this frame.
///
/// Nothing in this frame is dropped: a thread may be ended from inside by `pthread_exit`, which
/// unwinds through here.
#[inline(never)]
pub(super) fn with_stack<R>(body: impl FnOnce() -> R) -> R {
    let mut memory = MaybeUninit::<[u8; THREAD_BYTES]>::uninit();
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: THREAD_BYTES,
    };
    // SAFETY: C7; the frame outlives all code that the thread runs but its exit. Until it is
    // disabled below, the kernel treats a stack pointer in here as one on the alternate stack, and
    // continues below it.
    unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    let result = body();
    let none = libc::stack_t {
        ss_sp: ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: C7; disables the stack before its frame ends.
    unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
    result
}
