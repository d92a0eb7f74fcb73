//! How keys are made, and their text.

use std::fmt;

use hostd_quickjs as q;

use crate::string::{Wtf8, is_ascii};
use crate::{JsResult, Key, KeyRef, Runtime, Utf8, Value};

impl Key {
    /// Returns whether the key is an element's index, of any size.
    pub(crate) fn is_element(&self) -> bool {
        self.as_element().is_some()
    }

    /// The index, if the key is one of any size that arrays have.
    pub fn as_element(&self) -> Option<u32> {
        if let Some(index) = self.as_index() {
            return Some(index);
        }
        let rt = Runtime::current()?;
        if rt.key_is_symbol(self) {
            return None;
        }
        let text = rt.key_text(self).ok()?;
        let index = text.parse::<u32>().ok()?;
        (index != u32::MAX && index.to_string() == text.as_str()).then_some(index)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Runtime::current().map(|rt| rt.key_text(self)) {
            Some(Ok(text)) => write!(f, "Key({})", text.as_str()),
            _ => write!(f, "Key(#{})", self.atom),
        }
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Runtime {
    #[inline]
    fn adopt_atom(self, atom: q::JSAtom) -> JsResult<Key> {
        if atom == q::JS_ATOM_NULL {
            Err(self.pending())
        } else {
            Ok(Key::own(atom))
        }
    }

    /// Makes a key from a name; invalid UTF-8 becomes U+FFFD.
    #[inline]
    pub fn key_utf8(self, name: &[u8]) -> JsResult<Key> {
        self.state.recent_keys.get(name, || self.new_key(name))
    }

    fn new_key(self, name: &[u8]) -> JsResult<Key> {
        if is_ascii(name) {
            // SAFETY: E1; the engine copies the bytes.
            let atom = unsafe {
                q::JS_NewAtomLen(
                    self.ctx(),
                    name.as_ptr().cast::<std::ffi::c_char>(),
                    name.len() as _,
                )
            };
            return self.adopt_atom(atom);
        }
        // The engine reads a non-ASCII name as Latin-1 if such an atom exists already, so the name
        // is made a string first.
        self.key_value(&self.string_utf8(name)?)
    }

    /// Makes a key from any value, by `ToPropertyKey`.
    #[inline]
    pub fn key_value(self, value: &Value) -> JsResult<Key> {
        self.count_script(value);
        // SAFETY: E1, E2; the call borrows live values of this context.
        let atom = unsafe { q::JS_ValueToAtom(self.ctx(), value.0) };
        self.adopt_atom(atom)
    }

    /// Makes a key from an index.
    #[inline]
    pub fn key_index(self, index: u32) -> JsResult<Key> {
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        let atom = unsafe { q::JS_NewAtomUInt32(self.ctx(), index) };
        self.adopt_atom(atom)
    }

    /// The key as a value: a string or a symbol.
    #[inline]
    pub fn key_to_value(self, key: &Key) -> JsResult {
        // SAFETY: E1, E8; the call borrows an atom that we own a count of.
        self.adopt(unsafe { q::JS_AtomToValue(self.ctx(), key.atom) })
    }

    /// The text of a string key, or the description of a symbol.
    #[inline]
    pub fn key_text(self, key: &Key) -> JsResult<Utf8> {
        Utf8::new(self, Wtf8::of_atom(self, key.atom)?)
    }

    /// Returns whether typed arrays treat the key as a number: whether it is the text of one.
    pub fn key_is_numeric(self, key: &Key) -> bool {
        if key.as_index().is_some() {
            return true;
        }
        let Ok(name) = self.key_to_value(key) else {
            return false;
        };
        if !name.is_string() {
            return false;
        }
        let text = |value: &Value| self.utf8(value).ok();
        let number = self.to_number(&name).and_then(|n| self.to_string_value(&n));
        match (text(&name), number.ok().as_ref().and_then(text)) {
            (Some(name), Some(number)) => {
                name.as_bytes() == b"-0" || name.as_bytes() == number.as_bytes()
            }
            _ => false,
        }
    }

    /// Returns whether the key is a symbol.
    pub fn key_is_symbol(self, key: &Key) -> bool {
        key.as_index().is_none() && self.key_to_value(key).is_ok_and(|value| value.is_symbol())
    }
}
