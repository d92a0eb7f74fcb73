//! Streams that compress and decompress, as the binding `zlib` has them: one step reads from an input
//! and writes to an output, and says what is left of both.

mod brotli;
mod deflate;

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use brotli::BrotliStream;
pub(crate) use deflate::{Settings, ZlibStream};

/// The kinds of streams, by the numbers that Node gives to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Deflate,
    Inflate,
    Gzip,
    Gunzip,
    DeflateRaw,
    InflateRaw,
    Unzip,
    BrotliDecode,
    BrotliEncode,
}

impl Mode {
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Deflate,
            2 => Self::Inflate,
            3 => Self::Gzip,
            4 => Self::Gunzip,
            5 => Self::DeflateRaw,
            6 => Self::InflateRaw,
            7 => Self::Unzip,
            8 => Self::BrotliDecode,
            9 => Self::BrotliEncode,
            _ => return None,
        })
    }
}

/// Why a step failed, as Node words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: String,
    pub(crate) number: i32,
}

impl Failure {
    fn new(message: &str, code: &str, number: i32) -> Self {
        let (message, code) = (message.to_owned(), code.to_owned());
        Self {
            message,
            code,
            number,
        }
    }

    fn unexpected_end() -> Self {
        Self::new("unexpected end of file", "Z_BUF_ERROR", -5)
    }
}

/// A stream with its state.
pub(crate) enum Engine {
    Zlib(Box<ZlibStream>),
    Brotli(Box<BrotliStream>),
}

/// A stream, and the memory that its steps use.
pub(crate) struct Stream {
    pub(crate) engine: Engine,
    /// A copy of the input of the steps that run in the pool.
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

/// What a step has done.
#[derive(Debug)]
pub(crate) struct Step {
    /// How many bytes it has read.
    pub(crate) read: usize,
    /// How many bytes it has written.
    pub(crate) written: usize,
    pub(crate) failure: Option<Failure>,
}

impl Engine {
    /// Reads and writes as much as it can. A defect of a library is a failure.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8], flush: i32) -> Step {
        let step = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Zlib(stream) => stream.step(input, output, flush),
            Self::Brotli(stream) => stream.step(input, output, flush),
        }));
        step.unwrap_or_else(|_| Step {
            read: 0,
            written: 0,
            failure: Some(Failure::new("Zlib error", "Z_STREAM_ERROR", -2)),
        })
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) -> Result<(), Failure> {
        match self {
            Self::Zlib(stream) => stream.reset(),
            Self::Brotli(stream) => stream.reset(),
        }
    }
}

/// The open streams, by number.
#[derive(Default)]
pub(crate) struct Streams {
    /// None while a step of it runs in the pool.
    pub(crate) by_number: HashMap<usize, Option<Stream>>,
    /// Numbers given so far: none is given twice.
    pub(crate) given: usize,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_number.keys()).finish()
    }
}
