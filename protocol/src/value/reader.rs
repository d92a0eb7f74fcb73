//! Reads a block of values, and the fixed fields around them, from a frame, token by token.
//!
//! Upholds I-6.

use super::tag::{ElementKind, ErrorClass, Tag};
use super::token::{Packed, Token};
use crate::codec::{Scalar, Source};
use crate::error::{ProtocolError, Result, malformed};
use crate::ids::SlotId;
use crate::limits::{LimitKind, Limits};
use crate::memory::Region;

/// Reads one block: the compounds of everything read through one reader share a numbering.
///
/// The depth is limited whether the caller recurses or not, the number of values too, strings
/// are valid, references point backwards. An error is final for the whole frame.
#[derive(Clone, Debug)]
pub struct ValueReader<'a> {
    source: Source<'a>,
    length: usize,
    compounds: u32,
    depth: u32,
    /// Values that may be read until the next pause.
    values: u32,
    /// Values that may be read after it.
    values_beyond: u32,
    limits: Limits,
}

/// Values between two pauses of a reader: some hundred microseconds of decoding.
pub const PAUSE_VALUES: u32 = 4096;

/// Whether there is a pause before the item at this position of many, each of which counts as a value.
#[inline]
pub const fn is_pause_due(position: usize) -> bool {
    position % PAUSE_VALUES as usize == PAUSE_VALUES as usize - 1
}

/// Bytes of a text or a buffer that count as one value: a value takes about as many.
const BYTES_PER_VALUE: usize = 64;
/// A container, a buffer and an object of the other side take about as much memory as so many values.
pub const COMPOUND_VALUES: u32 = 4;

impl<'a> ValueReader<'a> {
    /// A reader of this block.
    pub const fn new(block: &'a [u8], limits: &Limits) -> Self {
        let mut reader = Self {
            source: Source::new(block),
            length: block.len(),
            compounds: 0,
            depth: 0,
            values: 0,
            values_beyond: 0,
            limits: *limits,
        };
        reader.set_values_left(limits.values);
        reader
    }

    /// Allows this many more values, and no pause before [`PAUSE_VALUES`] of them are read.
    pub const fn set_values_left(&mut self, values: u32) {
        self.values = if values < PAUSE_VALUES {
            values
        } else {
            PAUSE_VALUES
        };
        self.values_beyond = values - self.values;
    }

    /// How many more values may be read.
    pub const fn values_left(&self) -> u32 {
        self.values + self.values_beyond
    }

    /// Whether [`PAUSE_VALUES`] were read since the last pause: the caller may do something else, and
    /// then calls [`Self::resume`]. A reader that is not resumed continues all the same.
    #[inline]
    pub const fn is_paused(&self) -> bool {
        self.values == 0
    }

    /// Ends a pause.
    pub const fn resume(&mut self) {
        self.set_values_left(self.values_left());
    }

    /// Begins a pause.
    pub const fn pause(&mut self) {
        self.values_beyond = self.values_left();
        self.values = 0;
    }

    /// Begins another block in the same frame: the numbering starts anew.
    pub const fn restart_numbering(&mut self) {
        self.compounds = 0;
    }

    /// How many compounds this block had so far.
    pub const fn compounds(&self) -> u32 {
        self.compounds
    }

    /// Bytes read so far.
    #[inline]
    pub const fn position(&self) -> usize {
        self.length - self.source.remaining()
    }

    /// Bytes that are left.
    pub const fn remaining(&self) -> usize {
        self.source.remaining()
    }

    /// The bytes that are left.
    pub const fn rest(&self) -> &'a [u8] {
        self.source.rest()
    }

    /// Checks that nothing is left.
    pub const fn finish(&self) -> Result {
        if self.source.remaining() == 0 {
            Ok(())
        } else {
            malformed("bytes after the end of the message", self.position())
        }
    }

    // Fixed fields.

    /// A field of one byte.
    #[inline]
    pub fn take_u8(&mut self) -> Result<u8> {
        self.take()
    }

    /// A field of four bytes.
    #[inline]
    pub fn take_u32(&mut self) -> Result<u32> {
        self.take()
    }

    /// A field of eight bytes.
    #[inline]
    pub fn take_u64(&mut self) -> Result<u64> {
        self.take()
    }

    /// Bytes as they are.
    #[inline]
    pub fn take_bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        self.source.bytes(length).ok_or_else(|| self.short())
    }

    /// A field of one byte that is zero or one.
    #[inline]
    pub fn take_bool(&mut self) -> Result<bool> {
        let at = self.position();
        match self.take_u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => malformed("a flag that is neither 0 nor 1", at),
        }
    }

    /// An id that is there.
    #[inline]
    pub fn take_id(&mut self) -> Result<SlotId> {
        let at = self.position();
        SlotId::new(self.take_u32()?).ok_or(ProtocolError::malformed("an id that is zero", at))
    }

    /// A count of things that take `each` bytes or more: never more than can follow.
    #[inline]
    pub fn take_count(&mut self, each: usize) -> Result<u32> {
        let at = self.position();
        let count = self.take_u32()?;
        if (count as usize).saturating_mul(each) > self.source.remaining() {
            return malformed("a count beyond the end of the message", at);
        }
        Ok(count)
    }

    // Values.

    /// The next value, or the beginning of one.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator can't be left and entered"
    )]
    pub fn next(&mut self) -> Result<Token<'a>> {
        self.spend(1)?;
        let code = self.take_u8()?;
        let Some(tag) = Tag::from_code(code) else {
            return Err(self.unknown());
        };
        Ok(match tag {
            Tag::Undefined => Token::Undefined,
            Tag::Null => Token::Null,
            Tag::False => Token::Bool(false),
            Tag::True => Token::Bool(true),
            Tag::Int32 => Token::Int32(self.take()?),
            Tag::Float => Token::Float(self.take()?),
            Tag::Str8 => Token::Str(self.text()?),
            Tag::Array => {
                let index = self.enter()?;
                Token::Array {
                    index,
                    count: self.take_count(1)?,
                }
            }
            Tag::Object => {
                let index = self.enter()?;
                Token::Object {
                    index,
                    count: self.take_count(KEY_BYTES + 1)?,
                }
            }
            Tag::Own => Token::Own(self.take_id()?),
            Tag::Ref => Token::Ref(self.backward()?),
            Tag::Lent => {
                self.spend(COMPOUND_VALUES - 1)?;
                let id = self.take_id()?;
                Token::Lent {
                    id,
                    kind: self.take()?,
                    class: self.take()?,
                }
            }
            _ => self.rare(tag)?,
        })
    }

    /// The key of an object, whose next value then follows.
    #[inline]
    pub fn key(&mut self) -> Result<Token<'a>> {
        let at = self.position();
        match self.next()? {
            key @ (Token::Str(_) | Token::Str16(_)) => Ok(key),
            _ => malformed("a key that is not a string", at),
        }
    }

    /// After the five values of an error: how many own properties follow.
    pub fn own_fields(&mut self) -> Result<u32> {
        self.take_count(2)
    }

    /// After the last value of a nested compound.
    #[inline]
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Reads over one value with everything in it, without recursion. Shows each token but the keys of
    /// an error's own properties, in order.
    pub fn walk(&mut self, mut each: impl FnMut(&Token<'a>)) -> Result {
        self.try_walk(|_, token| {
            each(token);
            Ok(())
        })
    }

    /// As [`Self::walk`], until an error; also gives the place where each token begins.
    pub fn try_walk(&mut self, mut each: impl FnMut(usize, &Token<'a>) -> Result) -> Result {
        // What is left to read per level; an error is read as its five values, then as its pairs.
        let mut levels: Vec<(u64, bool)> = vec![(1, false)];
        while let Some((left, error)) = levels.last_mut() {
            if *left == 0 {
                if *error {
                    *error = false;
                    *left = u64::from(self.own_fields()?) * 2;
                } else {
                    levels.pop();
                    if !levels.is_empty() {
                        self.leave();
                    }
                }
                continue;
            }
            *left -= 1;
            let at = self.position();
            let token = self.next()?;
            each(at, &token)?;
            match token {
                Token::Array { count, .. } | Token::Set { count, .. } => {
                    levels.push((u64::from(count), false));
                }
                Token::Object { count, .. } | Token::Map { count, .. } => {
                    levels.push((u64::from(count) * 2, false));
                }
                Token::Error { .. } => levels.push((5, true)),
                _ => {}
            }
        }
        Ok(())
    }

    // Helpers.

    #[inline(never)]
    fn rare(&mut self, tag: Tag) -> Result<Token<'a>> {
        let at = self.position();
        Ok(match tag {
            Tag::Int64 => {
                let value: i64 = self.take()?;
                if value.unsigned_abs() >= 1 << 53 {
                    return malformed("an integer beyond 2^53", at);
                }
                Token::Int64(value)
            }
            Tag::BigInt => {
                let negative = self.take_bool()?;
                let count = self.take_count(size_of::<u64>())?;
                self.spend_bytes(count as usize * size_of::<u64>())?;
                Token::BigInt {
                    negative,
                    words: Packed::new(self.take_bytes(count as usize * size_of::<u64>())?),
                }
            }
            Tag::Str16 => {
                let count = self.take_count(size_of::<u16>())?;
                self.spend_bytes(count as usize * size_of::<u16>())?;
                Token::Str16(Packed::new(
                    self.take_bytes(count as usize * size_of::<u16>())?,
                ))
            }
            Tag::Date => Token::Date(self.take()?),
            Tag::ArrayI32 => {
                let index = self.number()?;
                Token::ArrayI32 {
                    index,
                    items: Packed::new(self.elements(size_of::<i32>())?),
                }
            }
            Tag::ArrayF64 => {
                let index = self.number()?;
                Token::ArrayF64 {
                    index,
                    items: Packed::new(self.elements(size_of::<f64>())?),
                }
            }
            Tag::Map => {
                let index = self.enter()?;
                Token::Map {
                    index,
                    count: self.take_count(2)?,
                }
            }
            Tag::Set => {
                let index = self.enter()?;
                Token::Set {
                    index,
                    count: self.take_count(1)?,
                }
            }
            Tag::Buffer => self.buffer()?,
            Tag::SharedBuffer => self.shared_buffer()?,
            Tag::SharedText => {
                let id = self.memory_id(at)?;
                let (file, offset, length) = (self.take()?, self.take()?, self.take_u64()?);
                self.spend_bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
                Token::SharedText(Region {
                    id,
                    file,
                    offset,
                    length,
                })
            }
            Tag::Error => {
                let index = self.enter()?;
                let id = SlotId::new(self.take_u32()?);
                let class = ErrorClass::from_code(self.take_u8()?)
                    .ok_or(ProtocolError::malformed("an unknown class of error", at))?;
                Token::Error { index, id, class }
            }
            Tag::Hole => Token::Hole,
            Tag::RequestObject => Token::RequestObject(self.take()?),
            _ => return malformed("an unknown kind of value", at),
        })
    }

    fn buffer(&mut self) -> Result<Token<'a>> {
        let at = self.position();
        let (index, element, id, writable) = self.buffer_head(at)?;
        let length =
            usize::try_from(self.whole_elements(at, element)?).map_err(|_| self.short())?;
        self.spend(COMPOUND_VALUES - 1)?;
        self.spend_bytes(length)?;
        Ok(Token::Buffer {
            index,
            element,
            id,
            writable,
            bytes: self.take_bytes(length)?,
        })
    }

    fn shared_buffer(&mut self) -> Result<Token<'a>> {
        let at = self.position();
        let (index, element, id, writable) = self.buffer_head(at)?;
        let memory = self.memory_id(at)?;
        let file = self.take_u32()?;
        let offset = self.take_u64()?;
        let length = self.whole_elements(at, element)?;
        self.spend(COMPOUND_VALUES - 1)?;
        Ok(Token::SharedBuffer {
            index,
            element,
            id,
            writable,
            region: Region {
                id: memory,
                file,
                offset,
                length,
            },
        })
    }

    fn memory_id(&mut self, at: usize) -> Result<SlotId> {
        let what = "shared memory without an id";
        SlotId::new(self.take_u32()?).ok_or(ProtocolError::malformed(what, at))
    }

    /// The number of a buffer, its element type, its id, and whether it is writable.
    fn buffer_head(&mut self, at: usize) -> Result<(u32, ElementKind, Option<SlotId>, bool)> {
        let index = self.number()?;
        let element = ElementKind::from_code(self.take_u8()?)
            .ok_or(ProtocolError::malformed("an unknown kind of buffer", at))?;
        Ok((
            index,
            element,
            SlotId::new(self.take_u32()?),
            self.take_bool()?,
        ))
    }

    /// The length of a buffer in bytes.
    fn whole_elements(&mut self, at: usize, element: ElementKind) -> Result<u64> {
        let length = self.take_u64()?;
        if !length.is_multiple_of(element.size() as u64) {
            return malformed("a buffer that ends inside an element", at);
        }
        Ok(length)
    }

    #[inline]
    fn take<T: Scalar>(&mut self) -> Result<T> {
        self.source.get().ok_or_else(|| self.short())
    }

    #[inline]
    fn text(&mut self) -> Result<&'a str> {
        let at = self.position();
        let length = self.take_u32()?;
        let bytes = self.take_bytes(length as usize)?;
        self.spend_bytes(bytes.len())?;
        std::str::from_utf8(bytes)
            .map_err(|_| ProtocolError::malformed("a string that is not UTF-8", at))
    }

    fn elements(&mut self, each: usize) -> Result<&'a [u8]> {
        let count = self.take_count(each)?;
        self.spend(count)?;
        self.take_bytes(count as usize * each)
    }

    fn backward(&mut self) -> Result<u32> {
        let at = self.position();
        let index = self.take_u32()?;
        if index >= self.compounds {
            return malformed("a reference to what has not come yet", at);
        }
        Ok(index)
    }

    #[inline]
    fn enter(&mut self) -> Result<u32> {
        if self.depth >= self.limits.depth {
            return Err(ProtocolError::beyond(LimitKind::Depth, self.limits.depth));
        }
        self.depth += 1;
        self.spend(COMPOUND_VALUES - 1)?;
        self.number()
    }

    #[inline]
    #[expect(
        clippy::unnecessary_wraps,
        reason = "reads as the others do where it is used"
    )]
    fn number(&mut self) -> Result<u32> {
        let index = self.compounds;
        // A compound takes a byte or more of a frame whose length is a `u32`.
        self.compounds = index.wrapping_add(1);
        Ok(index)
    }

    /// Counts values that are to be made, before they are.
    #[inline]
    pub fn spend(&mut self, values: u32) -> Result {
        match self.values.checked_sub(values) {
            Some(left) => {
                self.values = left;
                Ok(())
            }
            None => self.spend_beyond(values),
        }
    }

    #[cold]
    fn spend_beyond(&mut self, values: u32) -> Result {
        match self.values_left().checked_sub(values) {
            Some(left) if self.values == 0 => {
                self.set_values_left(left);
                Ok(())
            }
            Some(left) => {
                // The pause is due, in the middle of these.
                self.values = 0;
                self.values_beyond = left;
                Ok(())
            }
            None => Err(ProtocolError::beyond(LimitKind::Values, self.limits.values)),
        }
    }

    #[inline]
    fn spend_bytes(&mut self, bytes: usize) -> Result {
        if bytes < BYTES_PER_VALUE {
            return Ok(());
        }
        self.spend(u32::try_from(bytes / BYTES_PER_VALUE).unwrap_or(u32::MAX))
    }

    #[cold]
    const fn unknown(&self) -> ProtocolError {
        ProtocolError::malformed("an unknown kind of value", self.position() - 1)
    }

    #[cold]
    const fn short(&self) -> ProtocolError {
        ProtocolError::malformed("a truncated message", self.position())
    }
}

/// The tag and the length of a key.
const KEY_BYTES: usize = 5;
