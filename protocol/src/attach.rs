//! The messages by which a client attaches to `napi-hostd serve`, before the session's handshake.
//!
//! The client sends an attach request: `magic "NAPIDOOR" | version u8 | carrier u8 | crash page u8 |
//! zero u8`, with these descriptors, in this order: for the addon's output, for its errors, for the
//! server's messages (the status pipe), the shared lanes if the carrier is those, the crash page if
//! there is one. From then on the connection is the session's.
//!
//! The server writes to the status pipe: `process u32` at the start, and at the end `signal u32 |
//! code u32`, one of them zero, `user u64 | system u64`, the processor time in microseconds, and
//! `peak u64`, the most bytes of memory at a time, zero if that is not known. If it refuses, it closes
//! the status pipe and writes to the connection: `magic | version u8 | zero u8 x3 | length u32 |
//! text`. Little endian. No I/O here.

use std::time::Duration;

use crate::control::CarrierKind;
use crate::error::{ProtocolError, Result};

const MAGIC: &[u8; 8] = b"NAPIDOOR";
const VERSION: u8 = 2;

/// Bytes of an attach request.
pub const ATTACH_BYTES: usize = 12;
/// Bytes of a refusal before its text.
pub const REFUSAL_BYTES: usize = 16;
/// Bytes of the process number in the status pipe.
pub const PROCESS_BYTES: usize = 4;
/// Bytes of a [`ProcessExit`] in the status pipe.
pub const STATUS_BYTES: usize = 32;
/// The longest text of a refusal, in bytes.
pub const TEXT_BYTES: usize = 1024;
/// The largest number of descriptors of an attach request.
pub const DESCRIPTORS: usize = 5;

/// How a client attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// Where the frames travel.
    pub carrier: CarrierKind,
    /// Whether there is a page for the record of a crash.
    pub crash_page: bool,
}

impl AttachRequest {
    /// The request as it travels.
    pub fn encode(self) -> [u8; ATTACH_BYTES] {
        let mut bytes = [0; ATTACH_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = VERSION;
        bytes[9] = u8::from(self.carrier == CarrierKind::Socket);
        bytes[10] = u8::from(self.crash_page);
        bytes
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8; ATTACH_BYTES]) -> Result<Self> {
        let flag = |byte| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ProtocolError::malformed(
                "an attach request of another version",
                9,
            )),
        };
        if !bytes.starts_with(MAGIC) || bytes[8] != VERSION || bytes[11] != 0 {
            let what = "an attach request of an unknown version";
            return Err(ProtocolError::malformed(what, 0));
        }
        Ok(Self {
            carrier: if flag(bytes[9])? {
                CarrierKind::Socket
            } else {
                CarrierKind::Lanes
            },
            crash_page: flag(bytes[10])?,
        })
    }

    /// How many descriptors are sent with it.
    pub fn descriptors(self) -> usize {
        3 + usize::from(self.carrier == CarrierKind::Lanes) + usize::from(self.crash_page)
    }
}

/// Encodes a refusal and its reason.
pub fn refuse(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(TEXT_BYTES)];
    let mut bytes = Vec::with_capacity(REFUSAL_BYTES + text.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(text);
    bytes
}

/// Reads the fixed part of a refusal: the length of its text.
pub fn decode_refusal(bytes: &[u8; REFUSAL_BYTES]) -> Result<usize> {
    if !bytes.starts_with(MAGIC) || bytes[8] != VERSION {
        let what = "no napi-hostd serve of this version at the other end";
        return Err(ProtocolError::malformed(what, 0));
    }
    let length = word(bytes, REFUSAL_BYTES - 4) as usize;
    if length > TEXT_BYTES {
        return Err(ProtocolError::malformed(
            "a refusal longer than the limit",
            12,
        ));
    }
    Ok(length)
}

/// How a process ended, and what it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessExit {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory it had at a time, in bytes, if known.
    pub peak_memory: Option<u64>,
}

impl ProcessExit {
    /// The record as it travels.
    pub fn encode(&self) -> [u8; STATUS_BYTES] {
        let time = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut bytes = [0; STATUS_BYTES];
        bytes[..4].copy_from_slice(&self.signal.unwrap_or(0).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.exit_code.unwrap_or(0).to_le_bytes());
        bytes[8..16].copy_from_slice(&time(self.user).to_le_bytes());
        bytes[16..24].copy_from_slice(&time(self.system).to_le_bytes());
        bytes[24..].copy_from_slice(&self.peak_memory.unwrap_or(0).to_le_bytes());
        bytes
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8; STATUS_BYTES]) -> Self {
        let long = |place| u64::from(word(bytes, place)) | u64::from(word(bytes, place + 4)) << 32;
        let signal = word(bytes, 0).cast_signed();
        Self {
            signal: (signal != 0).then_some(signal),
            exit_code: (signal == 0).then(|| word(bytes, 4).cast_signed()),
            user: Duration::from_micros(long(8)),
            system: Duration::from_micros(long(16)),
            peak_memory: Some(long(24)).filter(|peak| *peak != 0),
        }
    }
}

/// The number at a place inside the bytes.
fn word(bytes: &[u8], place: usize) -> u32 {
    bytes[place..place + 4]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}
