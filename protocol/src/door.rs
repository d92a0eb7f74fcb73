//! What is said at the door of `napi-hostd serve`, before the session's own first words.
//!
//! The client knocks: `magic "NAPIDOOR" | version u8 | carrier u8 | crash page u8 | zero u8`, and
//! with these bytes go descriptors, in this order: where the addon's output and its errors go,
//! where the server writes how the process ended, the shared lanes if the carrier is those, the
//! crash page if there is one. From then on the connection is the session's; what the server has to
//! say goes through the pipe: `process u32`, and at its end `signal u32 | code u32`, one of them
//! zero, and what it used: `user u64 | system u64`, in microseconds, and `peak u64`, the bytes of
//! memory it had at most, zero if that is not known. A refusal closes the pipe and is said on the connection: `magic | version u8 | zero u8 x3 |
//! length u32 | text`. Little endian. No I/O here.

use std::time::Duration;

use crate::control::CarrierKind;
use crate::error::{ProtocolError, Result};

const MAGIC: &[u8; 8] = b"NAPIDOOR";
const VERSION: u8 = 2;

/// Bytes of a knock.
pub const KNOCK_BYTES: usize = 12;
/// Bytes of a refusal before its text.
pub const REFUSAL_BYTES: usize = 16;
/// Bytes of the word on which process it is.
pub const PROCESS_BYTES: usize = 4;
/// Bytes of the word on how a process ended.
pub const STATUS_BYTES: usize = 32;
/// The longest text of a refusal.
pub const TEXT_BYTES: usize = 1024;
/// The most descriptors that go with a knock.
pub const DESCRIPTORS: usize = 5;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Where the frames travel.
    pub carrier: CarrierKind,
    /// Whether there is a page for the record of a crash.
    pub crash_page: bool,
}

impl Knock {
    /// The knock as it travels.
    pub fn encode(self) -> [u8; KNOCK_BYTES] {
        let mut bytes = [0; KNOCK_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = VERSION;
        bytes[9] = u8::from(self.carrier == CarrierKind::Socket);
        bytes[10] = u8::from(self.crash_page);
        bytes
    }

    /// Reads a knock.
    pub fn decode(bytes: &[u8; KNOCK_BYTES]) -> Result<Self> {
        let flag = |byte| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ProtocolError::malformed(
                "an attach request of another version",
                9,
            )),
        };
        if !bytes.starts_with(MAGIC) || bytes[8] != VERSION || bytes[11] != 0 {
            let what = "a knock that this version does not know";
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

    /// How many descriptors go with it.
    pub fn descriptors(self) -> usize {
        3 + usize::from(self.carrier == CarrierKind::Lanes) + usize::from(self.crash_page)
    }
}

/// The answer that there will be no process, and why.
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
pub struct Remains {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it exited with.
    pub exit_code: Option<i32>,
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory it had at a time, in bytes, if that is known.
    pub peak_memory: Option<u64>,
}

impl Remains {
    /// Them as they travel.
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

    /// Reads them.
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

/// The number at a place that is inside.
fn word(bytes: &[u8], place: usize) -> u32 {
    bytes[place..place + 4]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knock_survives_the_way_and_counts_its_descriptors() {
        for (carrier, crash_page, count) in [
            (CarrierKind::Lanes, true, 5),
            (CarrierKind::Lanes, false, 4),
            (CarrierKind::Socket, false, 3),
        ] {
            let knock = Knock {
                carrier,
                crash_page,
            };
            assert_eq!(Knock::decode(&knock.encode()).unwrap(), knock);
            assert_eq!(knock.descriptors(), count);
        }
    }

    #[test]
    fn strange_knocks_are_refused() {
        let good = Knock {
            carrier: CarrierKind::Lanes,
            crash_page: true,
        }
        .encode();
        for place in 0..KNOCK_BYTES {
            let mut bytes = good;
            bytes[place] ^= 0x80;
            assert!(Knock::decode(&bytes).is_err(), "{place}");
        }
    }

    #[test]
    fn refusals_are_read_and_long_ones_are_refused() {
        let refusal = refuse("no");
        let head: [u8; REFUSAL_BYTES] = refusal[..REFUSAL_BYTES].try_into().unwrap();
        assert_eq!(decode_refusal(&head).unwrap(), 2);
        let mut long = head;
        long[14] = 1;
        assert!(decode_refusal(&long).is_err());
        assert!(decode_refusal(&[0; REFUSAL_BYTES]).is_err());
    }

    #[test]
    fn remains_survive_the_way() {
        let killed = Remains {
            signal: Some(11),
            user: Duration::from_micros(u64::from(u32::MAX) + 7),
            peak_memory: Some(5 << 32),
            ..Remains::default()
        };
        let exited = Remains {
            exit_code: Some(0),
            system: Duration::from_secs(1),
            ..Remains::default()
        };
        for remains in [killed, exited] {
            assert_eq!(Remains::decode(&remains.encode()), remains);
        }
    }
}
