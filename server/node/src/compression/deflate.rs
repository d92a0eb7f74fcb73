//! Streams of the formats that zlib knows: deflate, gzip and deflate without a header.

use zlib_rs::{
    Deflate, DeflateConfig, DeflateError, DeflateFlush, Inflate, InflateError, InflateFlush,
    Method, Status, Strategy,
};

use super::{Failure, Mode, Step};

const FINISH: i32 = 4;
/// The first two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a stream is made of. The fields are checked by [`Settings::is_valid`].
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) window_bits: i32,
    pub(crate) level: i32,
    pub(crate) memory_level: i32,
    pub(crate) strategy: i32,
    pub(crate) dictionary: Vec<u8>,
}

impl Settings {
    fn compresses(&self) -> bool {
        matches!(self.mode, Mode::Deflate | Mode::Gzip | Mode::DeflateRaw)
    }

    /// Whether zlib would take them.
    pub(crate) fn is_valid(&self) -> bool {
        let smallest = match self.mode {
            Mode::Inflate | Mode::Gunzip | Mode::Unzip if self.window_bits == 0 => 0,
            Mode::Gzip | Mode::DeflateRaw => 9,
            _ => 8,
        };
        !matches!(self.mode, Mode::BrotliDecode | Mode::BrotliEncode)
            && (smallest..=15).contains(&self.window_bits)
            && (-1..=9).contains(&self.level)
            && (1..=9).contains(&self.memory_level)
            && (0..=4).contains(&self.strategy)
    }

    /// The window bits as zlib has them, which say the format too.
    fn format(&self) -> (bool, u8) {
        let more = match self.mode {
            Mode::Gzip | Mode::Gunzip => 16,
            Mode::Unzip => 32,
            _ => 0,
        };
        let has_header = !matches!(self.mode, Mode::DeflateRaw | Mode::InflateRaw);
        let bits = u8::try_from(self.window_bits + more);
        (has_header, bits.unwrap_or(15))
    }

    fn deflate(&self) -> Deflate {
        let (has_header, bits) = self.format();
        let bits = i32::from(bits);
        Deflate::new_with_config(DeflateConfig {
            level: self.level,
            method: Method::Deflated,
            window_bits: if has_header { bits } else { -bits },
            mem_level: self.memory_level,
            strategy: Strategy::try_from(self.strategy).unwrap_or_default(),
        })
    }

    fn inflate(&self) -> Inflate {
        let (has_header, bits) = self.format();
        Inflate::new(has_header, bits)
    }
}

enum Direction {
    Deflate(Deflate),
    Inflate(Inflate),
}

/// One stream.
pub(crate) struct ZlibStream {
    settings: Settings,
    direction: Direction,
    /// What an `Unzip` is, once its first bytes were read.
    found: Mode,
    /// How many bytes of [`GZIP`] an `Unzip` has read.
    magic: usize,
}

/// What zlib answers.
enum Answer {
    Ok,
    End,
    Stuck,
    NeedsDictionary,
    Failed(i32),
}

impl ZlibStream {
    /// `settings` are valid.
    pub(crate) fn new(settings: Settings) -> Result<Self, Failure> {
        let direction = if settings.compresses() {
            Direction::Deflate(settings.deflate())
        } else {
            Direction::Inflate(settings.inflate())
        };
        let mut stream = Self {
            found: settings.mode,
            settings,
            direction,
            magic: 0,
        };
        stream.set_dictionary()?;
        Ok(stream)
    }

    fn set_dictionary(&mut self) -> Result<(), Failure> {
        let dictionary = &self.settings.dictionary;
        if dictionary.is_empty() {
            return Ok(());
        }
        let is_set = match &mut self.direction {
            Direction::Deflate(_) if self.settings.mode == Mode::Gzip => true,
            Direction::Deflate(deflate) => deflate.set_dictionary(dictionary).is_ok(),
            // Others are given it when they ask for it.
            Direction::Inflate(inflate) if self.settings.mode == Mode::InflateRaw => {
                inflate.set_dictionary(dictionary).is_ok()
            }
            Direction::Inflate(_) => true,
        };
        if is_set {
            Ok(())
        } else {
            Err(self.failure("Failed to set dictionary", -2))
        }
    }

    pub(super) fn reset(&mut self) -> Result<(), Failure> {
        match &mut self.direction {
            Direction::Deflate(deflate) => deflate.reset(),
            Direction::Inflate(inflate) => *inflate = self.settings.inflate(),
        }
        self.set_dictionary()
    }

    /// Changes the level of a stream that compresses, where zlib-rs can do so in the middle of a
    /// stream: it refuses if the new level uses another algorithm, and goes on with the old one.
    pub(crate) fn set_level(&mut self, level: i32) {
        if let (Direction::Deflate(deflate), -1..=9) = (&mut self.direction, level)
            && deflate.set_level(level).is_ok()
        {
            self.settings.level = level;
        }
    }

    fn message(&self) -> Option<&'static str> {
        match &self.direction {
            Direction::Deflate(deflate) => deflate.error_message(),
            Direction::Inflate(inflate) => inflate.error_message(),
        }
    }

    fn failure(&self, message: &str, number: i32) -> Failure {
        let code = match number {
            2 => "Z_NEED_DICT",
            -2 => "Z_STREAM_ERROR",
            -3 => "Z_DATA_ERROR",
            -4 => "Z_MEM_ERROR",
            _ => "Z_BUF_ERROR",
        };
        Failure::new(self.message().unwrap_or(message), code, number)
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8], flush: i32) -> Step {
        if self.found == Mode::Unzip {
            self.look_at(input);
        }
        let (mut read, mut written) = (0, 0);
        let mut answer = self.once(input, output, flush, &mut read, &mut written);
        if matches!(answer, Answer::NeedsDictionary)
            && !self.settings.dictionary.is_empty()
            && let Direction::Inflate(inflate) = &mut self.direction
        {
            answer = match inflate.set_dictionary(&self.settings.dictionary) {
                Ok(_) => self.once(input, output, flush, &mut read, &mut written),
                // Of a wrong dictionary, so that it is told from wrong input.
                Err(InflateError::DataError) => Answer::NeedsDictionary,
                Err(error) => Answer::of(error),
            };
        }
        // The next member of a gzip file begins where the last one ended. Zeros are padding.
        while self.found == Mode::Gunzip
            && matches!(answer, Answer::End)
            && input.get(read).is_some_and(|&byte| byte != 0)
        {
            self.direction = Direction::Inflate(self.settings.inflate());
            answer = self.once(input, output, flush, &mut read, &mut written);
        }
        let failure = self.judge(&answer, written < output.len(), flush);
        Step {
            read,
            written,
            failure,
        }
    }

    /// Finds out by its first bytes whether the input of an `Unzip` is a gzip file.
    fn look_at(&mut self, input: &[u8]) {
        for &byte in input {
            if byte != GZIP[self.magic] {
                self.found = Mode::Inflate;
                return;
            }
            self.magic += 1;
            if self.magic == GZIP.len() {
                self.found = Mode::Gunzip;
                return;
            }
        }
    }

    /// One call of zlib.
    fn once(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        flush: i32,
        read: &mut usize,
        written: &mut usize,
    ) -> Answer {
        let (input, output) = (&input[*read..], &mut output[*written..]);
        let (answer, more_read, more_written) = match &mut self.direction {
            Direction::Deflate(deflate) => {
                let before = (deflate.total_in(), deflate.total_out());
                let flush = DeflateFlush::try_from(flush).unwrap_or_default();
                let answer = Answer::from(deflate.compress(input, output, flush));
                let after = (deflate.total_in(), deflate.total_out());
                (answer, after.0 - before.0, after.1 - before.1)
            }
            Direction::Inflate(inflate) => {
                let before = (inflate.total_in(), inflate.total_out());
                let flush = InflateFlush::try_from(flush).unwrap_or(InflateFlush::SyncFlush);
                let answer = Answer::from(inflate.decompress(input, output, flush));
                let after = (inflate.total_in(), inflate.total_out());
                (answer, after.0 - before.0, after.1 - before.1)
            }
        };
        // Each is at most the length of a slice.
        *read += usize::try_from(more_read).unwrap_or(input.len());
        *written += usize::try_from(more_written).unwrap_or(output.len());
        answer
    }

    fn judge(&self, answer: &Answer, has_space: bool, flush: i32) -> Option<Failure> {
        match *answer {
            Answer::Ok | Answer::Stuck if has_space && flush == FINISH => {
                Some(self.failure("unexpected end of file", -5))
            }
            Answer::Ok | Answer::Stuck | Answer::End => None,
            Answer::NeedsDictionary if self.settings.dictionary.is_empty() => {
                Some(self.failure("Missing dictionary", 2))
            }
            Answer::NeedsDictionary => Some(self.failure("Bad dictionary", 2)),
            Answer::Failed(number) => Some(self.failure("Zlib error", number)),
        }
    }
}

impl Answer {
    fn of(error: InflateError) -> Self {
        match error {
            InflateError::NeedDict { .. } => Self::NeedsDictionary,
            InflateError::StreamError => Self::Failed(-2),
            InflateError::DataError => Self::Failed(-3),
            InflateError::MemError => Self::Failed(-4),
        }
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::BufError => Self::Stuck,
            Status::StreamEnd => Self::End,
        }
    }
}

impl From<Result<Status, InflateError>> for Answer {
    fn from(result: Result<Status, InflateError>) -> Self {
        result.map_or_else(Self::of, Self::from)
    }
}

impl From<Result<Status, DeflateError>> for Answer {
    fn from(result: Result<Status, DeflateError>) -> Self {
        result.map_or_else(|error| Self::Failed(error as i32), Self::from)
    }
}
