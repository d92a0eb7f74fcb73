//! Frames: a header of sixteen bytes and a body. Pure functions, no I/O.
//!
//! `body_len u32 | kind u8 | flags u8 | number u16 | call u32 | generation u32`, little endian.

use std::ops::BitOr;

use crate::codec::{self, Source};
use crate::error::{ProtocolError, Result, malformed, violation};
use crate::ids::{CallId, Generation};
use crate::lent::Release;
use crate::limits::{LimitKind, Limits};
use crate::profile::{HostTimes, TIMES_BYTES};
use crate::value::{ValueReader, ValueWriter, codes};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;

codes! {
    /// What a frame is in its conversation.
    pub enum FrameKind {
        /// Requires a reply.
        Request = 1,
        /// Answers the innermost open request.
        Reply = 2,
        /// Answers the innermost open request: it failed.
        Failure = 3,
        /// Requires no reply.
        Notice = 4,
    }

    /// What can be denied.
    pub enum Denied {
        /// Reading or listing a path.
        Read = 0,
        /// Changing, making, renaming or removing a path.
        Write = 1,
        /// Using the network.
        Network = 2,
        /// Using local sockets.
        LocalSocket = 3,
        /// Starting a program.
        Program = 4,
        /// Watching for changes.
        Watch = 5,
    }
}

/// What a body begins with, and what became of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing before the body proper.
    pub const NONE: Self = Self(0);
    /// A release block.
    pub const RELEASES: Self = Self(1);
    /// A write-back block, after the blocks above.
    pub const WRITE_BACK: Self = Self(2);
    /// Of a request of the client: a weight, before everything else; the host is to measure the call. Of a
    /// reply to it: [`HostTimes`], before everything else.
    pub const MEASURED: Self = Self(16);
    /// A block of what the sandbox denied, after the release block if there is one.
    pub const DENIALS: Self = Self(8);
    /// Of a failure: the request was not read beyond its release block, so nothing that it lent was
    /// received.
    pub const UNREAD: Self = Self(4);

    const ALL: u8 = 31;
    /// What the body begins with in the way of notes, in the order of their blocks.
    const NOTES: u8 = Self::MEASURED.0 | Self::RELEASES.0 | Self::DENIALS.0;

    /// Whether all of these are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a block comes before the write-back block and the body proper.
    #[inline]
    pub const fn has_notes(self) -> bool {
        self.0 & Self::NOTES != 0
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
        bytes[4] = self.kind.code();
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
            return malformed("a short header", 0);
        };
        let Some(kind) = FrameKind::from_code(kind) else {
            return malformed("an unknown kind of frame", 4);
        };
        if flags & !Flags::ALL != 0 {
            return malformed("unknown flags of a frame", 5);
        }
        if theirs != generation.0 {
            return violation("a frame of another generation of the host");
        }
        if body_len > limits.frame_bytes {
            return violation("a frame beyond the limit of the session");
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
/// A builder is reused, so that a call allocates nothing.
#[derive(Debug)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    kind: FrameKind,
    flags: Flags,
    number: u16,
    limits: Limits,
}

/// A builder that has held a larger frame frees the memory.
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

    /// Takes other limits, for another session.
    #[inline]
    pub const fn set_limits(&mut self, limits: &Limits) {
        self.limits = *limits;
    }

    /// Begins a frame and discards the one before.
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

    /// Has a request measured, with a weight. Comes before everything else.
    pub fn measure(&mut self, weight: u32) {
        codec::put(&mut self.bytes, weight);
        self.flags = self.flags | Flags::MEASURED;
    }

    /// Sets the times of a measured reply, which are zero at first. The first time it comes before
    /// everything else.
    pub fn times(&mut self, times: &HostTimes) {
        if !self.flags.contains(Flags::MEASURED) {
            self.bytes.extend_from_slice(&[0; TIMES_BYTES]);
            self.flags = self.flags | Flags::MEASURED;
        }
        if let Some(place) = self.bytes.get_mut(HEADER_BYTES..HEADER_BYTES + TIMES_BYTES) {
            place.copy_from_slice(&times.encode());
        }
    }

    /// Bytes of the frame so far, its header included.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a frame has a header")]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the release block. Comes after these, at most once; without any entry there is none.
    pub fn releases(&mut self, entries: &[Release]) -> Result {
        let Some(count) = u32::try_from(entries.len()).ok().filter(|&count| count > 0) else {
            return Ok(());
        };
        let bytes = 4 + entries.len() * RELEASE_BYTES;
        let room = self.bytes.try_reserve(bytes);
        room.map_err(|_| ProtocolError::Memory { bytes })?;
        codec::put(&mut self.bytes, count);
        for entry in entries {
            let fields = (entry.id.get(), entry.received, entry.returned);
            codec::put(&mut self.bytes, fields);
        }
        self.flags = self.flags | Flags::RELEASES;
        Ok(())
    }

    /// Writes the block of denials, after the release block, at most once.
    pub fn denials(&mut self, denials: &[Denial]) {
        let denials = denials.get(..DENIALS_MOST).unwrap_or(denials);
        let put_text = |bytes: &mut Vec<u8>, text: &[u8]| {
            let text = text.get(..DENIAL_TEXT_BYTES).unwrap_or(text);
            codec::put(bytes, u32::try_from(text.len()).unwrap_or(0));
            bytes.extend_from_slice(text);
        };
        codec::put(&mut self.bytes, u32::try_from(denials.len()).unwrap_or(0));
        for denial in denials {
            let kind = denial.what.code();
            let traits = u8::from(denial.js_thread) | u8::from(denial.is_guess) << 1;
            self.bytes.extend_from_slice(&[kind, traits]);
            put_text(&mut self.bytes, &denial.subject);
            let grants = denial.grants.get(..GRANTS_MOST).unwrap_or(&denial.grants);
            codec::put(&mut self.bytes, u32::try_from(grants.len()).unwrap_or(0));
            for grant in grants {
                put_text(&mut self.bytes, grant);
            }
        }
        self.flags = self.flags | Flags::DENIALS;
    }

    /// States that a write-back block comes next.
    pub fn write_back(&mut self) {
        self.flags = self.flags | Flags::WRITE_BACK;
    }

    /// States that the request that this answers was not read.
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

/// The weight at the beginning of a measured request.
pub fn read_weight(flags: Flags, body: &mut ValueReader<'_>) -> Result<Option<u32>> {
    let is_measured = flags.contains(Flags::MEASURED);
    is_measured.then(|| body.take_u32()).transpose()
}

/// The times at the beginning of a measured reply.
pub fn read_times(flags: Flags, body: &mut ValueReader<'_>) -> Result<Option<HostTimes>> {
    let is_measured = flags.contains(Flags::MEASURED);
    is_measured.then(|| HostTimes::read(body)).transpose()
}

/// Bytes of one entry of a release block.
pub const RELEASE_BYTES: usize = 20;

/// How many entries a release block has at most. Either side sends fewer.
pub const RELEASES_MAX: usize = 1 << 14;

/// The release block at the beginning of a body that has one.
pub fn read_releases(
    flags: Flags,
    body: &mut ValueReader<'_>,
    mut each: impl FnMut(Release) -> Result,
) -> Result {
    if !flags.contains(Flags::RELEASES) {
        return Ok(());
    }
    let count = body.take_count(RELEASE_BYTES)?;
    if count as usize > RELEASES_MAX {
        return violation("too many releases in a frame");
    }
    for _ in 0..count {
        each(Release {
            id: body.take_id()?,
            received: body.take_u64()?,
            returned: body.take_u64()?,
        })?;
    }
    Ok(())
}

/// How many denials a frame has at most.
pub const DENIALS_MOST: usize = 32;
const DENIAL_TEXT_BYTES: usize = 1024;
/// The largest number of paths to grant in one denial.
const GRANTS_MOST: usize = 2;

/// A denial by the sandbox that the host has noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was denied.
    pub what: Denied,
    /// Whether the JS thread was denied it.
    pub js_thread: bool,
    /// Whether it is weak evidence: a path that may not exist, or that many programs try.
    pub is_guess: bool,
    /// The path, the address or the command.
    pub subject: Vec<u8>,
    /// The paths to grant, where the option takes paths.
    pub grants: Vec<Vec<u8>>,
}

/// The block of denials in a body that has one.
pub fn read_denials(flags: Flags, body: &mut ValueReader<'_>) -> Result<Vec<Denial>> {
    /// What one takes without any text.
    const DENIAL_BYTES: usize = 10;
    if !flags.contains(Flags::DENIALS) {
        return Ok(Vec::new());
    }
    let text = |body: &mut ValueReader<'_>| -> Result<Vec<u8>> {
        let length = body.take_count(1)? as usize;
        if length > DENIAL_TEXT_BYTES {
            return violation("a denial with a long text");
        }
        Ok(body.take_bytes(length)?.to_vec())
    };
    let count = body.take_count(DENIAL_BYTES)? as usize;
    if count > DENIALS_MOST {
        return violation("too many denials in a frame");
    }
    let one = |_| {
        let what = Denied::from_code(body.take_u8()?)
            .ok_or(ProtocolError::violation("an unknown kind of denial"))?;
        let traits = body.take_u8()?;
        let subject = text(body)?;
        let grants = body.take_count(4)? as usize;
        if grants > GRANTS_MOST {
            return violation("a denial with many paths");
        }
        let grants = (0..grants).map(|_| text(body)).collect::<Result<_>>()?;
        Ok(Denial {
            what,
            js_thread: traits & 1 != 0,
            is_guess: traits & 2 != 0,
            subject,
            grants,
        })
    };
    (0..count).map(one).collect()
}
