//! The encodings of `Buffer`, between bytes and UTF-16 or UTF-8, as Node reads and writes them.
//! `bytes` calls this; it knows no engine.
//!
//! Reading is lenient where Node is: hexadecimal text ends at its first bad pair, base64 skips what
//! is no digit and takes both alphabets.
#![forbid(unsafe_code)]

use std::collections::TryReserveError;

/// A list as long as a script chooses, or that there is no memory for it.
pub(super) type Allocated<T> = Result<Vec<T>, TryReserveError>;

fn with_room<T>(count: usize) -> Allocated<T> {
    let mut list = Vec::new();
    list.try_reserve_exact(count)?;
    Ok(list)
}

/// How a `Buffer` method understands text; the numbers are those of `buffer.js`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Latin1,
    Ascii,
    Hex,
    Base64,
    Base64Url,
}

impl Encoding {
    pub(super) fn from_number(number: i32) -> Option<Self> {
        use Encoding::{Ascii, Base64, Base64Url, Hex, Latin1, Utf8, Utf16};
        let all = [Utf8, Utf16, Latin1, Ascii, Hex, Base64, Base64Url];
        all.get(usize::try_from(number).ok()?).copied()
    }
}

/// Reads pairs of hexadecimal digits up to the first that is none.
pub(super) fn from_hex(text: &[u8]) -> Allocated<u8> {
    let pairs = text.chunks_exact(2);
    let mut bytes = with_room(text.len() / 2)?;
    for pair in pairs {
        let [high, low] = [pair[0], pair[1]].map(|digit| HEX_VALUES[usize::from(digit)]);
        if (high | low) > 15 {
            break;
        }
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

/// The value of each hexadecimal digit; 16 for what is none.
const HEX_VALUES: [u8; 256] = {
    let mut values = [16; 256];
    let mut digit = 0;
    while digit < 16 {
        let lower = b"0123456789abcdef"[digit as usize];
        values[lower as usize] = digit;
        values[lower.to_ascii_uppercase() as usize] = digit;
        digit += 1;
    }
    values
};

/// Writes two lower-case hexadecimal digits per byte.
pub(super) fn to_hex(bytes: &[u8]) -> Allocated<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = with_room(bytes.len() * 2)?;
    text.resize(bytes.len() * 2, 0);
    for (digits, &byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    Ok(text)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of each base64 digit of either alphabet; 64 for what is none.
const BASE64_VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut digit = 0;
    while digit < 64 {
        values[BASE64[digit as usize] as usize] = digit;
        values[BASE64_URL[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// Reads base64 of either alphabet up to the first `=`.
pub(super) fn from_base64(text: &[u8]) -> Allocated<u8> {
    // All digits together are never more than this.
    let mut bytes = with_room(text.len() / 4 * 3 + 3)?;
    let mut rest = text;
    // Whole groups of digits, as long as there is nothing to skip.
    while let Some((group, after)) = rest.split_first_chunk::<4>() {
        let digits = group.map(|digit| u32::from(BASE64_VALUES[usize::from(digit)]));
        if digits.iter().fold(0, |all, digit| all | digit) > 63 {
            break;
        }
        let bits = digits[0] << 18 | digits[1] << 12 | digits[2] << 6 | digits[3];
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        rest = after;
    }
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &digit in rest.iter().take_while(|&&digit| digit != b'=') {
        let value = BASE64_VALUES[usize::from(digit)];
        if value == 64 {
            continue;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    let [_, a, b, _] = (bits << (6 * ((4 - count) % 4))).to_be_bytes();
    match count {
        2 => bytes.push(a),
        3 => bytes.extend([a, b]),
        _ => {}
    }
    Ok(bytes)
}

/// Writes base64, padded.
pub(super) fn to_base64(bytes: &[u8]) -> Allocated<u8> {
    let mut text = base64_digits(bytes, BASE64)?;
    while !text.len().is_multiple_of(4) {
        text.push(b'=');
    }
    Ok(text)
}

/// Writes base64 for URLs, which is not padded.
pub(super) fn to_base64_url(bytes: &[u8]) -> Allocated<u8> {
    base64_digits(bytes, BASE64_URL)
}

fn base64_digits(bytes: &[u8], alphabet: &[u8; 64]) -> Allocated<u8> {
    let digit = |bits: u32, shift: u32| alphabet[(bits >> shift & 63) as usize];
    let groups = bytes.chunks_exact(3);
    let rest = groups.remainder();
    let whole = bytes.len() / 3 * 4;
    // With what is left over and the padding.
    let mut text = with_room(whole + 4)?;
    text.resize(whole, 0);
    for (digits, group) in text.chunks_exact_mut(4).zip(groups) {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        digits.copy_from_slice(&[18, 12, 6, 0].map(|shift| digit(bits, shift)));
    }
    match *rest {
        [a] => text.extend([18, 12].map(|shift| digit(u32::from_be_bytes([0, a, 0, 0]), shift))),
        [a, b] => {
            text.extend([18, 12, 6].map(|shift| digit(u32::from_be_bytes([0, a, b, 0]), shift)));
        }
        _ => {}
    }
    Ok(text)
}

/// Splits UTF-16 little-endian bytes into units; an odd last byte is left out.
pub(super) fn from_utf16_le(bytes: &[u8]) -> Allocated<u16> {
    let mut units = with_room(bytes.len() / 2)?;
    let pairs = bytes.chunks_exact(2);
    units.extend(pairs.map(|unit| u16::from_le_bytes([unit[0], unit[1]])));
    Ok(units)
}

/// Joins units to UTF-16 little-endian bytes.
pub(super) fn to_utf16_le(units: &[u16]) -> Allocated<u8> {
    let mut bytes = with_room(units.len() * 2)?;
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    Ok(bytes)
}

/// How many bytes of `text` fit into `room` without cutting a character.
pub(super) fn whole_utf8(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let is_inside = |&byte: &u8| byte & 0xc0 == 0x80;
    let tail = text[..=room].iter().rev();
    room - tail.take_while(|byte| is_inside(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_ends_at_the_first_bad_pair() {
        assert_eq!(from_hex(b"abCDzz12").unwrap(), [0xab, 0xcd]);
        assert_eq!(from_hex(b"abc").unwrap(), [0xab]);
        assert_eq!(to_hex(&[0, 0xff, 0x1e]).unwrap(), b"00ff1e");
    }

    #[test]
    fn base64_skips_what_is_no_digit_and_ends_at_padding() {
        let read = |text: &[u8]| from_base64(text).unwrap();
        assert_eq!(read(b"YW Jj\nZG!Vm"), b"abcdef");
        assert_eq!(read(b"YWJj=ZGVm"), b"abc");
        assert_eq!(read(b"-_-_"), read(b"+/+/"));
        assert_eq!(read(b"Y"), b"");
        assert_eq!(read(b"YQ"), b"a");
        assert_eq!(read(b"YWI="), b"ab");
        assert_eq!(read(b""), b"");
    }

    #[test]
    fn base64_round_trips_every_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let part = &bytes[..length];
            let (text, url) = (to_base64(part).unwrap(), to_base64_url(part).unwrap());
            assert_eq!(from_base64(&text).unwrap(), part);
            assert_eq!(from_base64(&url).unwrap(), part);
        }
        assert_eq!(to_base64(b"a").unwrap(), b"YQ==");
        assert_eq!(to_base64_url(&[0xff, 0xfe]).unwrap(), b"__4");
    }

    #[test]
    fn whole_utf8_never_cuts_a_character() {
        let text = "a€😀".as_bytes();
        let fits: Vec<usize> = (0..=9).map(|room| whole_utf8(text, room)).collect();
        assert_eq!(fits, [0, 1, 1, 1, 4, 4, 4, 4, 8, 8]);
    }
}
