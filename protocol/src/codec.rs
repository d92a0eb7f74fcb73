//! The only place that names the codec crate: fixed width, little endian.
//!
//! Scalars are written and read one at a time by the value format; messages with serde derives
//! go through in one piece, with a limit on what a length in them can make us allocate.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian, NoLimit};
use bincode::de::read::{BorrowReader, Reader};
use bincode::de::{Decode, DecoderImpl};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::{DecodeError, EncodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message with a serde derive.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;

type Fixed<L> = Configuration<LittleEndian, Fixint, L>;

const SCALARS: Fixed<NoLimit> = bincode::config::standard().with_fixed_int_encoding();
const MESSAGES: Fixed<Limit<MESSAGE_BYTES>> = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit::<MESSAGE_BYTES>();

/// A number of fixed width: writing one into a `Vec` can't fail.
pub(crate) trait Scalar: Encode + Decode<()> {}

impl Scalar for u8 {}
impl Scalar for u16 {}
impl Scalar for u32 {}
impl Scalar for u64 {}
impl Scalar for i32 {}
impl Scalar for i64 {}
impl Scalar for f64 {}
impl<A: Scalar, B: Scalar> Scalar for (A, B) {}
impl<A: Scalar, B: Scalar, C: Scalar> Scalar for (A, B, C) {}

struct Sink<'a>(&'a mut Vec<u8>);

impl Writer for Sink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends a number.
#[inline]
#[expect(clippy::needless_pass_by_value, reason = "a number, in a register")]
pub(crate) fn put<T: Scalar>(out: &mut Vec<u8>, value: T) {
    // A `Scalar` into a `Sink` has no way to fail.
    let _ = value.encode(&mut EncoderImpl::new(Sink(out), SCALARS));
}

/// Bytes that are read from front to back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes, if there are as many.
    #[inline]
    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head)
    }

    /// The next number, if there are enough bytes for it.
    #[inline]
    pub(crate) fn get<T: Scalar>(&mut self) -> Option<T> {
        T::decode(&mut DecoderImpl::new(&mut *self, SCALARS, ())).ok()
    }
}

/// What `Source` says at its end; never shown, the callers know more.
const SHORT: DecodeError = DecodeError::UnexpectedEnd { additional: 1 };

impl Reader for Source<'_> {
    #[inline]
    fn read(&mut self, out: &mut [u8]) -> Result<(), DecodeError> {
        match self.bytes(out.len()) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(SHORT),
        }
    }
}

impl<'a> BorrowReader<'a> for Source<'a> {
    #[inline]
    fn take_bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        self.bytes(length).ok_or(SHORT)
    }
}

/// Appends a message. False if it is too large or can't be encoded.
pub(crate) fn put_message<T: Serialize>(out: &mut Vec<u8>, message: &T) -> bool {
    let start = out.len();
    let done = bincode::serde::encode_into_writer(message, Sink(out), MESSAGES).is_ok()
        && out.len() - start <= MESSAGE_BYTES;
    if !done {
        out.truncate(start);
    }
    done
}

/// The message at the beginning of `bytes` and how many bytes it took.
pub(crate) fn get_message<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, usize)> {
    bincode::serde::decode_from_slice(bytes, MESSAGES).ok()
}
