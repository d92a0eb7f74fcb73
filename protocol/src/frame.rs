//! Frames: a header of sixteen bytes and a body. Pure functions, no I/O.
//!
//! `body_len u32 | kind u8 | flags u8 | number u16 | call u32 | generation u32`, little endian.

use std::ops::BitOr;

use crate::codec::{self, Source};
use crate::error::{ProtocolError, Result};
use crate::ids::{CallId, Generation};
use crate::lent::Release;
use crate::limits::{LimitKind, Limits};
use crate::value::{ValueReader, ValueWriter};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;

/// What a frame is in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Asks for a reply.
    Request = 1,
    /// Answers the innermost open request.
    Reply = 2,
    /// Answers the innermost open request: it failed.
    Failure = 3,
    /// Asks for nothing.
    Notice = 4,
}

/// What a body begins with, and what became of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing before the body proper.
    pub const NONE: Self = Self(0);
    /// A release block.
    pub const RELEASES: Self = Self(1);
    /// A write-back block, after the release block if there is one.
    pub const WRITE_BACK: Self = Self(2);
    /// Of a failure: the request was not read beyond its release block, so nothing that it lent was
    /// received.
    pub const UNREAD: Self = Self(4);

    const ALL: u8 = 7;

    /// Whether all of these are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes that follow.
    pub body_len: u32,
    /// What the frame is.
    pub kind: FrameKind,
    /// What the body begins with.
    pub flags: Flags,
    /// The number of the call; a reply repeats it. Not checked here: an unknown one is answered.
    pub number: u16,
    /// The id of the request, chosen by the requester.
    pub call: CallId,
    /// The generation of the host.
    pub generation: Generation,
}

impl Header {
    /// The header as it travels.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = self.flags.0;
        bytes[6..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.call.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes
    }

    /// Reads and checks a header: `bytes` is a private copy.
    #[inline]
    pub fn decode(
        bytes: &[u8; HEADER_BYTES],
        generation: Generation,
        limits: &Limits,
    ) -> Result<Self> {
        let mut source = Source::new(bytes);
        let (Some((body_len, kind, flags)), Some((number, call, theirs))) = (
            source.get::<(u32, u8, u8)>(),
            source.get::<(u16, u32, u32)>(),
        ) else {
            return Err(ProtocolError::malformed("a short header", 0));
        };
        let kind = match kind {
            1 => FrameKind::Request,
            2 => FrameKind::Reply,
            3 => FrameKind::Failure,
            4 => FrameKind::Notice,
            _ => return Err(ProtocolError::malformed("an unknown kind of frame", 4)),
        };
        if flags & !Flags::ALL != 0 {
            return Err(ProtocolError::malformed("unknown flags of a frame", 5));
        }
        if theirs != generation.0 {
            return Err(ProtocolError::violation(
                "a frame of another generation of the host",
            ));
        }
        if body_len > limits.frame_bytes {
            return Err(ProtocolError::violation(
                "a frame beyond the limit of the session",
            ));
        }
        Ok(Self {
            body_len,
            kind,
            flags: Flags(flags),
            number,
            call: CallId(call),
            generation: Generation(theirs),
        })
    }
}

/// A frame that is being written: header space first, the body appended, the header patched in.
/// One builder is used again and again, so that a call allocates nothing.
#[derive(Debug)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    kind: FrameKind,
    flags: Flags,
    number: u16,
    limits: Limits,
}

/// A builder that has held a larger frame gives the memory back.
const KEPT_BYTES: usize = 1 << 20;

impl FrameBuilder {
    /// An empty builder.
    pub fn new(limits: Limits) -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            kind: FrameKind::Notice,
            flags: Flags::NONE,
            number: 0,
            limits,
        }
    }

    /// Begins a frame; whatever was there is forgotten.
    #[inline]
    pub fn start(&mut self, kind: FrameKind, number: u16) {
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::with_capacity(HEADER_BYTES);
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        self.kind = kind;
        self.flags = Flags::NONE;
        self.number = number;
    }

    /// Writes the release block. Comes first, at most once; without any entry there is none.
    pub fn releases(&mut self, entries: impl IntoIterator<Item = Release>) {
        let start = self.bytes.len();
        let mut count = 0_u32;
        codec::put(&mut self.bytes, count);
        for entry in entries {
            let fields = (entry.id.get(), entry.received, entry.returned);
            codec::put(&mut self.bytes, fields);
            count += 1;
        }
        if count == 0 {
            self.bytes.truncate(start);
        } else {
            self.bytes[start..start + 4].copy_from_slice(&count.to_le_bytes());
            self.flags = self.flags | Flags::RELEASES;
        }
    }

    /// Says that a write-back block comes next.
    pub fn write_back(&mut self) {
        self.flags = self.flags | Flags::WRITE_BACK;
    }

    /// Says that the request that this answers was not read.
    pub fn unread(&mut self) {
        self.flags = self.flags | Flags::UNREAD;
    }

    /// A writer for what comes next in the body.
    #[inline]
    pub fn body(&mut self) -> ValueWriter<'_> {
        ValueWriter::new(&mut self.bytes, &self.limits)
    }

    /// The body so far, to append to.
    pub fn body_bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// [`Self::finish`], under another number: an answer repeats that of its request.
    #[inline]
    pub fn finish_as(
        &mut self,
        number: u16,
        call: CallId,
        generation: Generation,
    ) -> Result<&[u8]> {
        self.number = number;
        self.finish(call, generation)
    }

    /// The kind of the frame that was started.
    pub const fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The number of the frame that was started.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// The whole frame, ready to be sent. May be called again, with another id too.
    #[inline]
    pub fn finish(&mut self, call: CallId, generation: Generation) -> Result<&[u8]> {
        let length = self.bytes.len() - HEADER_BYTES;
        let body_len = u32::try_from(length).unwrap_or(u32::MAX);
        if body_len > self.limits.frame_bytes {
            return Err(ProtocolError::limit(
                LimitKind::FrameBytes,
                self.limits.frame_bytes,
                length as u64,
            ));
        }
        let header = Header {
            body_len,
            kind: self.kind,
            flags: self.flags,
            number: self.number,
            call,
            generation,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        Ok(&self.bytes)
    }
}

/// Bytes of one entry of a release block.
pub const RELEASE_BYTES: usize = 20;

/// The release block at the beginning of a body that has one.
pub fn read_releases(
    flags: Flags,
    body: &mut ValueReader<'_>,
    mut each: impl FnMut(Release) -> Result,
) -> Result {
    if !flags.contains(Flags::RELEASES) {
        return Ok(());
    }
    for _ in 0..body.take_count(RELEASE_BYTES)? {
        each(Release {
            id: body.take_id()?,
            received: body.take_u64()?,
            returned: body.take_u64()?,
        })?;
    }
    Ok(())
}
