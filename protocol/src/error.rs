//! Errors between the two sides, grouped by what the caller can do about them.

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::LimitKind;

/// The connection is unusable, or this message can't be sent or understood.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum ProtocolError {
    /// The other side is gone.
    #[error("the peer closed the connection")]
    Disconnected,
    /// The other side sent bytes that can't be decoded. The connection can't be used any more.
    #[error("the peer sent a malformed message: {what} (at byte {at})")]
    Malformed {
        what: &'static str,
        /// The offset in the block that was read.
        at: usize,
    },
    /// The other side sent what it may not send now. The connection can't be used any more.
    #[error("protocol violation by the peer: {what}")]
    Violation { what: &'static str },
    /// A message exceeds a limit. Nothing of it was sent, or nothing of it is used.
    #[error("{found} {} exceed the limit of {limit}{}", kind.what(), kind.option())]
    Limit {
        kind: LimitKind,
        limit: u64,
        /// What was found; with a count that is only begun, the first number that is too high.
        found: u64,
    },
    /// There is no memory for a message. Nothing of it was sent, or nothing of it is used.
    #[error("out of memory: a message needs {bytes} more bytes")]
    Memory { bytes: usize },
    /// The two sides are of different versions.
    #[error(
        "protocol versions differ: {ours} here, {theirs} in the peer ({build}); \
         install client and host from the same release"
    )]
    Version {
        ours: u32,
        theirs: u32,
        build: String,
    },
    /// The other side did not answer in time.
    #[error("the peer did not {what} before the deadline")]
    Timeout { what: &'static str },
    /// The waiting side's own [`crate::carrier::Idle`] ended the wait.
    #[error("the wait was interrupted")]
    Interrupted,
    /// The operating system refused.
    #[error("{what}: {error}")]
    Io {
        what: &'static str,
        /// Why it failed. Not a `source`: the message contains it already.
        error: io::Error,
    },
}

impl ProtocolError {
    /// Bytes that can't be decoded.
    pub const fn malformed(what: &'static str, at: usize) -> Self {
        Self::Malformed { what, at }
    }

    /// A message that breaks the rules of the conversation.
    pub const fn violation(what: &'static str) -> Self {
        Self::Violation { what }
    }

    /// A message that exceeds a limit.
    pub fn limit(kind: LimitKind, limit: impl Into<u64>, found: impl Into<u64>) -> Self {
        Self::Limit {
            kind,
            limit: limit.into(),
            found: found.into(),
        }
    }

    /// A message that exceeds a limit by one, or by a number that was not counted.
    pub fn beyond(kind: LimitKind, limit: impl Into<u64>) -> Self {
        let limit = limit.into();
        Self::limit(kind, limit, limit + 1)
    }

    /// Whether the connection is lost with this error, and not only the message.
    pub const fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::Limit { .. } | Self::Memory { .. } | Self::Interrupted
        )
    }
}

/// Result of everything in this crate that can fail.
pub type Result<T = (), E = ProtocolError> = std::result::Result<T, E>;

/// Fails with [`ProtocolError::malformed`].
pub(crate) const fn malformed<T>(what: &'static str, at: usize) -> Result<T> {
    Err(ProtocolError::malformed(what, at))
}

/// Fails with [`ProtocolError::violation`].
pub(crate) const fn violation<T>(what: &'static str) -> Result<T> {
    Err(ProtocolError::violation(what))
}

/// Why the other side refused or failed a request, when it is not a thrown value.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum RemoteError {
    /// The addon can't be loaded.
    #[error("{message}")]
    Load {
        /// What is wrong and what to do.
        message: String,
        /// The message of the dynamic linker, or empty.
        detail: String,
    },
    /// The other side does not support this call, or this kind of value in it.
    #[error("{0}")]
    Unsupported(String),
    /// The call was cancelled by its caller.
    #[error("the call was cancelled")]
    Cancelled,
    /// A limit of the other side was exceeded.
    #[error("{0}")]
    Limit(String),
    /// The other side refused, or has a defect.
    #[error("{0}")]
    Host(String),
    /// The object with this id does not exist, or no longer.
    #[error("object {0} does not exist in this host, or has been released")]
    Stale(u32),
}
