//! The control plane after the handshake: packets on a byte stream, messages in them.
//!
//! `length u32 | kind u8 | payload`. A packet holds a message, a piece of a lane's bytes, or the
//! cancel word of a lane; the last two only if the session's carrier is the socket.

use std::io::{Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::confinement::{Bounds, Confinement, Mechanism};
use crate::error::{ProtocolError, Result, malformed, violation};
use crate::handshake::{HELLO_BYTES, Hello};
use crate::ids::{Generation, LaneNumber};
use crate::limits::{LimitKind, Limits};

/// Bytes of the largest packet on the control socket, without its length field.
pub const PACKET_BYTES: usize = 256 << 10;

/// Bytes before a packet's payload.
pub(crate) const PREFIX_BYTES: usize = 5;

const MESSAGE: u8 = 0;
const DATA: u8 = 1;
const CANCEL: u8 = 2;

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in Rust's log")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The settings of a session, the client's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "settings of their own")]
pub struct Setup {
    /// The generation that every frame carries.
    pub generation: Generation,
    /// The limits of both sides.
    pub limits: Limits,
    /// The addon's name, for the host's log.
    pub label: String,
    /// The level of the host's log.
    pub log: LogLevel,
    /// Whether the host serves other lanes while it waits for the answer to a request of its own.
    pub nested_threads: bool,
    /// Whether the addon's misuse of Node-API and what it never gives back are reported. Slow.
    pub debug: bool,
    /// Whether the functions of Node-API that ran last are kept for the report of a crash.
    pub keeps_calls: bool,
    /// The folder of the core file, if a crash is to leave one.
    pub core_folder: Option<Vec<u8>>,
    /// Whether the host is to measure what the client asks for, and collect figures for a profile.
    pub profile: bool,
    /// How the host is to confine itself before it is ready, if it is to.
    pub confinement: Option<Box<Confinement>>,
}

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// The session's settings; once, after the hellos.
    Setup(Setup),
    /// Tear down and exit.
    Shutdown,
    /// The memory file whose descriptor comes with this message has this number.
    MemoryFile(u32),
    /// No region names this memory file any more.
    ForgetMemoryFile(u32),
}

/// A message of the host.
#[expect(missing_docs, reason = "the names of the fields say it")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostMessage {
    /// It has confined itself, or failed to; once, in answer to a setup with a policy.
    Confined {
        applied: Vec<Mechanism>,
        /// What it may use up, if that could be limited.
        bounds: Option<Bounds>,
    },
    /// It serves; once, in answer to the setup.
    Ready {
        pid: u32,
        stack_bytes: u64,
        /// Whether it has mapped the memory for large buffers.
        shares_memory: bool,
    },
    /// It can't serve, and exits.
    Refused { message: String },
    /// A line of its log.
    Log {
        level: LogLevel,
        /// Which part of the host.
        target: String,
        message: String,
    },
    /// It has torn down in order and exits with 0. An exit without this is a crash.
    Goodbye,
}

/// A packet that was read.
#[expect(missing_docs, reason = "the names of the fields say it")]
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A message, to be decoded with [`decode_message`].
    Message(&'a [u8]),
    /// Bytes that a lane carries.
    Data { lane: LaneNumber, bytes: &'a [u8] },
    /// The cancel word of a lane.
    Cancel { lane: LaneNumber, word: u32 },
}

impl<'a> Packet<'a> {
    /// The length of a packet from its first five bytes.
    pub(crate) fn length(prefix: [u8; PREFIX_BYTES]) -> Result<(usize, u8)> {
        let [a, b, c, d, kind] = prefix;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > PACKET_BYTES {
            return violation("a packet that is too large");
        }
        Ok((length, kind))
    }

    /// The message in a packet that comes before the session has begun.
    pub(crate) fn message<T: DeserializeOwned>(self) -> Result<T> {
        match self {
            Packet::Message(payload) => decode_message(payload),
            Packet::Data { .. } | Packet::Cancel { .. } => {
                violation("data before the session has begun")
            }
        }
    }

    /// Reads a packet's payload.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self> {
        let lane = |low, high| {
            LaneNumber::new(u16::from_le_bytes([low, high]).into())
                .ok_or(ProtocolError::violation("a lane that does not exist"))
        };
        match (kind, payload) {
            (MESSAGE, message) => Ok(Self::Message(message)),
            (DATA, [a, b, bytes @ ..]) => Ok(Self::Data {
                lane: lane(*a, *b)?,
                bytes,
            }),
            (CANCEL, [a, b, word @ ..]) if let Ok(word) = word.try_into() => Ok(Self::Cancel {
                lane: lane(*a, *b)?,
                word: u32::from_le_bytes(word),
            }),
            _ => malformed("an unknown kind of packet", 4),
        }
    }
}

/// Decodes a message.
pub fn decode_message<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    match codec::get_message(payload) {
        Some((message, used)) if used == payload.len() => Ok(message),
        _ => malformed("a control message that can't be decoded", 0),
    }
}

/// Appends a packet with a message.
pub fn encode_message<T: Serialize>(out: &mut Vec<u8>, message: &T) -> Result {
    encode(out, MESSAGE, |out| codec::put_message(out, message))
}

/// Bytes of the lane's number, with which the payload of a packet with a lane's bytes begins.
pub(crate) const LANE_BYTES: usize = 2;

/// How many of a lane's bytes go into one packet.
pub(crate) const DATA_BYTES: usize = PACKET_BYTES - LANE_BYTES;

/// What comes before `length` bytes of a lane in their packet: at most [`DATA_BYTES`].
pub(crate) fn data_prefix(lane: LaneNumber, length: usize) -> [u8; PREFIX_BYTES + LANE_BYTES] {
    let length = u32::try_from(LANE_BYTES + length).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_le_bytes();
    let [low, high] = u16::from(lane.number()).to_le_bytes();
    [a, b, c, d, DATA, low, high]
}

/// A packet with the cancel word of a lane.
pub(crate) fn cancel_packet(lane: LaneNumber, word: u32) -> [u8; PREFIX_BYTES + 6] {
    let [low, high] = u16::from(lane.number()).to_le_bytes();
    let [a, b, c, d] = word.to_le_bytes();
    [6, 0, 0, 0, CANCEL, low, high, a, b, c, d]
}

fn encode(out: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>) -> bool) -> Result {
    let start = out.len();
    codec::put(out, (0_u32, kind));
    let written = payload(out);
    let length = out.len() - start - PREFIX_BYTES;
    match u32::try_from(length) {
        Ok(field) if written && length <= PACKET_BYTES => {
            out[start..start + 4].copy_from_slice(&field.to_le_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(ProtocolError::beyond(
                LimitKind::MessageBytes,
                PACKET_BYTES as u64,
            ))
        }
    }
}

/// Reads the hello of the other side from a blocking stream. Does not check the version.
pub fn read_hello(stream: &mut impl Read) -> Result<Hello> {
    let mut bytes = [0; HELLO_BYTES];
    stream
        .read_exact(&mut bytes)
        .map_err(|error| end_or(error, "cannot read the handshake"))?;
    Hello::decode(&bytes)
}

/// Writes one message to a blocking stream.
pub fn write_message<T: Serialize>(stream: &mut impl Write, message: &T) -> Result {
    let mut packet = Vec::new();
    encode_message(&mut packet, message)?;
    stream
        .write_all(&packet)
        .map_err(|error| ProtocolError::Io {
            what: "cannot write to the control socket",
            error,
        })
}

/// Reads one message from a blocking stream, and no byte beyond it.
pub fn read_message<T: DeserializeOwned>(stream: &mut impl Read) -> Result<T> {
    let io = |error| end_or(error, "cannot read from the control socket");
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix).map_err(io)?;
    let (length, kind) = Packet::length(prefix)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).map_err(io)?;
    Packet::decode(kind, &payload)?.message()
}

/// Maps every error by which the system reports the end of the stream to [`ProtocolError::Disconnected`].
pub(crate) fn end_or(error: std::io::Error, what: &'static str) -> ProtocolError {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => ProtocolError::Disconnected,
        _ => ProtocolError::Io { what, error },
    }
}
