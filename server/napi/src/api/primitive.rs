//! `undefined`, `null`, booleans, the global object, and what kind of value something is.

use std::ffi::c_int;

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_value, napi_valuetype};
use crate::env::{Cx, handles};

/// Gives `undefined`.
pub(crate) fn napi_get_undefined(_: &Cx, result: Out<napi_value>) -> NapiResult {
    result.set(handles::UNDEFINED)
}

/// Gives `null`.
pub(crate) fn napi_get_null(_: &Cx, result: Out<napi_value>) -> NapiResult {
    result.set(handles::NULL)
}

/// Gives the global object.
pub(crate) fn napi_get_global(cx: &Cx, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(cx.rt().global()))
}

/// Gives `true` or `false`.
pub(crate) fn napi_get_boolean(_: &Cx, value: bool, result: Out<napi_value>) -> NapiResult {
    result.set(if value { handles::TRUE } else { handles::FALSE })
}

/// Reads a boolean.
pub(crate) fn napi_get_value_bool(cx: &Cx, value: Handle, result: Out<bool>) -> NapiResult {
    let value = cx.read(value, hostd_engine::Value::as_bool)?;
    result.set(value.ok_or(Status::BooleanExpected)?)
}

/// The type of a value.
pub(crate) fn napi_typeof(cx: &Cx, value: Handle, result: Out<napi_valuetype>) -> NapiResult {
    result.set(cx.read(value, |value| cx.rt().kind(value))? as c_int)
}
