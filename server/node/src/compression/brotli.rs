//! Streams of brotli.

use brotli::enc::BrotliEncoderParams;
use brotli::enc::StandardAlloc;
use brotli::enc::backward_references::BrotliEncoderMode;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderStateStruct};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::{Failure, Step};

const FINISH: i32 = 2;
/// What a parameter is that is not set.
const UNSET: u32 = u32::MAX;
/// The number of the decoder's parameter that permits large windows.
const LARGE_WINDOW: usize = 1;

type Decoder = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;
type Encoder = BrotliEncoderStateStruct<StandardAlloc>;

enum Direction {
    Encode(Box<Encoder>),
    Decode(Box<Decoder>),
}

/// One stream.
pub(crate) struct BrotliStream {
    direction: Direction,
    /// The parameters by number, as Node gives them.
    parameters: Vec<u32>,
}

impl BrotliStream {
    pub(crate) fn new(is_encoder: bool, parameters: Vec<u32>) -> Result<Self, Failure> {
        Ok(Self {
            direction: Direction::new(is_encoder, &parameters)?,
            parameters,
        })
    }

    pub(super) fn reset(&mut self) -> Result<(), Failure> {
        let is_encoder = matches!(self.direction, Direction::Encode(_));
        self.direction = Direction::new(is_encoder, &self.parameters)?;
        Ok(())
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8], flush: i32) -> Step {
        let (mut left_in, mut left_out) = (input.len(), output.len());
        let (mut read, mut written) = (0, 0);
        let failure = match &mut self.direction {
            Direction::Encode(encoder) => {
                let is_done = encoder.compress_stream(
                    operation(flush),
                    &mut left_in,
                    input,
                    &mut read,
                    &mut left_out,
                    output,
                    &mut written,
                    &mut None,
                    &mut |_, _, _, _| (),
                );
                let code = "ERR_BROTLI_COMPRESSION_FAILED";
                (!is_done).then(|| Failure::new("Compression failed", code, -1))
            }
            Direction::Decode(decoder) => {
                let mut total = 0;
                let result = BrotliDecompressStream(
                    &mut left_in,
                    &mut read,
                    input,
                    &mut left_out,
                    &mut written,
                    output,
                    &mut total,
                    decoder,
                );
                match result {
                    BrotliResult::ResultFailure => {
                        let code = decoder.error_code;
                        let name = format!("{code:?}").replacen("BROTLI_DECODER", "ERR_", 1);
                        Some(Failure::new("Decompression failed", &name, code as i32))
                    }
                    BrotliResult::NeedsMoreInput if flush == FINISH => {
                        Some(Failure::unexpected_end())
                    }
                    _ => None,
                }
            }
        };
        Step {
            read,
            written,
            failure,
        }
    }
}

impl Direction {
    fn new(is_encoder: bool, parameters: &[u32]) -> Result<Self, Failure> {
        let memory = StandardAlloc::default;
        let given = parameters.iter().enumerate();
        let mut given = given.filter(|&(_, &value)| value != UNSET);
        if is_encoder {
            let mut encoder = Box::new(Encoder::new(memory()));
            let is_set = given.all(|(number, &value)| {
                set_parameter(&mut encoder.params, number, value).is_some()
            });
            if is_set {
                return Ok(Self::Encode(encoder));
            }
        } else {
            let mut decoder = Box::new(Decoder::new_strict(memory(), memory(), memory()));
            let is_set = given.all(|(number, &value)| {
                if number == LARGE_WINDOW {
                    decoder.large_window = value != 0;
                }
                number <= LARGE_WINDOW
            });
            if is_set {
                return Ok(Self::Decode(decoder));
            }
        }
        let code = "ERR_ZLIB_INITIALIZATION_FAILED";
        Err(Failure::new("Initialization failed", code, -1))
    }
}

/// Sets a parameter of the encoder; none if there is no such parameter, or it has no such value.
fn set_parameter(params: &mut BrotliEncoderParams, number: usize, value: u32) -> Option<()> {
    match number {
        0 => {
            params.mode = match value {
                0 => BrotliEncoderMode::BROTLI_MODE_GENERIC,
                1 => BrotliEncoderMode::BROTLI_MODE_TEXT,
                2 => BrotliEncoderMode::BROTLI_MODE_FONT,
                _ => return None,
            }
        }
        1 => params.quality = i32::try_from(value).ok()?,
        2 => params.lgwin = i32::try_from(value).ok()?,
        3 => params.lgblock = i32::try_from(value).ok()?,
        4 => params.disable_literal_context_modeling = i32::from(value != 0),
        5 => params.size_hint = value as usize,
        6 => params.large_window = value != 0,
        // Postfix bits and direct distance codes, which this encoder chooses.
        7 | 8 => {}
        _ => return None,
    }
    Some(())
}

fn operation(flush: i32) -> BrotliEncoderOperation {
    match flush {
        1 => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        FINISH => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
        3 => BrotliEncoderOperation::BROTLI_OPERATION_EMIT_METADATA,
        _ => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
    }
}
