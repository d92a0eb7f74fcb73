//! The tokens of a block of values, and the numbers that lie packed in one.

use std::marker::PhantomData;

use super::tag::{ElementKind, ErrorClass};
use crate::ids::SlotId;
use crate::memory::Region;

/// The beginning of a value; what follows a compound's token, the caller reads.
///
/// Compounds are numbered by `index` in their block. A `count` has been checked against the bytes that
/// are left, so memory may be allocated for it. After the last element of a compound that has elements
/// (those marked *nested*) the caller calls [`super::ValueReader::leave`].
#[expect(missing_docs, reason = "index, count and what the types say")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number that is an integer of 32 bits.
    Int32(i32),
    /// A number that is an integer below 2^53 in size.
    Int64(i64),
    /// A number.
    Float(f64),
    /// A bigint.
    BigInt { negative: bool, words: Words<'a> },
    /// A string.
    Str(&'a str),
    /// A string with lone surrogates in it.
    Str16(Units<'a>),
    /// As [`Self::Str`], with its UTF-8 in shared memory: it may be invalid, and may change.
    SharedText(Region),
    /// A date in milliseconds since 1970 UTC.
    Date(f64),
    /// Nested: `count` values follow.
    Array { index: u32, count: u32 },
    /// An array of integers.
    ArrayI32 { index: u32, items: Packed<'a, i32> },
    /// An array of numbers.
    ArrayF64 { index: u32, items: Packed<'a, f64> },
    /// Nested: `count` pairs of [`super::ValueReader::key`] and a value follow.
    Object { index: u32, count: u32 },
    /// Nested: `count` pairs of values follow.
    Map { index: u32, count: u32 },
    /// Nested: `count` values follow.
    Set { index: u32, count: u32 },
    /// A buffer.
    Buffer {
        index: u32,
        element: ElementKind,
        /// The host's lent object, if there is one.
        id: Option<SlotId>,
        /// Whether it may be changed.
        writable: bool,
        /// Its bytes: a whole number of elements.
        bytes: &'a [u8],
    },
    /// As [`Self::Buffer`], with its bytes in shared memory.
    SharedBuffer {
        index: u32,
        element: ElementKind,
        /// The host's lent object, if there is one.
        id: Option<SlotId>,
        /// Whether the receiver may change them.
        writable: bool,
        /// Where the bytes are: a whole number of elements. It may lie outside of the sender's memory.
        region: Region,
    },
    /// Nested: five values (name, message, code, stack, cause) follow, then
    /// [`super::ValueReader::own_fields`] pairs of a key and a value.
    Error {
        index: u32,
        /// The sender's lent object, if there is one.
        id: Option<SlotId>,
        class: ErrorClass,
    },
    /// A hole of an array.
    Hole,
    /// The compound with this number, whose token came earlier in this block.
    Ref(u32),
    /// An object that lives here.
    Own(SlotId),
    /// An object that lives at the sender. To be counted by the receiver.
    Lent {
        id: SlotId,
        /// A `HostKind` or `ClientKind` code.
        kind: u8,
        /// The host's class id, a `CallableForm` code, or zero.
        class: u32,
    },
    /// In a write-back block: a compound of the request. To be checked by the receiver.
    RequestObject(u32),
}

/// Numbers as they lie in a frame, little endian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed<'a, T> {
    bytes: &'a [u8],
    item: PhantomData<T>,
}

/// The words of a bigint.
pub type Words<'a> = Packed<'a, u64>;
/// The code units of a string.
pub type Units<'a> = Packed<'a, u16>;

impl<'a, T: Number> Packed<'a, T> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        let item = PhantomData;
        Self { bytes, item }
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "nothing asks for that")]
    pub const fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    /// The bytes as they travelled.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The numbers in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        self.bytes.chunks_exact(size_of::<T>()).map(T::from_le)
    }
}

/// A number that lies packed in a frame.
pub trait Number {
    /// The number from as many bytes as it has.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl Number for $number {
            #[inline]
            fn from_le(bytes: &[u8]) -> Self {
                bytes.try_into().map_or_else(|_| Default::default(), Self::from_le_bytes)
            }
        }
    )* };
}

numbers! { u16 u64 i32 f64 }
