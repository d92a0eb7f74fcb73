//! The native functions of the binding `string_decoder`: texts whose bytes arrive in pieces.
//!
//! The state is a view of [`SIZE`] bytes that the script holds: the bytes of an incomplete character,
//! how many it misses, how many there are, and the number of the encoding.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};

use super::bytes::argument;
use super::encoding;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[("decode", decode), ("flush", flush)];

const SIZE: usize = 7;
const MISSING: usize = 4;
const BUFFERED: usize = 5;
const ENCODING: usize = 6;
/// The most bytes that an incomplete character has.
const CHARACTER_MAX: usize = 4;

const UTF8: u8 = 1;
const BASE64: u8 = 2;
const UTF16: u8 = 3;
const LATIN1: u8 = 4;
const HEX: u8 = 5;
const BASE64_URL: u8 = 7;

/// The bytes of an incomplete character.
struct State {
    bytes: [u8; CHARACTER_MAX],
    missing: usize,
    buffered: usize,
    encoding: u8,
}

impl State {
    /// Scripts can write to the view: what it says is brought within bounds.
    fn read(rt: Runtime, view: &Value) -> Option<Self> {
        let mut raw = [0; SIZE];
        if !rt.read_bytes(view, 0, &mut raw) {
            return None;
        }
        let buffered = usize::from(raw[BUFFERED]).min(CHARACTER_MAX);
        Some(Self {
            bytes: [raw[0], raw[1], raw[2], raw[3]],
            missing: usize::from(raw[MISSING]).min(CHARACTER_MAX - buffered),
            buffered,
            encoding: raw[ENCODING],
        })
    }

    fn write(&self, rt: Runtime, view: &Value) {
        let small = |count: usize| u8::try_from(count).unwrap_or(0);
        let [a, b, c, d] = self.bytes;
        let (missing, buffered) = (small(self.missing), small(self.buffered));
        rt.write_bytes(view, 0, &[a, b, c, d, missing, buffered, self.encoding]);
    }

    fn has_characters(&self) -> bool {
        matches!(self.encoding, UTF8 | UTF16 | BASE64 | BASE64_URL)
    }

    /// Takes bytes that the incomplete character misses; returns the rest. If it is complete then,
    /// its bytes are appended to `whole`.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], whole: &mut Vec<u8>) -> &'a [u8] {
        if self.missing > 0 {
            let wanted = &bytes[..self.missing.min(bytes.len())];
            let bad = wanted.iter().position(|byte| byte & 0xc0 != 0x80);
            let count = match bad {
                // Not a byte of this character: it ends here, incomplete.
                Some(at) if self.encoding == UTF8 => {
                    self.missing = at;
                    at
                }
                _ => wanted.len(),
            };
            self.bytes[self.buffered..self.buffered + count].copy_from_slice(&bytes[..count]);
            self.buffered += count;
            self.missing -= count;
            bytes = &bytes[count..];
            if self.missing == 0 {
                whole.extend_from_slice(&self.bytes[..self.buffered]);
                self.buffered = 0;
            }
        }
        bytes
    }

    /// Keeps the incomplete character at the end of the bytes; returns what is before it.
    fn hold_back<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(&last) = bytes.last() else {
            return bytes;
        };
        (self.buffered, self.missing) = match self.encoding {
            UTF8 => incomplete_utf8(bytes),
            UTF16 if bytes.len() % 2 == 1 => (1, 1),
            UTF16 if last & 0xfc == 0xd8 => (2, 2),
            BASE64 | BASE64_URL if !bytes.len().is_multiple_of(3) => {
                (bytes.len() % 3, 3 - bytes.len() % 3)
            }
            _ => (0, 0),
        };
        let (before, held) = bytes.split_at(bytes.len() - self.buffered);
        self.bytes[..held.len()].copy_from_slice(held);
        before
    }
}

/// How many bytes at the end belong to an incomplete character, and how many that misses.
fn incomplete_utf8(bytes: &[u8]) -> (usize, usize) {
    for (index, byte) in bytes.iter().rev().take(CHARACTER_MAX).enumerate() {
        let count = index + 1;
        let length = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => 0,
        };
        return if count < length {
            (count, length - count)
        } else {
            (0, 0)
        };
    }
    (0, 0)
}

/// `decode(state, view)`: the text of the bytes so far, without an incomplete character at the end.
fn decode(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(mut state), Some(bytes)) = (
        State::read(rt, argument(call, 0)),
        rt.copy_bytes(argument(call, 1))?,
    ) else {
        return Err(rt.type_error("decode needs a state and bytes"));
    };
    if !state.has_characters() {
        return text(rt, state.encoding, &bytes);
    }
    let mut whole = Vec::new();
    rt.reserve(&mut whole, bytes.len() + CHARACTER_MAX)?;
    let rest = state.complete(&bytes, &mut whole);
    let complete = text(rt, state.encoding, &whole)?;
    if rest.is_empty() {
        state.write(rt, argument(call, 0));
        return Ok(complete);
    }
    let body = text(rt, state.encoding, state.hold_back(rest))?;
    state.write(rt, argument(call, 0));
    joined(rt, &complete, body)
}

fn joined(rt: Runtime, first: &Value, second: Value) -> JsResult {
    let (left, right) = (rt.utf16(first)?, rt.utf16(&second)?);
    if left.as_units().is_empty() {
        return Ok(second);
    }
    let mut units = Vec::new();
    rt.reserve(&mut units, left.as_units().len() + right.as_units().len())?;
    units.extend_from_slice(left.as_units());
    units.extend_from_slice(right.as_units());
    rt.string_utf16(&units)
}

/// `flush(state)`: the text of the incomplete character.
fn flush(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(mut state) = State::read(rt, argument(call, 0)) else {
        return Err(rt.type_error("flush needs a state"));
    };
    if state.encoding == UTF16 {
        state.buffered &= !1;
    }
    let left = text(rt, state.encoding, &state.bytes[..state.buffered]);
    (state.missing, state.buffered) = (0, 0);
    state.write(rt, argument(call, 0));
    left
}

fn text(rt: Runtime, encoding: u8, bytes: &[u8]) -> JsResult {
    let allocated = |list: encoding::Allocated<u8>| list.map_err(|_| rt.out_of_memory());
    match encoding {
        UTF8 => rt.string_utf8(bytes),
        UTF16 => {
            let units = encoding::from_utf16_le(bytes).map_err(|_| rt.out_of_memory())?;
            rt.string_utf16(&units)
        }
        BASE64 => rt.string_latin1(&allocated(encoding::to_base64(bytes))?),
        BASE64_URL => rt.string_latin1(&allocated(encoding::to_base64_url(bytes))?),
        HEX => rt.string_latin1(&allocated(encoding::to_hex(bytes))?),
        LATIN1 => rt.string_latin1(bytes),
        _ => rt.string_latin1(&rt.list_from(bytes.iter().map(|byte| byte & 0x7f))?),
    }
}
