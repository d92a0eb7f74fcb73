//! The interface of the library that runs sessions inside of the client's process: C functions that the
//! client looks up by name. Both come in one package; [`VERSION`] finds out if they do not.

use std::ffi::{CStr, c_int};

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
}
