//! The handshake of a session, in a layout that every version can decode.
//!
//! `magic "NAPIHOSTD" | protocol u32 | length u8 | build text, 64 bytes`, little endian. Each
//! side sends it first, the client as the beginning of its handover, and nothing else before it has
//! read the other's. No I/O here.
//!
//! Upholds I-7.

use crate::codec::Source;
use crate::error::{ProtocolError, Result, malformed};

/// The protocol version of this build. Raised with every change that an older build can't decode; the
/// test `fingerprint` fails otherwise.
pub const PROTOCOL: u32 = 10;

/// Bytes of a hello.
pub const HELLO_BYTES: usize = MAGIC.len() + 4 + 1 + BUILD_BYTES;

const MAGIC: &[u8; 9] = b"NAPIHOSTD";
const BUILD_BYTES: usize = 64;

/// The hello of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its protocol version.
    pub protocol: u32,
    /// Its build, for messages: printable ASCII.
    pub build: String,
}

impl Hello {
    /// The hello of this build.
    pub fn ours() -> Self {
        Self {
            protocol: PROTOCOL,
            build: concat!("napi-hostd ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// The hello as it travels; a long build text is cut.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        let (protocol, rest) = rest.split_at_mut(4);
        protocol.copy_from_slice(&self.protocol.to_le_bytes());
        let build: Vec<u8> = self
            .build
            .bytes()
            .filter(|byte| is_printable(*byte))
            .take(BUILD_BYTES)
            .collect();
        rest[0] = u8::try_from(build.len()).unwrap_or(0);
        rest[1..=build.len()].copy_from_slice(&build);
        bytes
    }

    /// Reads a hello of any version.
    pub fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Self> {
        let mut source = Source::new(bytes);
        if source.bytes(MAGIC.len()) != Some(MAGIC) {
            return malformed("no napi-hostd at the other end", 0);
        }
        let (protocol, length) = source.get::<(u32, u8)>().unwrap_or_default();
        let Some(build) = source.rest().get(..length.into()) else {
            return malformed("a build text that is too long", MAGIC.len() + 4);
        };
        let build = build
            .iter()
            .filter(|byte| is_printable(**byte))
            .map(|byte| char::from(*byte));
        Ok(Self {
            protocol,
            build: build.collect(),
        })
    }

    /// Checks that the other side has our protocol version.
    pub fn check(&self) -> Result {
        if self.protocol == PROTOCOL {
            Ok(())
        } else {
            Err(ProtocolError::Version {
                ours: PROTOCOL,
                theirs: self.protocol,
                build: self.build.clone(),
            })
        }
    }
}

const fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}
