//! The proof that the process has one thread.

use std::fs;
use std::marker::PhantomData;
use std::ptr;

use crate::StepError;

/// A proof that the process had one thread when [`single_threaded`] counted them.
///
/// It cannot leave its thread, so it stays true until that thread starts another one: drop it
/// before doing so.
#[derive(Debug)]
pub struct SingleThreaded(PhantomData<*const ()>);

/// Checks that no thread but the calling one runs in this process.
pub fn single_threaded() -> Result<SingleThreaded, StepError> {
    const TASKS: &str = "/proc/self/task";
    let threads = fs::read_dir(TASKS)
        .map_err(StepError::proc("single_threaded", TASKS))?
        .count();
    if threads == 1 {
        Ok(SingleThreaded(PhantomData))
    } else {
        Err(StepError::NotAlone { threads })
    }
}

/// Sleeps, in handlers of signals.
pub(crate) fn pause(milliseconds: u8) {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000 * libc::c_long::from(milliseconds),
    };
    // SAFETY: C3 and C5; the remaining time is not requested.
    unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
}

/// The number of this process, for handlers of signals.
pub(crate) fn this_process() -> u32 {
    // SAFETY: C5; no pointer is passed. The C library's function may return a cached number.
    let number = unsafe { libc::syscall(libc::SYS_getpid) };
    u32::try_from(number).unwrap_or(0)
}

/// The number of this thread, for handlers of signals.
pub(crate) fn this_thread() -> u32 {
    // SAFETY: C5; no pointer is passed.
    let number = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(number).unwrap_or(u32::MAX)
}
