//! The bodies for strings: made of and copied to an addon's text in three encodings.
//!
//! External strings and property keys are made here too. What is longer than a string of V8's is
//! refused, although the engine could hold it.

use hostd_engine::{JsResult, Value};

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, ExternalText, Handle, OptOut, Out, OutSlice};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;
use crate::env::finalizer::Owner;

/// The longest string of V8's, in code units.
const V8_LENGTH_MAX: usize = (1 << 29) - 24;

fn make(
    cx: &Cx,
    length: usize,
    value: impl FnOnce() -> JsResult,
    result: Out<napi_value>,
) -> NapiResult {
    fits(length)?;
    let value = cx.no_throw(value())?;
    result.set(cx.push_new(value))
}

/// Refuses a text that is too long for a string of V8's, without an exception. UTF-8 counts in
/// bytes.
#[inline]
pub(super) fn fits(length: usize) -> NapiResult {
    if length <= V8_LENGTH_MAX {
        Ok(())
    } else {
        Err(Status::GenericFailure)
    }
}

/// The functions that make a string, and one to be used as a property key.
macro_rules! of_encoding {
    ($($doc:literal $create:ident $key:ident $unit:ty: $make:ident;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $create(cx: &Cx, text: &[$unit], result: Out<napi_value>) -> NapiResult {
            make(cx, text.len(), || cx.rt().$make(text), result)
        }

        /// Makes a string to be used as a property key.
        pub(crate) fn $key(cx: &Cx, text: &[$unit], result: Out<napi_value>) -> NapiResult {
            let make_key = || interned(cx, cx.rt().$make(text));
            make(cx, text.len(), make_key, result)
        }
    )*};
}

of_encoding! {
    "Makes a string whose code units are the bytes."
    napi_create_string_latin1 node_api_create_property_key_latin1 u8: string_latin1;
    "Makes a string; each invalid sequence becomes U+FFFD."
    napi_create_string_utf8 node_api_create_property_key_utf8 u8: string_utf8;
    "Makes a string of code units, paired or not."
    napi_create_string_utf16 node_api_create_property_key_utf16 u16: string_utf16;
}

/// The functions that make a string of a text that the addon keeps.
macro_rules! external {
    ($($name:ident $unit:ty: $make:ident;)*) => {$(
        /// Makes a string; the finalizer gives the text back after the outermost call.
        ///
        /// # Differs from Node
        ///
        /// The engine keeps a copy, for it has no strings over memory of others. `copied` is false all
        /// the same: addons are published that free the text themselves where it is true, although the
        /// finalizer has run. The text stays in place for the rest of the outermost call, not until the
        /// string dies.
        pub(crate) fn $name(
            cx: &Cx,
            text: ExternalText<'_, $unit>,
            finalize: Option<Finalize>,
            hint: Data,
            result: Out<napi_value>,
            copied: OptOut<bool>,
        ) -> NapiResult {
            let length = text.units.len();
            make(cx, length, || cx.rt().$make(text.units), result)?;
            copied.set(false)?;
            give_back(cx, length, finalize, text.data, hint)
        }
    )*};
}

external! {
    node_api_create_external_string_latin1 u8: string_latin1;
    node_api_create_external_string_utf16 u16: string_utf16;
}

/// Runs the finalizer of an external text: at once for an empty one, as Node does, else later.
fn give_back(
    cx: &Cx,
    length: usize,
    finalize: Option<Finalize>,
    data: Data,
    hint: Data,
) -> NapiResult {
    let finalizer = cx.finalizer(Owner::Posted, finalize, data, hint);
    if length == 0 {
        cx.host.run_finalizer(&finalizer);
    } else if finalize.is_some() {
        return cx.post_finalizer(finalizer);
    }
    Ok(())
}

/// The interned form of a string.
fn interned(cx: &Cx, text: JsResult) -> JsResult {
    let key = cx.rt().key_value(&text?)?;
    cx.rt().key_to_value(&key)
}

/// Copies a string's bytes as Latin-1: the low byte of each code unit.
pub(crate) fn napi_get_value_string_latin1(
    cx: &Cx,
    value: Handle,
    buffer: OutSlice<'_, u8>,
    result: OptOut<usize>,
) -> NapiResult {
    let value = string(cx, value)?;
    if let Some(text) = value.as_latin1() {
        return copy(text, buffer, result, |_, end| end);
    }
    let units = cx.no_throw(cx.rt().utf16(&value))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the result is the low byte"
    )]
    let bytes: Vec<u8> = cx.no_throw(cx.rt().list_from(units.iter().map(|unit| *unit as u8)))?;
    copy(&bytes, buffer, result, |_, end| end)
}

/// Copies a string's bytes as UTF-8, never half a character.
pub(crate) fn napi_get_value_string_utf8(
    cx: &Cx,
    value: Handle,
    buffer: OutSlice<'_, u8>,
    result: OptOut<usize>,
) -> NapiResult {
    let value = cx.value(value)?;
    if let Some(text) = value.as_ascii() {
        return copy(text, buffer, result, |_, end| end);
    }
    if !value.is_string() {
        return Err(Status::StringExpected);
    }
    let text = cx.no_throw(cx.rt().utf8(&value))?;
    copy(text.as_bytes(), buffer, result, |bytes, mut end| {
        // A continuation byte at the cut means that a character would be halved.
        while end > 0 && bytes.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
            end -= 1;
        }
        end
    })
}

/// Copies a string's code units.
pub(crate) fn napi_get_value_string_utf16(
    cx: &Cx,
    value: Handle,
    buffer: OutSlice<'_, u16>,
    result: OptOut<usize>,
) -> NapiResult {
    let value = string(cx, value)?;
    let text = cx.no_throw(cx.rt().utf16(&value))?;
    copy(&text, buffer, result, |_, end| end)
}

pub(super) fn string(cx: &Cx, value: Handle) -> NapiResult<Value> {
    cx.value_if(value, Value::is_string, Status::StringExpected)
}

/// Copies what fits beside the final NUL, cut where `cut` allows it; without a buffer only the full
/// length is written.
fn copy<T: Copy + Default>(
    units: &[T],
    mut buffer: OutSlice<'_, T>,
    result: OptOut<usize>,
    cut: impl FnOnce(&[T], usize) -> usize,
) -> NapiResult {
    if buffer.is_null() {
        return if result.wanted() {
            result.set(units.len())
        } else {
            Err(Status::InvalidArg)
        };
    }
    let Some(room) = buffer.capacity().checked_sub(1) else {
        return result.set(0);
    };
    let end = if units.len() <= room {
        units.len()
    } else {
        cut(units, room)
    };
    let copied = buffer.copy_from(units.get(..end).unwrap_or(units));
    buffer.put(copied, T::default());
    result.set(copied)
}
