//! Threads are started with a stack for the handler, the addon's own ones included.
//!
//! The program exports `pthread_create`, and the dynamic linker finds the program's names before
//! those of the C library: whoever starts a thread, the addon, its C++ library or this program,
//! comes by here. There is no other way: the kernel keeps one such stack per thread, only the thread
//! itself can set it, and a thread that has overflown its stack without one is ended before any
//! handler runs. Nothing can be shadowed that an addon brings along, and what is asked for is passed
//! on as it is.

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::stack;
use crate::next::next;

type Routine = extern "C-unwind" fn(*mut libc::c_void) -> *mut libc::c_void;
type Create = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    Routine,
    *mut libc::c_void,
) -> libc::c_int;

/// Stacks below this are somebody's careful choice, and too small to take something away from.
const SMALLEST_STACK: usize = 128 << 10;

static REAL: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
static PREPARED: AtomicBool = AtomicBool::new(false);

/// From now on, threads get a stack for the handler.
pub(super) fn prepare() {
    if real().is_some() && stack::threads_can_have_one() {
        PREPARED.store(true, Ordering::Release);
    }
}

/// What keeps the function in the program, for the linker to export it.
#[used]
static EXPORTED: Create = pthread_create;

/// The C library's.
fn real() -> Option<Create> {
    let found = next(&REAL, "pthread_create\0")?;
    // SAFETY: C8; what the C library calls `pthread_create` has this signature.
    Some(unsafe { mem::transmute::<*mut libc::c_void, Create>(found) })
}

struct Start {
    routine: Routine,
    argument: *mut libc::c_void,
}

/// Starts a thread.
///
/// # Safety
///
/// As the C library requires.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    routine: Routine,
    argument: *mut libc::c_void,
) -> libc::c_int {
    let Some(create) = real() else {
        return libc::ENOSYS;
    };
    if !PREPARED.load(Ordering::Acquire) || is_small(attributes) {
        // SAFETY: C8; passed on as it came.
        return unsafe { create(thread, attributes, routine, argument) };
    }
    let start = Box::into_raw(Box::new(Start { routine, argument })).cast();
    // SAFETY: C8; `begin` takes what is passed with it.
    let answer = unsafe { create(thread, attributes, begin, start) };
    if answer != 0 {
        // SAFETY: C8; no thread was started, so nobody else has it.
        drop(unsafe { Box::from_raw(start.cast::<Start>()) });
    }
    answer
}

fn is_small(attributes: *const libc::pthread_attr_t) -> bool {
    if attributes.is_null() {
        return false;
    }
    let mut bytes = 0;
    // SAFETY: C8; the caller passes initialised attributes, or none.
    let answer = unsafe { libc::pthread_attr_getstacksize(attributes, &raw mut bytes) };
    answer != 0 || bytes < SMALLEST_STACK
}

/// What a thread runs first.
extern "C-unwind" fn begin(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: C8; it was made for this thread alone.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { routine, argument } = *start;
    stack::with_stack(|| routine(argument))
}
