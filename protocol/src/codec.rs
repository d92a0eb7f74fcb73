//! The only place that names the codec crate: fixed width, little endian.
//!
//! Scalars are written and read one at a time by the value format; messages with serde derives
//! go through in one piece, with a limit on what a length in them can make us allocate.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian, NoLimit};
use bincode::de::read::SliceReader;
use bincode::de::{Decode, DecoderImpl};
use bincode::enc::write::{SliceWriter, Writer};
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message with a serde derive.
pub(crate) const MESSAGE_BYTES: usize = 1 << 20;

type Fixed<L> = Configuration<LittleEndian, Fixint, L>;

const SCALARS: Fixed<NoLimit> = bincode::config::standard().with_fixed_int_encoding();
const MESSAGES: Fixed<Limit<MESSAGE_BYTES>> = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit::<MESSAGE_BYTES>();

/// A number of fixed width, or a few of them: it goes through a piece of stack of just its size,
/// so that there is one check for room, and no way to fail.
pub(crate) trait Scalar: Encode + Decode<()> {
    fn put(&self, out: &mut Vec<u8>);
    /// Takes it from the front of `rest`, if there is enough.
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

macro_rules! scalars {
    ($($scalar:ty: $size:literal,)*) => {
        $(
            impl Scalar for $scalar {
                #[inline]
                fn put(&self, out: &mut Vec<u8>) {
                    let mut bytes = [0; $size];
                    let writer = SliceWriter::new(&mut bytes);
                    // It fits: see the test.
                    let _ = self.encode(&mut EncoderImpl::new(writer, SCALARS));
                    out.extend_from_slice(&bytes);
                }

                #[inline]
                fn take(rest: &mut &[u8]) -> Option<Self> {
                    let (bytes, left) = rest.split_first_chunk::<$size>()?;
                    *rest = left;
                    let reader = SliceReader::new(bytes);
                    Self::decode(&mut DecoderImpl::new(reader, SCALARS, ())).ok()
                }
            }
        )*

        #[cfg(test)]
        #[test]
        fn scalars_have_the_size_that_is_set_aside_for_them() {
            $(
                let bytes = bincode::encode_to_vec(<$scalar>::default(), SCALARS).unwrap();
                assert_eq!(bytes.len(), $size, stringify!($scalar));
            )*
        }
    };
}

scalars! {
    u8: 1,
    u16: 2,
    u32: 4,
    u64: 8,
    i32: 4,
    i64: 8,
    f64: 8,
    (u8, u32): 5,
    (u8, i32): 5,
    (u8, i64): 9,
    (u8, f64): 9,
    (u8, u8, u32): 6,
    (u8, u32, u8): 6,
    (u16, u32): 6,
    (u16, u32, u32): 10,
    (u32, u8): 5,
    (u32, u8, u8): 6,
    (u32, u8, u32): 9,
    (u32, u32): 8,
    (u32, u64, u64): 20,
}

struct Sink<'a>(&'a mut Vec<u8>);

impl Writer for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends a number.
#[inline]
#[expect(clippy::needless_pass_by_value, reason = "a number, in a register")]
pub(crate) fn put<T: Scalar>(out: &mut Vec<u8>, value: T) {
    value.put(out);
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
        T::take(&mut self.rest)
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
