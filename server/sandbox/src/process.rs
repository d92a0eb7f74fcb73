//! What a host process sets for itself: that it ends with its client, its session, no core files,
//! how much freed memory it keeps, and what it does at its end. The program takes these steps first.
//!
//! Upholds I-18.

use rustix::io::Errno;
use rustix::process::{self, Signal};

use crate::{SingleThreaded, StepError};

/// Has the kernel kill this process when the thread that spawned it ends.
///
/// The signal belongs to the parent *thread*: the client spawns hosts from a thread that lives as
/// long as the process. A parent that ended before this call never sends the signal, so the
/// parent is compared with `expected_parent` afterwards; on a mismatch the caller must exit.
/// Changing credentials or executing a set-uid binary clears the setting.
pub fn die_with_parent(expected_parent: u32) -> Result<(), StepError> {
    process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(StepError::refused(
        "die_with_parent",
        "prctl(PR_SET_PDEATHSIG)",
    ))?;
    let found = std::os::unix::process::parent_id();
    if found == expected_parent {
        Ok(())
    } else {
        Err(StepError::Orphaned {
            expected: expected_parent,
            found,
        })
    }
}

/// Moves the process into a new session without a controlling terminal.
///
/// Ctrl-C in the client's terminal then interrupts the client only, which decides whether the call
/// ends, and the addon cannot insert input into that terminal. For a process that leads a session
/// already, this does nothing. For one that leads its process group but no session, it fails: spawn
/// the host without a process group of its own.
pub fn own_session() -> Result<(), StepError> {
    // Not rustix's getsid, which requires a positive answer: the kernel answers 0 where the session
    // began outside of this pid namespace, as in a container.
    // SAFETY: C3; getsid takes a number and no pointer.
    let session = unsafe { libc::getsid(0) };
    if session == process::getpid().as_raw_nonzero().get() {
        return Ok(());
    }
    process::setsid()
        .map(drop)
        .map_err(StepError::refused("own_session", "setsid"))
}

/// Has a function called when the process is ended by `exit`, also by that of an addon; `_exit` and
/// signals end it without.
pub fn at_exit(function: extern "C" fn()) -> Result<(), StepError> {
    // SAFETY: C3; the function is code of this program, which is never unmapped.
    match unsafe { libc::atexit(function) } {
        0 => Ok(()),
        _ => Err(StepError::refused("at_exit", "atexit")(Errno::NOMEM)),
    }
}

#[cfg(target_env = "gnu")]
/// The largest block that comes from the heap rather than from a mapping of its own, in bytes: the most that
/// the C library allows.
const HEAP_BLOCK_MAX: i32 = 32 << 20;
#[cfg(target_env = "gnu")]
/// The free memory at the end of the heap that is kept, in bytes.
const KEPT_MAX: i32 = 64 << 20;

/// Has the allocator keep up to 64 MiB of freed memory for the next allocation.
///
/// By default it returns more than 128 KiB at the end of the heap to the system, and maps each
/// buffer from that size on separately: for a host that receives one buffer after another the
/// kernel clears the same pages repeatedly, which takes many times as long as the copying. Does
/// nothing for allocators other than glibc's.
pub fn keep_freed_memory(_alone: &SingleThreaded) {
    #[cfg(target_env = "gnu")]
    for (setting, value) in [
        (libc::M_MMAP_THRESHOLD, HEAP_BLOCK_MAX),
        (libc::M_TRIM_THRESHOLD, KEPT_MAX),
    ] {
        // SAFETY: C3; two numbers go in, and no other thread allocates (C2) while they change.
        unsafe { libc::mallopt(setting, value) };
    }
}
