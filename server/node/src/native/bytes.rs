//! The native functions that `buffer.js` and the text encoders call: they read and write the bytes of
//! views, in each encoding of Node.
//!
//! The scripts pass the arguments in this order; all else is checked. An invalid argument makes the
//! result `undefined`.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use memchr::memmem;

use super::encoding::{self, Allocated, Encoding};

/// What the module `buffer` has beside the methods of `Buffer`.
pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[("isUtf8", is_utf8), ("isAscii", is_ascii)];

/// The argument at an index, or `undefined`.
pub(crate) fn argument<'a>(call: &Invocation<'a>, index: usize) -> &'a Value {
    const NONE: &Value = &Value::UNDEFINED;
    call.args.get(index).unwrap_or(NONE)
}

/// The argument at an index as an offset or length.
pub(super) fn size(call: &Invocation<'_>, index: usize) -> Option<usize> {
    let number = argument(call, index).as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked"
    )]
    (number >= 0.0 && number <= 2_f64.powi(53) && number.fract() == 0.0).then_some(number as usize)
}

fn encoding(call: &Invocation<'_>, index: usize) -> Encoding {
    let number = argument(call, index).as_i32().unwrap_or(0);
    Encoding::from_number(number).unwrap_or(Encoding::Utf8)
}

/// A copy of the bytes of a view from `start` to `end`; none if they are not inside of it.
fn copy_range(rt: Runtime, view: &Value, start: usize, end: usize) -> JsResult<Option<Vec<u8>>> {
    if start > end || rt.byte_length(view).is_none_or(|length| end > length) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    rt.reserve(&mut bytes, end - start)?;
    bytes.resize(end - start, 0);
    Ok(rt.read_bytes(view, start, &mut bytes).then_some(bytes))
}

/// The list, or the exception that there is no memory for it.
fn allocated<T>(rt: Runtime, list: Allocated<T>) -> JsResult<Vec<T>> {
    list.map_err(|_| rt.out_of_memory())
}

/// The bytes of a text.
fn encoded(rt: Runtime, text: &Value, encoding: Encoding) -> JsResult<Vec<u8>> {
    Ok(match encoding {
        Encoding::Utf8 => rt.copied(rt.utf8(text)?.as_bytes())?,
        Encoding::Utf16 => allocated(rt, encoding::to_utf16_le(rt.utf16(text)?.as_units()))?,
        #[expect(clippy::cast_possible_truncation, reason = "Node takes the low byte")]
        Encoding::Latin1 | Encoding::Ascii => {
            rt.list_from(rt.utf16(text)?.as_units().iter().map(|&unit| unit as u8))?
        }
        Encoding::Hex => allocated(rt, encoding::from_hex(rt.utf8(text)?.as_bytes()))?,
        Encoding::Base64 | Encoding::Base64Url => {
            allocated(rt, encoding::from_base64(rt.utf8(text)?.as_bytes()))?
        }
    })
}

/// `encode(string, encoding)`: an `ArrayBuffer` of the bytes.
pub(crate) fn encode(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let text = argument(call, 0);
    match encoding(call, 1) {
        // Copied once, from the engine's own text.
        Encoding::Utf8 => rt.array_buffer_copy(rt.utf8(text)?.as_bytes()),
        other => rt.array_buffer_from(encoded(rt, text, other)?),
    }
}

/// `decode(view, encoding, start, end)`: the text of these bytes.
pub(crate) fn decode(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(start), Some(end)) = (size(call, 2), size(call, 3)) else {
        return Ok(Value::UNDEFINED);
    };
    let Some(mut bytes) = copy_range(rt, argument(call, 0), start, end)? else {
        return Ok(rt.string_empty());
    };
    match encoding(call, 1) {
        Encoding::Utf8 => rt.string_utf8(&bytes),
        Encoding::Utf16 => rt.string_utf16(&allocated(rt, encoding::from_utf16_le(&bytes))?),
        Encoding::Latin1 => rt.string_latin1(&bytes),
        Encoding::Ascii => {
            for byte in &mut bytes {
                *byte &= 0x7f;
            }
            rt.string_latin1(&bytes)
        }
        Encoding::Hex => rt.string_latin1(&allocated(rt, encoding::to_hex(&bytes))?),
        Encoding::Base64 => rt.string_latin1(&allocated(rt, encoding::to_base64(&bytes))?),
        Encoding::Base64Url => rt.string_latin1(&allocated(rt, encoding::to_base64_url(&bytes))?),
    }
}

/// `write(view, string, offset, length, encoding)`: the number of bytes written. Writes whole
/// characters only.
pub(crate) fn write(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let view = argument(call, 0);
    let (Some(offset), Some(length)) = (size(call, 2), size(call, 3)) else {
        return Ok(Value::UNDEFINED);
    };
    let encoding = encoding(call, 4);
    let bytes = encoded(rt, argument(call, 1), encoding)?;
    // Only now, because reading the text may have run a `toString` that shrank the view.
    let after = rt.byte_length(view).unwrap_or(0).saturating_sub(offset);
    let space = after.min(length);
    let count = match encoding {
        Encoding::Utf8 => encoding::whole_utf8(&bytes, space),
        Encoding::Utf16 => bytes.len().min(space & !1),
        _ => bytes.len().min(space),
    };
    rt.write_bytes(view, offset, &bytes[..count]);
    Ok(length_value(count))
}

/// `byteLength(string)`: the number of bytes in UTF-8.
pub(crate) fn byte_length(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let text = rt.utf8(argument(call, 0))?;
    Ok(length_value(text.as_bytes().len()))
}

/// `isUtf8(bytes)`.
fn is_utf8(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let bytes = rt.copy_bytes(argument(call, 0))?.unwrap_or_default();
    Ok(Value::from(std::str::from_utf8(&bytes).is_ok()))
}

/// `isAscii(bytes)`.
fn is_ascii(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let bytes = rt.copy_bytes(argument(call, 0))?.unwrap_or_default();
    Ok(Value::from(bytes.is_ascii()))
}

/// `compare(a, start, end, b, start, end)`: -1, 0 or 1.
pub(crate) fn compare(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let side = |at: usize| match (size(call, at + 1), size(call, at + 2)) {
        (Some(start), Some(end)) => copy_range(rt, argument(call, at), start, end),
        _ => Ok(None),
    };
    let (Some(left), Some(right)) = (side(0)?, side(3)?) else {
        return Ok(Value::UNDEFINED);
    };
    Ok(Value::from(left.cmp(&right) as i32))
}

/// `indexOf(view, needle, start, forward, step)`: the offset of the next needle, a view or a byte, or
/// -1; with step 2, only even offsets count.
pub(crate) fn index_of(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let needle = match argument(call, 1).as_i32() {
        Some(byte) => u8::try_from(byte).ok().map(|byte| vec![byte]),
        None => rt.copy_bytes(argument(call, 1))?,
    };
    let hay = rt.copy_bytes(argument(call, 0))?;
    let found = hay
        .zip(needle)
        .and_then(|(hay, needle)| find(&hay, &needle, call))
        .and_then(|at| i32::try_from(at).ok())
        .unwrap_or(-1);
    Ok(Value::from(found))
}

fn find(hay: &[u8], needle: &[u8], call: &Invocation<'_>) -> Option<usize> {
    let forward = argument(call, 3).as_bool()?;
    let step = size(call, 4)?.max(1);
    // An offset inside a unit is rounded down to the unit.
    let start = size(call, 2)? / step * step;
    let last = hay.len().checked_sub(needle.len())?;
    let is_aligned = |at: &usize| at.is_multiple_of(step);
    if forward {
        let finder = memmem::Finder::new(needle);
        let mut from = start;
        while from <= last {
            let at = from + finder.find(hay.get(from..)?)?;
            if is_aligned(&at) {
                return Some(at);
            }
            from = at + 1;
        }
        return None;
    }
    let finder = memmem::FinderRev::new(needle);
    let mut end = start.min(last) + needle.len();
    loop {
        let at = finder.rfind(hay.get(..end)?)?;
        if is_aligned(&at) {
            return Some(at);
        }
        end = (at + needle.len()).checked_sub(1)?;
    }
}

/// `fill(view, pattern, start, end)`: writes the pattern repeatedly.
pub(crate) fn fill(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    const CHUNK: usize = 1 << 16;
    let view = argument(call, 0);
    let pattern = rt.copy_bytes(argument(call, 1))?.unwrap_or_default();
    let (Some(mut at), Some(end)) = (size(call, 2), size(call, 3)) else {
        return Ok(Value::UNDEFINED);
    };
    let end = end.min(rt.byte_length(view).unwrap_or(0));
    if pattern.is_empty() {
        return Ok(Value::UNDEFINED);
    }
    let needed = end.saturating_sub(at) / pattern.len() + 1;
    let repeats = (CHUNK / pattern.len()).max(1).min(needed);
    let mut chunk = Vec::new();
    rt.reserve(&mut chunk, repeats * pattern.len())?;
    for _ in 0..repeats {
        chunk.extend_from_slice(&pattern);
    }
    while at < end {
        let count = chunk.len().min(end - at);
        rt.write_bytes(view, at, &chunk[..count]);
        at += count;
    }
    Ok(Value::UNDEFINED)
}

/// `swap(view, size)`: reverses each group of `size` bytes.
pub(crate) fn swap(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let view = argument(call, 0);
    if let (Some(mut bytes), Some(size)) = (rt.copy_bytes(view)?, size(call, 1)) {
        bytes
            .chunks_exact_mut(size.max(1))
            .for_each(<[u8]>::reverse);
        rt.write_bytes(view, 0, &bytes);
    }
    Ok(Value::UNDEFINED)
}

/// The layout of a number in memory, which `buffer.js` encodes in one integer.
#[derive(Clone, Copy)]
struct Number {
    size: usize,
    code: i32,
}

const SIGNED: i32 = 16;
const BIG_ENDIAN: i32 = 32;
const FLOAT: i32 = 64;
const BIGINT: i32 = 128;

impl Number {
    fn of(code: i32) -> Option<Self> {
        let size = usize::try_from(code & 15).ok()?;
        (1..=8).contains(&size).then_some(Self { size, code })
    }

    fn is(self, flag: i32) -> bool {
        self.code & flag != 0
    }

    /// Little-endian bytes from those in memory, or the other way round.
    fn ordered(self, mut bytes: [u8; 8]) -> [u8; 8] {
        if self.is(BIG_ENDIAN) {
            bytes[..self.size].reverse();
        }
        bytes
    }
}

/// `readNumber(view, offset, code)`: the number; `undefined` if it is not inside the view.
pub(crate) fn read_number(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some((number, offset)) = number_at(call, 1, 2) else {
        return Ok(Value::UNDEFINED);
    };
    let mut bytes = [0; 8];
    if !rt.read_bytes(argument(call, 0), offset, &mut bytes[..number.size]) {
        return Ok(Value::UNDEFINED);
    }
    let bits = u64::from_le_bytes(number.ordered(bytes));
    if number.is(BIGINT) {
        return if number.is(SIGNED) {
            rt.bigint_i64(bits.cast_signed())
        } else {
            rt.bigint_u64(bits)
        };
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "integers have at most 48 bits, single floats 32"
    )]
    let value = if number.is(FLOAT) && number.size == 4 {
        f64::from(f32::from_bits(bits as u32))
    } else if number.is(FLOAT) {
        f64::from_bits(bits)
    } else if number.is(SIGNED) {
        let unused = 64 - 8 * number.size;
        (bits.cast_signed() << unused >> unused) as f64
    } else {
        bits as f64
    };
    Ok(Value::from(value))
}

/// `writeNumber(view, value, offset, code)`: the offset after it; `undefined` if it is not inside the
/// view.
pub(crate) fn write_number(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some((number, offset)) = number_at(call, 2, 3) else {
        return Ok(Value::UNDEFINED);
    };
    let value = argument(call, 1);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the script checked the range; a fraction is cut off and NaN is 0, as in Node"
    )]
    let bits = if number.is(BIGINT) {
        let mixed = "Cannot mix BigInt and other types, use explicit conversions";
        let bits = rt.bigint_as_u64(value);
        bits.ok_or_else(|| rt.type_error(mixed))?.0
    } else {
        let value = value.as_f64().unwrap_or(f64::NAN);
        match (number.is(FLOAT), number.size) {
            (true, 4) => u64::from((value as f32).to_bits()),
            (true, _) => value.to_bits(),
            (false, _) => (value as i64).cast_unsigned(),
        }
    };
    let bytes = number.ordered(bits.to_le_bytes());
    if rt.write_bytes(argument(call, 0), offset, &bytes[..number.size]) {
        Ok(length_value(offset + number.size))
    } else {
        Ok(Value::UNDEFINED)
    }
}

/// The layout and the offset among the arguments, at these indices.
fn number_at(call: &Invocation<'_>, offset: usize, code: usize) -> Option<(Number, usize)> {
    let number = Number::of(argument(call, code).as_i32()?)?;
    Some((number, size(call, offset)?))
}

fn length_value(length: usize) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "buffers are shorter than 2^31 bytes"
    )]
    Value::from(length as f64)
}
