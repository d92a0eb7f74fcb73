//! Numbers, in and out, with C's types and ECMAScript's conversions.

use hostd_engine::Value;

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// Makes a number.
pub(crate) fn napi_create_double(cx: &Cx, value: f64, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(Value::from(value)))
}

/// Makes a number.
pub(crate) fn napi_create_int32(cx: &Cx, value: i32, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(Value::from(value)))
}

/// Makes a number.
pub(crate) fn napi_create_uint32(cx: &Cx, value: u32, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(Value::from(f64::from(value))))
}

/// Makes a number, rounded beyond 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a number has 53 bits, as in Node"
)]
pub(crate) fn napi_create_int64(cx: &Cx, value: i64, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(Value::from(value as f64)))
}

/// Reads a number.
pub(crate) fn napi_get_value_double(cx: &Cx, value: Handle, result: Out<f64>) -> NapiResult {
    let value = cx.read(value, Value::as_f64)?;
    result.set(value.ok_or(Status::NumberExpected)?)
}

/// Reads a number modulo 2^32; NaN and the infinities are 0.
pub(crate) fn napi_get_value_int32(cx: &Cx, value: Handle, result: Out<i32>) -> NapiResult {
    let value = cx.read(value, Value::as_wrapped_i32)?;
    result.set(value.ok_or(Status::NumberExpected)?)
}

/// Reads a number modulo 2^32; NaN and the infinities are 0.
pub(crate) fn napi_get_value_uint32(cx: &Cx, value: Handle, result: Out<u32>) -> NapiResult {
    let value = cx.read(value, Value::as_wrapped_i32)?;
    result.set(value.ok_or(Status::NumberExpected)?.cast_unsigned())
}

/// Reads a number saturated to the type; NaN and the infinities are 0.
pub(crate) fn napi_get_value_int64(cx: &Cx, value: Handle, result: Out<i64>) -> NapiResult {
    let value = cx.read(value, Value::as_saturated_i64)?;
    result.set(value.ok_or(Status::NumberExpected)?)
}

// The fast paths of the functions above.

/// See [`napi_create_double`].
#[inline]
pub(crate) fn fast_create_double(
    cx: &Cx,
    value: f64,
    result: Out<napi_value>,
) -> Option<NapiResult> {
    Some(result.set(cx.fast_handle(&Value::from(value))?))
}

/// See [`napi_create_int32`].
#[inline]
pub(crate) fn fast_create_int32(
    cx: &Cx,
    value: i32,
    result: Out<napi_value>,
) -> Option<NapiResult> {
    Some(result.set(cx.fast_handle(&Value::from(value))?))
}

/// See [`napi_create_uint32`].
#[inline]
pub(crate) fn fast_create_uint32(
    cx: &Cx,
    value: u32,
    result: Out<napi_value>,
) -> Option<NapiResult> {
    Some(result.set(cx.fast_handle(&Value::from(f64::from(value)))?))
}

/// See [`napi_get_value_double`].
#[inline]
pub(crate) fn fast_get_double(cx: &Cx, value: Handle, result: Out<f64>) -> Option<NapiResult> {
    Some(result.set(cx.fast_read(value, Value::as_f64)?))
}

/// See [`napi_get_value_int32`].
#[inline]
pub(crate) fn fast_get_int32(cx: &Cx, value: Handle, result: Out<i32>) -> Option<NapiResult> {
    Some(result.set(cx.fast_read(value, Value::as_int)?))
}

/// See [`napi_get_value_uint32`].
#[inline]
pub(crate) fn fast_get_uint32(cx: &Cx, value: Handle, result: Out<u32>) -> Option<NapiResult> {
    let value = cx.fast_read(value, Value::as_int)?;
    Some(result.set(value.cast_unsigned()))
}

/// See [`napi_get_value_int64`].
#[inline]
pub(crate) fn fast_get_int64(cx: &Cx, value: Handle, result: Out<i64>) -> Option<NapiResult> {
    let value = cx.fast_read(value, Value::as_int)?;
    Some(result.set(i64::from(value)))
}
