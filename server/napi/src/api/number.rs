//! Numbers, in and out, with C's types and ECMAScript's conversions.

use hostd_engine::Value;

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// The functions that make a number, each with its fast path.
macro_rules! make {
    ($($name:ident $fast:ident $type:ty: $convert:expr;)*) => {$(
        /// Makes a number.
        pub(crate) fn $name(cx: &Cx, value: $type, result: Out<napi_value>) -> NapiResult {
            result.set(cx.push($convert(value)))
        }

        #[doc = concat!("See [`", stringify!($name), "`].")]
        #[inline]
        pub(crate) fn $fast(cx: &Cx, value: $type, result: Out<napi_value>) -> Option<NapiResult> {
            Some(result.set(cx.fast_handle(&$convert(value))?))
        }
    )*};
}

/// The functions that read a number: each with what it reads, and what its fast path does.
macro_rules! read {
    ($($doc:literal $name:ident $fast:ident $type:ty: $read:expr, $fast_read:expr;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $name(cx: &Cx, value: Handle, result: Out<$type>) -> NapiResult {
            result.set(cx.read(value, $read)?.ok_or(Status::NumberExpected)?)
        }

        #[doc = concat!("See [`", stringify!($name), "`].")]
        #[inline]
        pub(crate) fn $fast(cx: &Cx, value: Handle, result: Out<$type>) -> Option<NapiResult> {
            Some(result.set(cx.fast_read(value, $fast_read)?))
        }
    )*};
}

make! {
    napi_create_double fast_create_double f64: Value::from;
    napi_create_int32 fast_create_int32 i32: Value::from;
    napi_create_uint32 fast_create_uint32 u32: |value| Value::from(f64::from(value));
}

/// Makes a number, rounded beyond 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a number has 53 bits, as in Node"
)]
pub(crate) fn napi_create_int64(cx: &Cx, value: i64, result: Out<napi_value>) -> NapiResult {
    result.set(cx.push(Value::from(value as f64)))
}

read! {
    "Reads a number."
    napi_get_value_double fast_get_double f64: Value::as_f64, Value::as_f64;
    "Reads a number modulo 2^32; NaN and the infinities are 0."
    napi_get_value_int32 fast_get_int32 i32: Value::as_wrapped_i32, Value::as_int;
    "Reads a number modulo 2^32; NaN and the infinities are 0."
    napi_get_value_uint32 fast_get_uint32 u32:
        |value| value.as_wrapped_i32().map(i32::cast_unsigned),
        |value| value.as_int().map(i32::cast_unsigned);
    "Reads a number saturated to the type; NaN and the infinities are 0."
    napi_get_value_int64 fast_get_int64 i64:
        Value::as_saturated_i64, |value| value.as_int().map(i64::from);
}
