//! Coercions and comparisons. Those of objects run JavaScript.
//!
//! What needs no coercion keeps its handle, as in Node: it lives as long, also where that is longer
//! than the current scope.

use hostd_engine::{ErrorConstructor, Value};

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// `Boolean(value)`.
pub(crate) fn napi_coerce_to_bool(cx: &Cx, value: Handle, result: Out<napi_value>) -> NapiResult {
    let value = cx.read(value, |value| cx.rt().to_bool(value))?;
    result.set(cx.push(Value::from(value)))
}

/// `Number(value)`; what throws is `napi_number_expected`, with the exception pending.
pub(crate) fn napi_coerce_to_number(cx: &Cx, value: Handle, result: Out<napi_value>) -> NapiResult {
    coerce(cx, value, result, Value::is_number, |value| {
        cx.js(cx.rt().to_number(value))
            .map_err(|_| Status::NumberExpected)
    })
}

/// `Object(value)`; `undefined` and `null` are `napi_object_expected`, with a `TypeError` pending.
pub(crate) fn napi_coerce_to_object(cx: &Cx, value: Handle, result: Out<napi_value>) -> NapiResult {
    coerce(cx, value, result, Value::is_object, |_| cx.object(value))
}

/// `String(value)`; what throws is `napi_string_expected`, with the exception pending.
pub(crate) fn napi_coerce_to_string(cx: &Cx, value: Handle, result: Out<napi_value>) -> NapiResult {
    coerce(cx, value, result, Value::is_string, |value| {
        cx.js(cx.rt().to_string_value(value))
            .map_err(|_| Status::StringExpected)
    })
}

/// Coerces a value, unless it is of the type already.
fn coerce(
    cx: &Cx,
    handle: Handle,
    result: Out<napi_value>,
    is_already: fn(&Value) -> bool,
    coerced: impl FnOnce(&Value) -> NapiResult<Value>,
) -> NapiResult {
    let value = cx.value(handle)?;
    if is_already(&value) {
        return result.set(handle.0);
    }
    result.set(cx.push(coerced(&value)?))
}

/// `lhs === rhs`.
pub(crate) fn napi_strict_equals(
    cx: &Cx,
    lhs: Handle,
    rhs: Handle,
    result: Out<bool>,
) -> NapiResult {
    let (lhs, rhs) = (cx.value(lhs)?, cx.value(rhs)?);
    result.set(cx.rt().strict_equals(&lhs, &rhs))
}

/// `object instanceof constructor`.
pub(crate) fn napi_instanceof(
    cx: &Cx,
    object: Handle,
    constructor: Handle,
    result: Out<bool>,
) -> NapiResult {
    let object = cx.value(object)?;
    let constructor = cx.object(constructor)?;
    if !cx.rt().is_function(&constructor) {
        cx.throw_coded(
            ErrorConstructor::TypeError,
            "ERR_NAPI_CONS_FUNCTION",
            "Constructor must be a function",
        );
        return Err(Status::FunctionExpected);
    }
    let answer = cx.rt().instance_of(&object, &constructor);
    result.set(cx.js(answer).map_err(|_| Status::GenericFailure)?)
}
