//! A session of its own, away from the client's terminal.

use rustix::process;

use crate::StepError;

/// Moves the process into a new session without a controlling terminal.
///
/// Ctrl-C in the client's terminal then interrupts the client only, which decides what becomes of
/// the call, and the addon cannot type into that terminal. A process that already leads a session
/// is left as it is. A process that leads its group, but no session, gets an error: spawn the
/// host without a process group of its own.
pub fn own_session() -> Result<(), StepError> {
    // Not rustix's getsid, which takes every answer for positive: where the session began outside
    // of this pid namespace, as in many a container, the kernel answers 0.
    // SAFETY: C3; getsid takes a number and no pointer.
    let session = unsafe { libc::getsid(0) };
    if session == process::getpid().as_raw_nonzero().get() {
        return Ok(());
    }
    process::setsid()
        .map(drop)
        .map_err(StepError::refused("own_session", "setsid"))
}
