//! Signal actions and mask as an addon expects them.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;

use crate::error::check;
use crate::{SingleThreaded, StepError};

const STEP: &str = "reset_signals";
/// The highest number of a signal on Linux.
const SIGNAL_MAX: libc::c_int = 64;

/// Gives every signal its default action, ignores SIGPIPE, and blocks none.
///
/// Ignored signals and the signal mask are inherited over `exec`, and Python changes both. SIGPIPE
/// is ignored because Node ignores it: addons rely on `write` failing with `EPIPE`. The real-time
/// signals that the C library reserves are left as they are.
pub fn reset_signals(_alone: &SingleThreaded) -> Result<(), StepError> {
    for signal in 1..=SIGNAL_MAX {
        let fixed = matches!(signal, libc::SIGKILL | libc::SIGSTOP);
        let reserved = (32..libc::SIGRTMIN()).contains(&signal);
        if fixed || reserved {
            continue;
        }
        let action = if signal == libc::SIGPIPE {
            libc::SIG_IGN
        } else {
            libc::SIG_DFL
        };
        set_action(signal, action, 0).map_err(StepError::refused(STEP, "sigaction"))?;
    }
    unblock_all()
}

/// Ignores a signal: the call that caused it fails instead.
pub(crate) fn ignore(signal: libc::c_int) -> Result<(), Errno> {
    set_action(signal, libc::SIG_IGN, 0)
}

/// Sets the handler of a signal, `SIG_DFL` or `SIG_IGN`. A handler must keep C5.
pub(crate) fn set_action(
    signal: libc::c_int,
    handler: libc::sighandler_t,
    flags: libc::c_int,
) -> Result<(), Errno> {
    // SAFETY: C3; all-zero is a valid `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: C3 and C5; the structure is initialised, and the handler, if it is one, keeps C5.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })
}

/// Empties the signal mask of the only thread.
fn unblock_all() -> Result<(), StepError> {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: C3; `sigemptyset` initialises the whole set it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: C2 and C3; the set was initialised above and the old one is not requested.
    let answer = unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) };
    check(answer).map_err(StepError::refused(STEP, "sigprocmask"))
}
