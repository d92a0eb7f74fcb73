//! Bodies of calls that are records and not values: encoded by serde, in one piece.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{ProtocolError, Result, malformed};
use crate::limits::LimitKind;
use crate::value::{ValueReader, ValueWriter};

/// Bytes of the largest message.
pub const MESSAGE_BYTES: usize = codec::MESSAGE_BYTES;

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadRequest {
    /// An addon.
    Addon {
        /// The file, as the bytes of its path.
        path: Vec<u8>,
    },
    /// What `require(name)` returns in a module of a folder.
    Module {
        /// The name of a package, or the path of a module.
        name: String,
        /// The folder.
        folder: String,
    },
    /// Nothing: what is needed is loaded later.
    Nothing {
        /// The folder from which scripts import.
        folder: String,
    },
}

/// What an object or a class of the host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// A `HostKind` code.
    pub kind: u8,
    /// The name of the function or class, or of the object's class.
    pub name: String,
    /// The class id that lent instances carry (of a class: that of its instances), or zero.
    pub class_id: u32,
    /// Names along the prototypes whose values are functions.
    pub methods: Vec<String>,
    /// Names along the prototypes that are accessors.
    pub accessors: Vec<String>,
    /// The `length` of a function: how many arguments it expects.
    pub length: u32,
}

/// Counters of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStats {
    /// Objects of the host that the client holds.
    pub lent: u64,
    /// Objects of the client that the host holds.
    pub received: u64,
    /// Calls served so far.
    pub calls: u64,
    /// Callbacks requested so far.
    pub callbacks: u64,
    /// Calls of threadsafe functions that were made and not delivered yet.
    pub queued_events: u64,
    /// Bytes that the engine has allocated.
    pub engine_bytes: u64,
    /// Objects in the engine.
    pub engine_objects: u64,
    /// Bytes of buffers that lie in shared memory.
    pub shared_bytes: u64,
    /// Bytes of shared memory that are kept for later buffers.
    pub retained_bytes: u64,
}

/// Appends a message to a body.
pub fn write<T: Serialize>(body: &mut ValueWriter<'_>, message: &T) -> Result {
    let mut bytes = Vec::new();
    if !codec::put_message(&mut bytes, message) {
        return Err(too_large());
    }
    body.put_u32(u32::try_from(bytes.len()).map_err(|_| too_large())?);
    body.put_bytes(&bytes)
}

/// Reads a message from a body.
pub fn read<T: DeserializeOwned>(body: &mut ValueReader<'_>) -> Result<T> {
    let at = body.position();
    let length = body.take_count(1)?;
    let bytes = body.take_bytes(length as usize)?;
    check_memory(bytes.len())?;
    match codec::get_message(bytes) {
        Some((message, used)) if used == bytes.len() => Ok(message),
        _ => malformed("a message that can't be decoded", at),
    }
}

/// Checks that there is memory to decode so many bytes: the decoder can't report that there is none.
/// Short messages are not checked.
fn check_memory(bytes: usize) -> Result {
    const SHORT: usize = 16 << 10;
    /// The header of a string in memory is three times as large as in a message.
    const GROWTH: usize = 4;
    if bytes <= SHORT {
        return Ok(());
    }
    let bytes = bytes * GROWTH;
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
    reserved.map_err(|_| ProtocolError::Memory { bytes })
}

fn too_large() -> ProtocolError {
    ProtocolError::beyond(LimitKind::MessageBytes, MESSAGE_BYTES as u64)
}
