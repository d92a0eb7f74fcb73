//! Appends a block of values, and the fixed fields around them, to a frame.

use super::tag::{ElementKind, ErrorClass, Tag};
use crate::codec;
use crate::error::{ProtocolError, Result};
use crate::ids::SlotId;
use crate::limits::{LimitKind, Limits};
use crate::memory::Region;

/// Appends one block: the compounds of everything written through one writer share a numbering.
///
/// Nothing is validated but the limits: the writer is ours, the reader checks. After an error the
/// block is unusable and its frame is thrown away.
#[derive(Debug)]
pub struct ValueWriter<'a> {
    out: &'a mut Vec<u8>,
    compounds: u32,
    depth: u32,
    limits: &'a Limits,
}

/// A container that is being written: its count is patched in by [`ValueWriter::close`].
#[must_use = "close it, or the container stays empty"]
#[derive(Clone, Copy, Debug)]
pub struct Open {
    start: usize,
    count_at: usize,
    index: u32,
}

impl Open {
    /// The number of this compound in its block, for [`ValueWriter::reference`].
    pub const fn index(&self) -> u32 {
        self.index
    }
}

impl<'a> ValueWriter<'a> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'a mut Vec<u8>, limits: &'a Limits) -> Self {
        Self {
            out,
            compounds: 0,
            depth: 0,
            limits,
        }
    }

    /// Begins another block in the same frame: the numbering starts anew.
    pub const fn restart_numbering(&mut self) {
        self.compounds = 0;
    }

    /// How many compounds this block has so far: the number that the next one gets.
    pub const fn compounds(&self) -> u32 {
        self.compounds
    }

    /// Bytes in the frame so far.
    pub const fn position(&self) -> usize {
        self.out.len()
    }

    // Fixed fields.

    /// A field of one byte.
    #[inline]
    pub fn put_u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// A field of four bytes.
    #[inline]
    pub fn put_u32(&mut self, value: u32) {
        codec::put(self.out, value);
    }

    /// A field of eight bytes.
    #[inline]
    pub fn put_u64(&mut self, value: u64) {
        codec::put(self.out, value);
    }

    /// The length of a list, as a field of four bytes.
    pub fn put_count(&mut self, length: usize) -> Result {
        self.put_u32(Self::count(length)?);
        Ok(())
    }

    /// Makes room for fields and scalars of so many bytes, which are then written without fail.
    pub fn reserve(&mut self, bytes: usize) -> Result {
        let bytes = self.room(bytes).map_or(0, |()| bytes);
        reserve(self.out, bytes)
    }

    /// Bytes as they are.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> Result {
        self.make_room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Overwrites a field of four bytes that was put at `position` before.
    pub fn patch_u32(&mut self, position: usize, value: u32) {
        if let Some(field) = self.out.get_mut(position..position + 4) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }

    // Scalars.

    /// `undefined`
    #[inline]
    pub fn undefined(&mut self) {
        self.tag(Tag::Undefined);
    }

    /// `null`
    #[inline]
    pub fn null(&mut self) {
        self.tag(Tag::Null);
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.tag(if value { Tag::True } else { Tag::False });
    }

    /// A number that is an integer of 32 bits.
    #[inline]
    pub fn int32(&mut self, value: i32) {
        codec::put(self.out, (Tag::Int32.code(), value));
    }

    /// A number that is an integer: the caller has checked that its size is below 2^53.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.int32(value),
            Err(_) => codec::put(self.out, (Tag::Int64.code(), value)),
        }
    }

    /// A number.
    #[inline]
    pub fn float(&mut self, value: f64) {
        codec::put(self.out, (Tag::Float.code(), value));
    }

    /// A bigint of 64-bit words, the lowest first.
    pub fn bigint(&mut self, negative: bool, words: &[u64]) -> Result {
        let count = Self::count(words.len())?;
        self.make_room(words.len().saturating_mul(8))?;
        codec::put(self.out, (Tag::BigInt.code(), u8::from(negative), count));
        for &word in words {
            codec::put(self.out, word);
        }
        Ok(())
    }

    /// As [`Self::bigint`], of words in little endian.
    pub fn bigint_le(&mut self, negative: bool, words: &[[u8; 8]]) -> Result {
        let count = Self::count(words.len())?;
        let bytes = words.as_flattened();
        self.make_room(bytes.len())?;
        codec::put(self.out, (Tag::BigInt.code(), u8::from(negative), count));
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// A string.
    #[inline]
    pub fn str(&mut self, text: &str) -> Result {
        let count = Self::count(text.len())?;
        self.make_room(text.len())?;
        codec::put(self.out, (Tag::Str8.code(), count));
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// A string with lone surrogates in it.
    pub fn str16(&mut self, units: impl ExactSizeIterator<Item = u16>) -> Result {
        let count = Self::count(units.len())?;
        self.make_room(units.len().saturating_mul(2))?;
        codec::put(self.out, (Tag::Str16.code(), count));
        for unit in units {
            codec::put(self.out, unit);
        }
        Ok(())
    }

    /// A date, in milliseconds since 1970 UTC; NaN is the invalid one.
    pub fn date(&mut self, milliseconds: f64) {
        codec::put(self.out, (Tag::Date.code(), milliseconds));
    }

    // References.

    /// A hole of an array.
    pub fn hole(&mut self) {
        self.tag(Tag::Hole);
    }

    /// The compound with this number, earlier in this block.
    pub fn reference(&mut self, index: u32) {
        codec::put(self.out, (Tag::Ref.code(), index));
    }

    /// An object that lives at the receiver: the very object.
    #[inline]
    pub fn own(&mut self, id: SlotId) {
        codec::put(self.out, (Tag::Own.code(), id.get()));
    }

    /// An object that lives here. `kind` is a `HostKind` or `ClientKind` code, `class` the host's
    /// class id or zero. The caller has counted the sending.
    #[inline]
    pub fn lent(&mut self, id: SlotId, kind: u8, class: u32) {
        self.tag(Tag::Lent);
        codec::put(self.out, (id.get(), kind, class));
    }

    /// In a write-back block: the compound of the request that is being written back.
    pub fn request_object(&mut self, index: u32) {
        codec::put(self.out, (Tag::RequestObject.code(), index));
    }

    // Compounds.

    /// An array: its values follow, holes included.
    #[inline]
    pub fn open_array(&mut self) -> Result<Open> {
        self.open(Tag::Array)
    }

    /// A plain object: keys (strings) and values in turns follow.
    #[inline]
    pub fn open_object(&mut self) -> Result<Open> {
        self.open(Tag::Object)
    }

    /// A map: keys and values in turns follow.
    pub fn open_map(&mut self) -> Result<Open> {
        self.open(Tag::Map)
    }

    /// A set: its values follow.
    pub fn open_set(&mut self) -> Result<Open> {
        self.open(Tag::Set)
    }

    /// An error: name, message, code, stack and cause follow, then [`Self::own_fields`], then its
    /// own properties, key and value in turns.
    pub fn open_error(&mut self, id: Option<SlotId>, class: ErrorClass) -> Result<Open> {
        self.enter()?;
        let open = self.begin(Tag::Error)?;
        codec::put(self.out, (SlotId::wire(id), class.code()));
        Ok(open)
    }

    /// The place in an error after its five values.
    pub fn own_fields(&mut self, error: &mut Open) {
        error.count_at = self.out.len();
        codec::put(self.out, 0_u32);
    }

    /// An array of 32-bit integers, to be filled with [`Self::push_i32`].
    pub fn open_array_i32(&mut self) -> Result<Open> {
        self.open(Tag::ArrayI32)
    }

    /// The next element of an array of 32-bit integers.
    #[inline]
    pub fn push_i32(&mut self, value: i32) {
        codec::put(self.out, value);
    }

    /// An array of numbers, to be filled with [`Self::push_f64`].
    pub fn open_array_f64(&mut self) -> Result<Open> {
        self.open(Tag::ArrayF64)
    }

    /// The next element of an array of numbers.
    #[inline]
    pub fn push_f64(&mut self, value: f64) {
        codec::put(self.out, value);
    }

    /// Ends a container: `count` is that of its values, or pairs.
    #[inline]
    pub fn close(&mut self, open: Open, count: u32) {
        self.depth -= 1;
        self.patch_u32(open.count_at, count);
    }

    /// Takes back the container that was opened last, and everything in it.
    pub fn rewind(&mut self, open: Open) {
        self.out.truncate(open.start);
        self.compounds = open.index;
        self.depth -= 1;
    }

    /// A buffer and its bytes. `id` is the host's lent id, counted by the caller as sent.
    /// Returns its number in the block.
    pub fn buffer(
        &mut self,
        element: ElementKind,
        id: Option<SlotId>,
        writable: bool,
        bytes: &[u8],
    ) -> Result<u32> {
        self.make_room(bytes.len())?;
        let open = self.begin(Tag::Buffer)?;
        codec::put(
            self.out,
            (element.code(), SlotId::wire(id), u8::from(writable)),
        );
        codec::put(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(open.index)
    }

    /// A buffer whose bytes lie in shared memory; otherwise as [`Self::buffer`]. `writable` says whether
    /// the receiver may change them. The caller has counted the region's id as sent.
    pub fn shared_buffer(
        &mut self,
        element: ElementKind,
        id: Option<SlotId>,
        writable: bool,
        region: Region,
    ) -> Result<u32> {
        let open = self.begin(Tag::SharedBuffer)?;
        codec::put(
            self.out,
            (element.code(), SlotId::wire(id), u8::from(writable)),
        );
        self.region(region);
        Ok(open.index)
    }

    /// A string whose UTF-8 lies in shared memory. The caller has counted the region's id as sent.
    pub fn shared_text(&mut self, region: Region) {
        self.tag(Tag::SharedText);
        self.region(region);
    }

    fn region(&mut self, region: Region) {
        codec::put(self.out, region.id.get());
        codec::put(self.out, region.file);
        codec::put(self.out, region.offset);
        codec::put(self.out, region.length);
    }

    /// Whether no container is open.
    pub const fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    // Helpers.

    #[inline]
    fn tag(&mut self, tag: Tag) {
        self.out.push(tag.code());
    }

    #[inline]
    fn open(&mut self, tag: Tag) -> Result<Open> {
        self.enter()?;
        let open = self.begin(tag)?;
        codec::put(self.out, 0_u32);
        Ok(open)
    }

    #[inline]
    fn enter(&mut self) -> Result {
        if self.depth >= self.limits.depth {
            return Err(ProtocolError::beyond(LimitKind::Depth, self.limits.depth));
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn begin(&mut self, tag: Tag) -> Result<Open> {
        self.room(0)?;
        let open = Open {
            start: self.out.len(),
            count_at: self.out.len() + 1,
            index: self.compounds,
        };
        self.compounds += 1;
        self.tag(tag);
        Ok(open)
    }

    #[inline]
    fn count(length: usize) -> Result<u32> {
        u32::try_from(length)
            .map_err(|_| ProtocolError::limit(LimitKind::Count, u32::MAX, length as u64))
    }

    /// Refuses what does not fit into the frame or into memory, before it is copied.
    #[inline]
    fn make_room(&mut self, more: usize) -> Result {
        self.room(more)?;
        reserve(self.out, more.saturating_add(HEAD_BYTES))
    }

    /// Refuses what does not fit into the frame.
    #[inline]
    fn room(&self, more: usize) -> Result {
        let length = self.out.len().saturating_add(more);
        if length > self.limits.frame_bytes as usize {
            return Err(ProtocolError::limit(
                LimitKind::FrameBytes,
                self.limits.frame_bytes,
                length as u64,
            ));
        }
        Ok(())
    }
}

/// The fields before the bytes of a value, at most.
const HEAD_BYTES: usize = 16;

/// Makes room for more bytes, if there is memory.
#[inline]
fn reserve(out: &mut Vec<u8>, more: usize) -> Result {
    if out.capacity() - out.len() >= more {
        return Ok(());
    }
    out.try_reserve(more)
        .map_err(|_| ProtocolError::Memory { bytes: more })
}
