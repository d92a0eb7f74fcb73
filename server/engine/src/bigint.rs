//! Bigints. Up to 64 bits by the C interface; larger ones as hexadecimal text by captured
//! built-ins, which is exact and independent of the engine's private format.

use std::io::Write as _;

use hostd_quickjs as q;

use crate::{JsResult, Runtime, Thrown, Value};

/// The largest magnitude, in words: the engine's bigints have at most 2^20 bits, with the sign.
const WORDS_MAX: usize = (1 << 20) / 64;
/// The longest array of words that V8 reads, leading zeros included.
const ARRAY_MAX: usize = 1 << 24;

impl Runtime {
    /// Makes a bigint.
    pub fn bigint_i64(self, value: i64) -> JsResult {
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        self.adopt(unsafe { q::JS_NewBigInt64(self.ctx(), value) })
    }

    /// Makes a bigint.
    pub fn bigint_u64(self, value: u64) -> JsResult {
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        self.adopt(unsafe { q::JS_NewBigUint64(self.ctx(), value) })
    }

    /// Makes a bigint of sign and magnitude, the least significant word first. An array that is too
    /// long is refused before it is read.
    pub fn bigint_words(self, negative: bool, words: &[u64]) -> JsResult {
        if words.len() > ARRAY_MAX {
            return Err(self.bigint_too_large());
        }
        let significant = words
            .iter()
            .rposition(|&word| word != 0)
            .map_or(0, |last| last + 1);
        let words = &words[..significant];
        match (words, negative) {
            ([], _) => return self.bigint_i64(0),
            ([word], false) => return self.bigint_u64(*word),
            ([word], true) if *word <= 1 << 63 => {
                return self.bigint_i64(0_i64.wrapping_sub_unsigned(*word));
            }
            _ => {}
        }
        if significant > WORDS_MAX {
            return Err(self.bigint_too_large());
        }
        let positive = self.bigint_of_hex(words)?;
        if !negative {
            return Ok(positive);
        }
        self.call_native(self.negate()?, &Value::UNDEFINED, &[positive])
    }

    /// `-n`, for which there is neither a C function nor a built-in.
    fn negate(self) -> JsResult<&'static Value> {
        let cell = &self.state.negate;
        if cell.get().is_none() {
            let negate = self.eval_bootstrap("(n) => -n", "<bigint>")?;
            // It is empty: only this thread fills it.
            let _ = cell.set(negate);
        }
        cell.get().ok_or_else(|| self.bigint_too_large())
    }

    /// The low 64 bits as a signed number, and whether that is the whole value; `None` for
    /// other values.
    #[inline]
    pub fn bigint_as_i64(self, value: &Value) -> Option<(i64, bool)> {
        if !value.is_bigint() {
            return None;
        }
        let mut low = 0;
        // SAFETY: E1, E2; the out-pointer lives on our stack.
        let code = unsafe { q::JS_ToBigInt64(self.ctx(), &raw mut low, value.0) };
        let same = self.answer(code).and_then(|_| self.bigint_i64(low)).ok()?;
        Some((low, self.strict_equals(&same, value)))
    }

    /// The low 64 bits as an unsigned number, and whether that is the whole value; `None` for
    /// other values.
    #[inline]
    pub fn bigint_as_u64(self, value: &Value) -> Option<(u64, bool)> {
        let (low, _) = self.bigint_as_i64(value)?;
        let low = low.cast_unsigned();
        let same = self.bigint_u64(low).ok()?;
        Some((low, self.strict_equals(&same, value)))
    }

    /// Sign and magnitude, the least significant word first, 0 as no words; `None` for other
    /// values.
    pub fn bigint_to_words(self, value: &Value) -> JsResult<Option<(bool, Vec<u64>)>> {
        let Some((low, exact)) = self.bigint_as_i64(value) else {
            return Ok(None);
        };
        if exact {
            let words = if low == 0 {
                Vec::new()
            } else {
                vec![low.unsigned_abs()]
            };
            return Ok(Some((low < 0, words)));
        }
        let radix = [Value::from(16)];
        let text = self.call_native(&self.intrinsics().bigint_to_string, value, &radix)?;
        let text = self.utf8(&text)?;
        let (negative, digits) = match text.as_str().strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.as_str()),
        };
        let words = self.list_from(digits.as_bytes().rchunks(16).map(parse_hex))?;
        Ok(Some((negative, words)))
    }

    fn bigint_of_hex(self, words: &[u64]) -> JsResult {
        let mut text = Vec::new();
        self.reserve(&mut text, 2 + words.len() * 16)?;
        text.extend_from_slice(b"0x");
        for word in words.iter().rev() {
            // Writing to a list that has room cannot fail.
            let _ = write!(text, "{word:016x}");
        }
        let text = self.string_wtf8(&text)?;
        self.call_native(&self.intrinsics().bigint, &Value::UNDEFINED, &[text])
            .map_err(|_| self.bigint_too_large())
    }

    fn bigint_too_large(self) -> Thrown {
        self.range_error("Maximum BigInt size exceeded")
    }
}

fn parse_hex(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |word, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
        };
        (word << 4) | u64::from(value & 15)
    })
}
