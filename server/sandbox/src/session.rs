//! A session of the process' own, detached from the client's terminal.

use rustix::process;

use crate::StepError;

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
