//! Strings, made of and read as UTF-8, Latin-1, UTF-16 and WTF-8.
//!
//! What is read is lent by a guard, [`Utf8`], [`Wtf8`] or [`Utf16`]. It holds a reference count on an immutable string (E7), so that reading an ASCII string
//! copies nothing. The engine reads the three bytes of an encoded surrogate as a lone surrogate,
//! Node as three errors: the UTF-8 functions follow Node, the WTF-8 ones keep lone surrogates.

use std::fmt;
use std::ops::Deref;
use std::string::FromUtf8Error;

use hostd_quickjs as q;
use hostd_shm::SharedBytes;

use crate::thread::engine;
use crate::{JsResult, Runtime, Value};

/// A string as WTF-8: UTF-8 in which lone surrogates appear as three bytes (ED A0..BF xx).
pub struct Wtf8 {
    text: *const std::ffi::c_char,
    length: usize,
}

/// A string as UTF-8; lone surrogates are replaced by U+FFFD.
pub struct Utf8 {
    text: Wtf8,
    /// The text without lone surrogates, when it had some.
    repaired: Option<String>,
}

/// A string as UTF-16 code units.
pub struct Utf16 {
    text: *const u16,
    length: usize,
}

impl Wtf8 {
    /// Reads a string, or any value by `ToString`.
    #[inline]
    pub(crate) fn new(rt: Runtime, value: &Value) -> JsResult<Wtf8> {
        let mut length = 0;
        // SAFETY: E1, E2; the out-pointer lives on our stack.
        let text = unsafe { q::JS_ToCStringLen2(rt.ctx(), &raw mut length, value.0, false) };
        Wtf8::adopt(rt, text, length)
    }

    /// Reads the text of a key.
    pub(crate) fn of_atom(rt: Runtime, atom: q::JSAtom) -> JsResult<Wtf8> {
        let mut length = 0;
        // SAFETY: E1, E8; the out-pointer lives on our stack.
        let text = unsafe { q::JS_AtomToCStringLen(rt.ctx(), &raw mut length, atom) };
        Wtf8::adopt(rt, text, length)
    }

    #[inline]
    fn adopt(rt: Runtime, text: *const std::ffi::c_char, length: q::size_t) -> JsResult<Wtf8> {
        if text.is_null() {
            return Err(rt.pending());
        }
        let length = crate::size(length);
        Ok(Wtf8 { text, length })
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: E7; the guard's count keeps the immutable string alive.
        unsafe { std::slice::from_raw_parts(self.text.cast::<u8>(), self.length) }
    }
}

impl Drop for Wtf8 {
    fn drop(&mut self) {
        let engine = engine();
        if !engine.is_null() {
            // SAFETY: E1, E7; releases the guard's own count.
            unsafe { q::JS_FreeCStringRT(engine, self.text) };
        }
    }
}

impl Utf8 {
    #[inline]
    pub(crate) fn new(rt: Runtime, text: Wtf8) -> JsResult<Utf8> {
        let bytes = text.as_bytes();
        // The engine writes valid text but for surrogates, which begin with this byte.
        let repaired = if is_ascii(bytes) || !bytes.contains(&SURROGATE_LEAD) {
            None
        } else {
            let error = std::str::from_utf8(bytes).err();
            let repaired = error.map(|error| repair(rt, bytes, error.valid_up_to()));
            repaired.transpose()?
        };
        Ok(Utf8 { text, repaired })
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.repaired {
            Some(repaired) => repaired,
            // SAFETY: E7; `new` found the immutable text to be UTF-8, or without surrogates, which are all
            // that the engine writes besides.
            None => unsafe { std::str::from_utf8_unchecked(self.text.as_bytes()) },
        }
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// Returns whether lone surrogates were replaced.
    pub fn is_lossy(&self) -> bool {
        self.repaired.is_some()
    }
}

impl Deref for Utf8 {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Deref for Wtf8 {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Utf16 {
    /// The code units.
    #[inline]
    pub fn as_units(&self) -> &[u16] {
        // SAFETY: E7; the guard's count keeps the immutable string alive.
        unsafe { std::slice::from_raw_parts(self.text, self.length) }
    }
}

impl Deref for Utf16 {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        self.as_units()
    }
}

impl Drop for Utf16 {
    fn drop(&mut self) {
        let engine = engine();
        if !engine.is_null() {
            // SAFETY: E1, E7; releases the guard's own count.
            unsafe { q::JS_FreeCStringRT_UTF16(engine, self.text) };
        }
    }
}

impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for Wtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(self.as_bytes()).fmt(f)
    }
}

impl fmt::Debug for Utf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf16_lossy(self.as_units()).fmt(f)
    }
}

/// Returns whether all bytes are ASCII. Faster than the standard library's for short texts, which
/// most are.
#[inline]
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    const SHORT: usize = 64;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if bytes.len() > SHORT {
        return bytes.is_ascii();
    }
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().fold(0, |all, byte| all | byte) < 0x80;
    };
    // The last eight bytes may overlap the chunks, which does no harm.
    let last = u64::from_ne_bytes(*last);
    let all = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .fold(last, |all, word| all | u64::from_ne_bytes(*word));
    all & HIGH == 0
}

/// Replaces encoded surrogates from `first` on by U+FFFD, which is as long.
#[cold]
fn repair(rt: Runtime, bytes: &[u8], first: usize) -> JsResult<String> {
    let mut bytes = rt.copied(bytes)?;
    let mut at = first;
    while at + 2 < bytes.len() {
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
            at += 3;
        } else {
            at += 1;
        }
    }
    // All else that the engine writes is UTF-8.
    let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
    Ok(String::from_utf8(bytes).unwrap_or_else(lossy))
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// The first byte of an encoded surrogate, and of the characters from U+D000 on.
const SURROGATE_LEAD: u8 = 0xED;

/// How long the head of a string's block is (E11).
const HEAD: usize = 24;
/// In its first word, besides the number of code units: they have 16 bits.
const WIDE: u32 = 1 << 31;
/// In its second word: the units are not right behind the head.
const ELSEWHERE: u32 = 3 << 28;

impl Value {
    /// The block of a string that is not a concatenation, and the two words at its start.
    #[inline]
    fn string_block(&self) -> Option<(*const u8, [u32; 2])> {
        if self.tag() != q::JS_TAG_STRING {
            return None;
        }
        // SAFETY: E2; the tag says that the union holds a pointer.
        let block = unsafe { q::JS_VALUE_GET_PTR(self.0) };
        // SAFETY: E11; the borrowed value keeps the block alive.
        let words = unsafe { block.cast::<[u32; 2]>().read() };
        Some((block.cast(), words))
    }

    /// The number of code units of a string in one piece; zero of every other value.
    #[inline]
    pub fn text_length(&self) -> usize {
        let block = self.string_block();
        block.map_or(0, |(_, [length, _])| (length & !WIDE) as usize)
    }

    /// The code units of a string that the engine stores as bytes in one piece, read without a
    /// call of the engine.
    #[inline]
    pub fn as_latin1(&self) -> Option<&[u8]> {
        let (block, [length, flags]) = self.string_block()?;
        if length & WIDE != 0 || flags & ELSEWHERE != 0 {
            return None;
        }
        // SAFETY: E11; the units are right behind the head.
        let units = unsafe { block.add(HEAD) };
        // SAFETY: E7, E11; the borrowed value keeps the immutable string alive.
        Some(unsafe { std::slice::from_raw_parts(units, length as usize) })
    }

    /// A text of up to 64 bytes of ASCII in one piece.
    #[inline]
    pub fn as_short_ascii(&self) -> Option<&str> {
        const SHORT: usize = 64;
        let units = self.as_latin1().filter(|units| units.len() <= SHORT)?;
        // SAFETY: E7; ASCII is UTF-8.
        is_ascii(units).then(|| unsafe { std::str::from_utf8_unchecked(units) })
    }

    /// [`as_latin1`](Self::as_latin1) if that is ASCII.
    #[inline]
    pub fn as_ascii(&self) -> Option<&[u8]> {
        self.as_latin1().filter(|units| is_ascii(units))
    }
}

impl Runtime {
    /// Returns whether the layout of strings is the one that [`Value::as_latin1`] reads (E11).
    pub(crate) fn string_units_are_found(self) -> bool {
        let narrow = |text: &[u8]| {
            let value = self.string_wtf8(text);
            value.is_ok_and(|value| value.as_latin1() == Some(text))
        };
        let wide = self.string_utf16(&[0x20AC; 3]).ok();
        let wide = wide.as_ref().and_then(Value::string_block);
        narrow(b"x")
            && narrow(b"a text that is longer than the head")
            && wide.is_some_and(|(_, [length, _])| length == WIDE | 3)
    }

    /// Makes a string; each invalid sequence becomes U+FFFD, as in Node.
    #[inline]
    pub fn string_utf8(self, text: &[u8]) -> JsResult {
        let value = self.string_wtf8(text)?;
        // What is not ASCII has fewer units than bytes, or wide ones.
        if value
            .as_latin1()
            .is_some_and(|units| units.len() == text.len())
        {
            return Ok(value);
        }
        self.checked_utf8(text, value)
    }

    /// Returns `value`, which the engine made of the text, if the text is UTF-8.
    #[cold]
    fn checked_utf8(self, text: &[u8], value: Value) -> JsResult {
        if std::str::from_utf8(text).is_ok() {
            return Ok(value);
        }
        let mut lossy = Vec::new();
        for chunk in text.utf8_chunks() {
            self.reserve(&mut lossy, chunk.valid().len() + REPLACEMENT.len())?;
            lossy.extend_from_slice(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                lossy.extend_from_slice(REPLACEMENT);
            }
        }
        self.string_wtf8(&lossy)
    }

    /// Makes a string from WTF-8: lone surrogates survive.
    #[inline]
    pub fn string_wtf8(self, text: &[u8]) -> JsResult {
        // SAFETY: E1; the engine copies the bytes.
        let raw = unsafe {
            q::JS_NewStringLen(
                self.ctx(),
                text.as_ptr().cast::<std::ffi::c_char>(),
                text.len() as _,
            )
        };
        self.adopt(raw)
    }

    /// Makes a string of WTF-8 in shared memory, which the other process must not change meanwhile.
    pub fn string_shared(self, text: &SharedBytes) -> JsResult {
        let start: *const u8 = std::ptr::with_exposed_provenance(text.address());
        // SAFETY: E15; the bytes are mapped, and the client does not change a text that it has lent.
        self.string_wtf8(unsafe { std::slice::from_raw_parts(start, text.len()) })
    }

    /// Makes a string whose code units are the bytes.
    pub fn string_latin1(self, text: &[u8]) -> JsResult {
        if text.is_ascii() {
            return self.string_wtf8(text);
        }
        let mut units: Vec<u16> = Vec::new();
        self.reserve(&mut units, text.len())?;
        units.extend(text.iter().map(|&byte| u16::from(byte)));
        self.string_utf16(&units)
    }

    /// Makes a string from UTF-16 code units, paired or not.
    pub fn string_utf16(self, units: &[u16]) -> JsResult {
        // SAFETY: E1; the engine copies the units.
        self.adopt(unsafe { q::JS_NewStringUTF16(self.ctx(), units.as_ptr(), units.len() as _) })
    }

    /// The empty string.
    pub fn string_empty(self) -> Value {
        self.intrinsics().empty_string.clone()
    }

    /// Reads a string (or any value by `ToString`) as UTF-8; copies nothing if it is ASCII.
    #[inline]
    pub fn utf8(self, value: &Value) -> JsResult<Utf8> {
        self.count_script(value);
        Utf8::new(self, Wtf8::new(self, value)?)
    }

    /// Reads a string (or any value by `ToString`) as WTF-8; copies nothing if it is ASCII.
    #[inline]
    pub fn wtf8(self, value: &Value) -> JsResult<Wtf8> {
        self.count_script(value);
        Wtf8::new(self, value)
    }

    /// Reads a string (or any value by `ToString`) as UTF-16.
    pub fn utf16(self, value: &Value) -> JsResult<Utf16> {
        self.count_script(value);
        let mut length = 0;
        // SAFETY: E1, E2; the out-pointer lives on our stack.
        let text = unsafe { q::JS_ToCStringLenUTF16(self.ctx(), &raw mut length, value.0) };
        if text.is_null() {
            return Err(self.pending());
        }
        let length = crate::size(length);
        Ok(Utf16 { text, length })
    }
}
