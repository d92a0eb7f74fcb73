//! The interface of the library that runs sessions inside of the client's process: C functions that the
//! client looks up by name. Both come in one package; [`VERSION`] finds out if they do not.

use std::ffi::{CStr, c_int, c_void};
use std::time::Duration;

use crate::carrier::WaitLimit;
use crate::direct::{DirectCall, DirectCallback};

/// The number of this interface and of the protocol, which the function [`VERSION_NAME`] returns.
pub const VERSION: u32 = crate::handshake::PROTOCOL;

/// The name of the function that returns [`VERSION`].
pub const VERSION_NAME: &CStr = c"napi_python_library_version";

/// The type of the function that returns [`VERSION`].
pub type VersionFunction = extern "C" fn() -> u32;

/// The name of the function that serves one session.
pub const SERVE_NAME: &CStr = c"napi_python_library_serve";

/// Serves one session on the calling thread, from the handshake to its end, and returns the
/// [`SessionEnd`] encoded. Takes the number of bytes of the thread's stack, and the control socket: a
/// descriptor that the caller owns and does not use any more.
pub type ServeFunction = unsafe extern "C" fn(control: c_int, stack_bytes: usize) -> u32;

/// What the client gives a session that runs on the client's own thread.
#[derive(Debug)]
#[repr(C)]
pub struct Waker {
    /// Called with `context` from any thread when the session has something to do.
    pub wake: extern "C" fn(context: *const c_void),
    /// Called with `context` once, when no thread of the session calls `wake` any more.
    pub release: extern "C" fn(context: *const c_void),
    /// The client's own.
    pub context: *const c_void,
}

/// The name of the function that makes a session for the calling thread.
pub const OPEN_NAME: &CStr = c"napi_python_library_open";

/// Makes a session that runs on the calling thread when [`ResumeFunction`] is called. Takes the control
/// socket over, as [`ServeFunction`] does. Null if there is no memory for its stack.
pub type OpenFunction =
    unsafe extern "C" fn(control: c_int, stack_bytes: usize, waker: Waker) -> *mut c_void;

/// The name of the function that runs a session on the calling thread.
pub const RESUME_NAME: &CStr = c"napi_python_library_resume";

/// Runs a session that [`OpenFunction`] made until it waits, on the thread that made it, and returns
/// [`Resumed`] encoded. It may be called while the session runs no longer than that.
///
/// It takes the session, a call that the session is to make, and where the session puts a callback that
/// it makes. Either address may be null; they are used only until this returns.
pub type ResumeFunction = unsafe extern "C" fn(
    session: *mut c_void,
    call: *mut DirectCall,
    callback: *mut DirectCallback,
) -> u64;

/// The name of the function that frees a session.
pub const FREE_NAME: &CStr = c"napi_python_library_free";

/// Frees a session that has ended. Of one that has not, everything but its handle stays allocated.
pub type FreeFunction = unsafe extern "C" fn(session: *mut c_void);

/// How a session came back from [`ResumeFunction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It waits.
    Waiting(WaitLimit),
    /// It has ended.
    Ended(SessionEnd),
}

/// Above this, a number stands for an end.
const ENDED: u64 = 1 << 63;
/// A wait without a limit.
const UNLIMITED: u64 = ENDED - 1;
/// A wait whose limit is the one before.
const UNCHANGED: u64 = ENDED - 2;
/// The longest wait with a limit, in nanoseconds.
const LONGEST: u64 = ENDED - 3;

impl Resumed {
    /// The number that stands for it.
    pub fn encode(self) -> u64 {
        match self {
            Self::Waiting(WaitLimit::Unlimited) => UNLIMITED,
            Self::Waiting(WaitLimit::Unchanged) => UNCHANGED,
            Self::Waiting(WaitLimit::After(time)) => u64::try_from(time.as_nanos())
                .map_or(LONGEST, |nanoseconds| nanoseconds.min(LONGEST)),
            Self::Ended(end) => ENDED | u64::from(end.encode()),
        }
    }

    /// What a number stands for.
    pub fn decode(number: u64) -> Self {
        match number {
            UNLIMITED => Self::Waiting(WaitLimit::Unlimited),
            UNCHANGED => Self::Waiting(WaitLimit::Unchanged),
            ENDED.. => Self::Ended(SessionEnd::decode(
                u32::try_from(number ^ ENDED).unwrap_or(LOST),
            )),
            nanoseconds => Self::Waiting(WaitLimit::After(Duration::from_nanos(nanoseconds))),
        }
    }
}

/// How a session in the client's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client closed it: everything is torn down.
    Closed,
    /// It could not start, the client disconnected it, or one side broke the protocol.
    Lost,
    /// The addon called `process.exit` with this code.
    Exited(u8),
}

const CLOSED: u32 = 0;
const LOST: u32 = 1;
const EXITED: u32 = 0x100;

impl SessionEnd {
    /// The number that stands for it.
    pub fn encode(self) -> u32 {
        match self {
            Self::Closed => CLOSED,
            Self::Lost => LOST,
            Self::Exited(code) => EXITED | u32::from(code),
        }
    }

    /// What a number stands for; [`Self::Lost`] for one that is unknown.
    pub fn decode(number: u32) -> Self {
        match (number, u8::try_from(number ^ EXITED)) {
            (CLOSED, _) => Self::Closed,
            (_, Ok(code)) => Self::Exited(code),
            _ => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_survive_encoding() {
        for end in [
            SessionEnd::Closed,
            SessionEnd::Lost,
            SessionEnd::Exited(0),
            SessionEnd::Exited(255),
        ] {
            assert_eq!(SessionEnd::decode(end.encode()), end);
        }
        assert_eq!(SessionEnd::decode(0x200), SessionEnd::Lost);
    }

    #[test]
    fn what_a_session_waits_for_survives_encoding() {
        for resumed in [
            Resumed::Waiting(WaitLimit::Unlimited),
            Resumed::Waiting(WaitLimit::Unchanged),
            Resumed::Waiting(WaitLimit::After(Duration::ZERO)),
            Resumed::Waiting(WaitLimit::After(Duration::from_nanos(77))),
            Resumed::Ended(SessionEnd::Closed),
            Resumed::Ended(SessionEnd::Exited(3)),
        ] {
            assert_eq!(Resumed::decode(resumed.encode()), resumed);
        }
        let long = Resumed::Waiting(WaitLimit::After(Duration::MAX));
        let longest = WaitLimit::After(Duration::from_nanos(LONGEST));
        assert_eq!(Resumed::decode(long.encode()), Resumed::Waiting(longest));
    }
}
