//! Errors between the two sides, grouped by what the caller can do about them.

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::SlotId;
use crate::limits::LimitKind;
use crate::value::{Token, ValueReader, ValueWriter};

/// The connection is unusable, or this message can't be sent or understood.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The other side is gone.
    #[error("the peer closed the connection")]
    Disconnected,
    /// The other side sent bytes that can't be decoded. The connection can't be used any more.
    #[error("the peer sent a malformed message: {what} (at byte {at})")]
    Malformed {
        /// What was expected, or found.
        what: &'static str,
        /// The offset in the block that was read.
        at: usize,
    },
    /// The other side sent what it may not send now. The connection can't be used any more.
    #[error("protocol violation by the peer: {what}")]
    Violation {
        /// The rule that was broken.
        what: &'static str,
    },
    /// A message exceeds a limit. Nothing of it was sent, or nothing of it is used.
    #[error("{found} {} exceed the limit of {limit}{}", kind.what(), kind.option())]
    Limit {
        /// The limit.
        kind: LimitKind,
        /// Its value.
        limit: u64,
        /// What was found; with a count that is only begun, the first number that is too high.
        found: u64,
    },
    /// There is no memory for a message. Nothing of it was sent, or nothing of it is used.
    #[error("out of memory: a message needs {bytes} more bytes")]
    Memory {
        /// The bytes that were requested.
        bytes: usize,
    },
    /// The two sides are of different versions.
    #[error(
        "protocol versions differ: {ours} here, {theirs} in the peer ({build}); \
         install client and host from the same release"
    )]
    Version {
        /// Our protocol.
        ours: u32,
        /// The other side's protocol.
        theirs: u32,
        /// The other side's build.
        build: String,
    },
    /// The other side did not answer in time.
    #[error("the peer did not {what} before the deadline")]
    Timeout {
        /// What it should have done.
        what: &'static str,
    },
    /// The waiting side's own [`crate::carrier::Idle`] ended the wait.
    #[error("the wait was interrupted")]
    Interrupted,
    /// The operating system refused.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed. Not a `source`: the message contains it already.
        error: io::Error,
    },
}

impl ProtocolError {
    pub(crate) const fn malformed(what: &'static str, at: usize) -> Self {
        Self::Malformed { what, at }
    }

    /// A message that breaks the rules of the conversation.
    pub const fn violation(what: &'static str) -> Self {
        Self::Violation { what }
    }

    pub(crate) fn limit(kind: LimitKind, limit: impl Into<u64>, found: impl Into<u64>) -> Self {
        Self::Limit {
            kind,
            limit: limit.into(),
            found: found.into(),
        }
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

/// The class byte of a Failure whose body is a thrown value.
const THROWN: u8 = 0;
const LOAD: u8 = 1;
const UNSUPPORTED: u8 = 2;
const CANCELLED: u8 = 3;
const LIMIT: u8 = 4;
const HOST: u8 = 5;
const STALE: u8 = 6;

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

/// The body of a Failure frame, decoded up to the thrown value.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// A value was thrown: it is the next value of the reader.
    Thrown,
    /// Anything else; the body is read to its end.
    Remote(RemoteError),
}

impl Failure {
    /// Begins the body of a Failure frame for a thrown value, which the caller writes next.
    pub fn write_thrown(out: &mut ValueWriter<'_>) {
        out.put_u8(THROWN);
    }

    /// Writes the body of a Failure frame.
    pub fn write(out: &mut ValueWriter<'_>, error: &RemoteError) -> Result {
        match error {
            RemoteError::Load { message, detail } => {
                out.put_u8(LOAD);
                out.str(message)?;
                out.str(detail)
            }
            RemoteError::Unsupported(text) => {
                out.put_u8(UNSUPPORTED);
                out.str(text)
            }
            RemoteError::Cancelled => {
                out.put_u8(CANCELLED);
                Ok(())
            }
            RemoteError::Limit(text) => {
                out.put_u8(LIMIT);
                out.str(text)
            }
            RemoteError::Host(text) => {
                out.put_u8(HOST);
                out.str(text)
            }
            RemoteError::Stale(id) => {
                out.put_u8(STALE);
                out.put_u32(*id);
                Ok(())
            }
        }
    }

    /// Reads the body of a Failure frame.
    pub fn read(body: &mut ValueReader<'_>) -> Result<Self> {
        let at = body.position();
        let error = match body.take_u8()? {
            THROWN => return Ok(Self::Thrown),
            LOAD => RemoteError::Load {
                message: text(body)?,
                detail: text(body)?,
            },
            UNSUPPORTED => RemoteError::Unsupported(text(body)?),
            CANCELLED => RemoteError::Cancelled,
            LIMIT => RemoteError::Limit(text(body)?),
            HOST => RemoteError::Host(text(body)?),
            STALE => RemoteError::Stale(body.take_u32()?),
            _ => return Err(ProtocolError::malformed("an unknown class of failure", at)),
        };
        body.finish()?;
        Ok(Self::Remote(error))
    }
}

/// Text of the other side that ends up in a message is capped at this many bytes.
const TEXT_BYTES: usize = 64 << 10;

fn text(body: &mut ValueReader<'_>) -> Result<String> {
    let at = body.position();
    match body.next()? {
        Token::Str(text) => Ok(capped(text)),
        Token::Str16(units) => {
            // A unit takes at most three bytes.
            let units: Vec<u16> = units.iter().take(TEXT_BYTES / 3).collect();
            Ok(capped(&String::from_utf16_lossy(&units)))
        }
        _ => Err(ProtocolError::malformed("expected a text", at)),
    }
}

fn capped(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

impl From<SlotId> for RemoteError {
    /// The object is not there.
    fn from(id: SlotId) -> Self {
        Self::Stale(id.get())
    }
}
