//! The layout of a record.
//!
//! `magic "NAPI-REC" | format u32 | protocol u32 | length u32 | head`, then the entries, little endian:
//! `kind u8 | zero u8 | lane u16 | name u32 | stored u32 | whole u32 | time u64`, then the name and the stored
//! bytes. `whole` is what was to be stored: more than `stored` if values are left out.

use std::time::Duration;

/// What a record begins with.
pub(super) const MAGIC: &[u8; 8] = b"NAPI-REC";
/// The version of this layout.
pub(super) const FORMAT: u32 = 1;
/// Bytes before the head.
pub(super) const PREFIX_BYTES: usize = MAGIC.len() + 12;
/// Bytes of an entry before its name.
pub(super) const ENTRY_BYTES: usize = 24;
/// Bytes of the longest name of a call that is stored.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// A frame to the host, written before it is sent.
    ToHost = 1,
    /// A frame from the host, written when it was received.
    FromHost = 2,
    /// A notice of the host, which belongs to no call.
    Notice = 3,
    /// The recording stopped here, for the reason that is stored.
    Stopped = 4,
    /// How the host ended, a [`RecordEnd`](super::RecordEnd).
    End = 5,
}

impl EntryKind {
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::ToHost,
            2 => Self::FromHost,
            3 => Self::Notice,
            4 => Self::Stopped,
            5 => Self::End,
            _ => return None,
        })
    }
}

/// One entry, as it lies in the bytes of a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordEntry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// The lane of the frame.
    pub lane: u16,
    /// When it was written, since the start of the host.
    pub time: Duration,
    /// The exported function that is called, if the caller has named it.
    pub name: &'a [u8],
    /// Bytes that there were.
    pub whole: u32,
    /// Bytes that are stored: of a frame its header and its body.
    pub bytes: &'a [u8],
}

/// The beginning of an entry.
pub(super) fn entry_head(
    kind: EntryKind,
    lane: u16,
    lengths: (usize, usize, usize),
    time: Duration,
) -> [u8; ENTRY_BYTES] {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let (name, stored, whole) = lengths;
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut head = [0; ENTRY_BYTES];
    head[0] = kind as u8;
    head[2..4].copy_from_slice(&lane.to_le_bytes());
    head[4..8].copy_from_slice(&length(name));
    head[8..12].copy_from_slice(&length(stored));
    head[12..16].copy_from_slice(&length(whole));
    head[16..24].copy_from_slice(&nanoseconds.to_le_bytes());
    head
}
