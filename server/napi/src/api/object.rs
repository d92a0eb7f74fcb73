//! Objects as a whole: making them, prototypes, freezing, type tags.

use hostd_engine::{SlotData, Value};

use crate::abi::checked::{Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_type_tag, napi_value};
use crate::env::Cx;

/// `{}`.
pub(crate) fn napi_create_object(cx: &Cx, result: Out<napi_value>) -> NapiResult {
    let object = cx.no_throw(cx.rt().object())?;
    result.set(cx.push_new(object))
}

/// An object with a prototype and these properties.
///
/// # Differs from Node
///
/// A prototype that is neither an object nor null is `napi_invalid_arg`; Node ends the process.
pub(crate) fn node_api_create_object_with_properties(
    cx: &Cx,
    prototype: Option<Handle>,
    (names, values): (&[napi_value], &[napi_value]),
    result: Out<napi_value>,
) -> NapiResult {
    let rt = cx.rt();
    let prototype = prototype.map_or(Ok(Value::NULL), |handle| cx.value(handle))?;
    if !prototype.is_object() && !prototype.is_null() {
        return Err(Status::InvalidArg);
    }
    let object = cx.no_throw(rt.object_with_prototype(&prototype))?;
    for (name, value) in names.iter().zip(values) {
        let (name, value) = (cx.element(*name)?, cx.element(*value)?);
        if !name.is_string() && !name.is_symbol() {
            return Err(Status::NameExpected);
        }
        let key = cx.no_throw(rt.key_value(&name))?;
        cx.no_throw(rt.put(&object, &key, value))?;
    }
    result.set(cx.push(object))
}

/// The prototype; that of a proxy is null, for its trap does not run.
pub(crate) fn napi_get_prototype(cx: &Cx, object: Handle, result: Out<napi_value>) -> NapiResult {
    let object = cx.object(object)?;
    let prototype = cx.js(cx.rt().prototype_no_trap(&object))?;
    result.set(cx.push(prototype))
}

/// Sets the prototype. A refusal is `napi_generic_failure` without an exception, whatever a proxy's
/// trap throws, and a value that is no prototype is passed over.
pub(crate) fn node_api_set_prototype(cx: &Cx, object: Handle, value: Handle) -> NapiResult {
    let object = cx.object(object)?;
    let value = cx.value(value)?;
    if !value.is_object() && !value.is_null() {
        return Ok(());
    }
    cx.no_throw(cx.rt().set_prototype(&object, &value))
}

/// `Object.freeze(object)`.
pub(crate) fn napi_object_freeze(cx: &Cx, object: Handle) -> NapiResult {
    let object = cx.object(object)?;
    cx.js(cx.rt().freeze(&object))
}

/// `Object.seal(object)`.
pub(crate) fn napi_object_seal(cx: &Cx, object: Handle) -> NapiResult {
    let object = cx.object(object)?;
    cx.js(cx.rt().seal(&object))
}

/// Tags an object, once. A primitive's tag has no effect.
pub(crate) fn napi_type_tag_object(
    cx: &Cx,
    value: Handle,
    tag: Option<napi_type_tag>,
) -> NapiResult {
    let object = object_or_throw(cx, value)?;
    let tag = tag.ok_or(Status::InvalidArg)?;
    let slot = cx.rt().slot(&object).unwrap_or_default();
    if slot.type_tag.is_some() {
        return Err(Status::InvalidArg);
    }
    let slot = SlotData {
        type_tag: Some([tag.lower, tag.upper]),
        ..slot
    };
    cx.js(cx.rt().set_slot(&object, slot))
}

/// Returns whether the object has this very tag.
pub(crate) fn napi_check_object_type_tag(
    cx: &Cx,
    value: Handle,
    tag: Option<napi_type_tag>,
    result: OptOut<bool>,
) -> NapiResult {
    let object = object_or_throw(cx, value)?;
    let tag = tag.ok_or(Status::InvalidArg)?;
    let result = result.required()?;
    let found = cx.rt().slot(&object).and_then(|slot| slot.type_tag);
    result.set(found == Some([tag.lower, tag.upper]))
}

/// `ToObject`, of which a failure is `napi_pending_exception` here, unlike elsewhere.
fn object_or_throw(cx: &Cx, value: Handle) -> NapiResult<Value> {
    let value = cx.value(value)?;
    cx.js(cx.rt().to_object(&value))
}
