//! Properties: get, set, has, delete by key, name and index; names; definitions.
//!
//! Receivers go through `ToObject`. Setting is sloppy: a refusal is `napi_ok` without effect.

use std::ffi::c_int;

use hostd_engine::{Attributes, Descriptor as Definition, JsResult, Key, KeyQuery, Runtime, Value};

use crate::abi::checked::{Descriptor, Descriptors, Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{
    napi_key_collection_mode, napi_key_conversion, napi_key_filter, napi_value,
};
use crate::env::Cx;

const WRITABLE: c_int = 1;
const ENUMERABLE: c_int = 1 << 1;
const CONFIGURABLE: c_int = 1 << 2;
const SKIP_STRINGS: c_int = 1 << 3;
const SKIP_SYMBOLS: c_int = 1 << 4;

/// Lists the enumerable string keys, inherited ones too.
pub(crate) fn napi_get_property_names(
    cx: &Cx,
    object: Handle,
    result: Out<napi_value>,
) -> NapiResult {
    napi_get_all_property_names(cx, object, 0, ENUMERABLE | SKIP_SYMBOLS, 1, result)
}

/// Lists keys by a filter, integers first.
pub(crate) fn napi_get_all_property_names(
    cx: &Cx,
    object: Handle,
    mode: napi_key_collection_mode,
    filter: napi_key_filter,
    conversion: napi_key_conversion,
    result: Out<napi_value>,
) -> NapiResult {
    let rt = cx.rt();
    let object = cx.object(object)?;
    if !matches!(mode, 0 | 1) || !matches!(conversion, 0 | 1) {
        return Err(Status::InvalidArg);
    }
    let query = KeyQuery {
        inherited: mode == 0,
        strings: filter & SKIP_STRINGS == 0,
        symbols: filter & SKIP_SYMBOLS == 0,
        enumerable: filter & ENUMERABLE != 0,
        writable: filter & WRITABLE != 0,
        configurable: filter & CONFIGURABLE != 0,
    };
    let mut names = Vec::new();
    for key in cx.js(rt.keys(&object, query))? {
        let name = match key.as_element() {
            Some(index) if conversion == 0 => Value::from(f64::from(index)),
            _ => cx.js(rt.key_to_value(&key))?,
        };
        cx.js(rt.push(&mut names, name))?;
    }
    let names = cx.js(rt.array_from(names))?;
    result.set(cx.push(names))
}

/// `object[key] = value`.
pub(crate) fn napi_set_property(cx: &Cx, object: Handle, key: Handle, value: Handle) -> NapiResult {
    let object = cx.object(object)?;
    let value = cx.value(value)?;
    let key = key_of(cx, key)?;
    cx.js(cx.rt().set(&object, &key, value)).map(drop)
}

/// Reads `object[key]`, running getters.
pub(crate) fn napi_get_property(
    cx: &Cx,
    object: Handle,
    key: Handle,
    result: Out<napi_value>,
) -> NapiResult {
    let object = cx.object(object)?;
    let key = key_of(cx, key)?;
    let value = cx.js(cx.rt().get(&object, &key))?;
    result.set(cx.push(value))
}

/// `object[name] = value`.
pub(crate) fn napi_set_named_property(
    cx: &Cx,
    object: Handle,
    name: Option<&[u8]>,
    value: Handle,
) -> NapiResult {
    let object = cx.object(object)?;
    let value = cx.value(value)?;
    let key = required_name(cx, name)?;
    cx.js(cx.rt().set(&object, &key, value)).map(drop)
}

/// Reads `object[name]`, running getters.
pub(crate) fn napi_get_named_property(
    cx: &Cx,
    object: Handle,
    name: &[u8],
    result: Out<napi_value>,
) -> NapiResult {
    let object = cx.object(object)?;
    let key = named(cx, name)?;
    let value = cx.js(cx.rt().get(&object, &key))?;
    result.set(cx.push(value))
}

/// `object[index] = value`.
pub(crate) fn napi_set_element(cx: &Cx, object: Handle, index: u32, value: Handle) -> NapiResult {
    let object = cx.object(object)?;
    let value = cx.value(value)?;
    cx.js(cx.rt().set_index(&object, index, value)).map(drop)
}

/// Reads `object[index]`, running getters.
pub(crate) fn napi_get_element(
    cx: &Cx,
    object: Handle,
    index: u32,
    result: Out<napi_value>,
) -> NapiResult {
    if let Some(element) = cx.fast_read(object, |array| array.dense_element(index)) {
        return result.set(cx.push(element));
    }
    let object = cx.object(object)?;
    let value = cx.js(cx.rt().get_index(&object, index))?;
    result.set(cx.push(value))
}

/// The functions that answer with a boolean: what their key is made of, and what they do.
macro_rules! answers {
    ($($doc:literal $name:ident($type:ty => $key:ident, $result:ident) $act:ident;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $name(
            cx: &Cx,
            object: Handle,
            key: $type,
            result: $result<bool>,
        ) -> NapiResult {
            let object = cx.object(object)?;
            let key = $key(cx, key)?;
            result.set(cx.js(cx.rt().$act(&object, &key))?)
        }
    )*};
}

answers! {
    "`key in object`."
    napi_has_property(Handle => key_of, Out) has;
    "`Object.hasOwn(object, key)`; the key must be a string or a symbol."
    napi_has_own_property(Handle => name_of, Out) has_own;
    "`delete object[key]`; the result is false if the object keeps it."
    napi_delete_property(Handle => key_of, OptOut) delete;
    "`name in object`."
    napi_has_named_property(Option<&[u8]> => required_name, Out) has;
    "`index in object`."
    napi_has_element(u32 => element, Out) has;
    "`delete object[index]`; the result is false if the object keeps it."
    napi_delete_element(u32 => element, OptOut) delete;
}

/// Defines properties by their descriptors.
pub(crate) fn napi_define_properties(
    cx: &Cx,
    object: Handle,
    properties: Descriptors<'_>,
) -> NapiResult {
    let object = cx.object(object)?;
    for property in properties.iter() {
        let key = descriptor_key(cx, &property)?;
        define(cx, &object, &key, &property, None)?;
    }
    Ok(())
}

/// Defines one property. `method` is the function of a method, if it is made already.
///
/// A refusal does not throw: it is `napi_invalid_arg`, for methods `napi_generic_failure`.
pub(super) fn define(
    cx: &Cx,
    object: &Value,
    key: &Key,
    property: &Descriptor<'_>,
    method: Option<Value>,
) -> NapiResult {
    let rt = cx.rt();
    let attributes = attributes_of(property);
    let function = |callback| cx.js(cx.new_function(None, callback, property.data));
    let (defined, refusal) = if property.getter.is_some() || property.setter.is_some() {
        let getter = property.getter.map(function).transpose()?;
        let setter = property.setter.map(function).transpose()?;
        let (getter, setter) = (getter.as_ref(), setter.as_ref());
        let accessor = Definition::Accessor {
            getter,
            setter,
            attributes,
        };
        (rt.define(object, key, accessor), Status::InvalidArg)
    } else if let Some(callback) = property.method {
        let method = method.map_or_else(|| function(callback), Ok)?;
        (
            rt.define(object, key, Definition::Value(&method, attributes)),
            Status::GenericFailure,
        )
    } else {
        let value = cx.value(property.value.ok_or(Status::InvalidArg)?)?;
        let defined = if attributes == Attributes::ALL {
            create(rt, object, key, &value)
        } else {
            rt.define(object, key, Definition::Value(&value, attributes))
        };
        (defined, Status::InvalidArg)
    };
    if cx.js(defined)? {
        Ok(())
    } else {
        Err(refusal)
    }
}

/// Creates an ordinary data property, as Node does for a descriptor with all attributes: a refusal
/// of a typed array throws, and the length of an array is never converted.
fn create(rt: Runtime, object: &Value, key: &Key, value: &Value) -> JsResult<bool> {
    if rt.is_array(object) && rt.key_text(key)?.as_str() == "length" {
        return Ok(false);
    }
    let created = rt.define(object, key, Definition::Value(value, Attributes::ALL))?;
    if !created && rt.is_typed_array(object) && rt.key_is_numeric(key) {
        return Err(rt.type_error("Cannot redefine an element of a typed array"));
    }
    Ok(created)
}

/// The key of a name in UTF-8.
#[inline]
fn named(cx: &Cx, name: &[u8]) -> NapiResult<Key> {
    super::string::fits(name.len())?;
    cx.js(cx.rt().key_utf8(name))
}

fn required_name(cx: &Cx, name: Option<&[u8]>) -> NapiResult<Key> {
    named(cx, name.ok_or(Status::InvalidArg)?)
}

fn element(cx: &Cx, index: u32) -> NapiResult<Key> {
    cx.js(cx.rt().key_index(index))
}

/// The key of a descriptor: its UTF-8 name, else its name as a value.
pub(super) fn descriptor_key(cx: &Cx, property: &Descriptor<'_>) -> NapiResult<Key> {
    match (property.name, property.key) {
        (Some(name), _) => named(cx, name.to_bytes()),
        (None, Some(key)) => name_of(cx, key),
        (None, None) => Err(Status::InvalidArg),
    }
}

/// The attributes of a descriptor.
pub(super) fn attributes_of(property: &Descriptor<'_>) -> Attributes {
    let bits = property.attributes;
    Attributes {
        writable: bits & WRITABLE != 0,
        enumerable: bits & ENUMERABLE != 0,
        configurable: bits & CONFIGURABLE != 0,
    }
}

/// Any value as a key.
fn key_of(cx: &Cx, key: Handle) -> NapiResult<Key> {
    let key = cx.value(key)?;
    cx.js(cx.rt().key_value(&key))
}

/// A string or symbol as a key; all else is `napi_name_expected`.
fn name_of(cx: &Cx, key: Handle) -> NapiResult<Key> {
    let is_name = |key: &Value| key.is_string() || key.is_symbol();
    let key = cx.value_if(key, is_name, Status::NameExpected)?;
    cx.js(cx.rt().key_value(&key))
}
