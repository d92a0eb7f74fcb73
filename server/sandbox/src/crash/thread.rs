//! Starts threads with an alternate stack for the handler, those of the addon included.
//!
//! The program exports `pthread_create`, which the dynamic linker finds before that of the C
//! library: every thread that the addon, its C++ library or this program starts is started here. An
//! alternate stack belongs to one thread, which alone can set it, and without one a stack overflow
//! ends the process before any handler runs. Arguments are passed on unchanged.

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

/// Smaller stacks get no alternate stack, in bytes: it would take too much of them.
const STACK_BYTES_MIN: usize = 128 << 10;

static REAL: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
static PREPARED: AtomicBool = AtomicBool::new(false);

/// Gives threads that start from now on an alternate stack.
pub(super) fn prepare() {
    if real().is_some() && stack::threads_can_have_one() {
        PREPARED.store(true, Ordering::Release);
    }
}

/// Keeps the function in the program, so that the linker exports it.
#[used]
static EXPORTED: Create = pthread_create;

/// The C library's.
fn real() -> Option<Create> {
    let found = next(&REAL, "pthread_create\0")?;
    // SAFETY: C8; the C library's `pthread_create` has this signature.
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
        // SAFETY: C8; the caller's arguments are passed on unchanged.
        return unsafe { create(thread, attributes, routine, argument) };
    }
    let start = Box::into_raw(Box::new(Start { routine, argument })).cast();
    // SAFETY: C8; `begin` takes ownership of `start`.
    let answer = unsafe { create(thread, attributes, begin, start) };
    if answer != 0 {
        // SAFETY: C8; no thread was started that could own it.
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
    answer != 0 || bytes < STACK_BYTES_MIN
}

extern "C-unwind" fn begin(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: C8; it was made for this thread, which calls this once.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { routine, argument } = *start;
    stack::with_stack(|| routine(argument))
}
