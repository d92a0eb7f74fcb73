//! Arrays.

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// `[]`.
pub(crate) fn napi_create_array(cx: &Cx, result: Out<napi_value>) -> NapiResult {
    let array = cx.no_throw(cx.rt().array())?;
    result.set(cx.push_new(array))
}

/// An array of holes. A length beyond C's `int` is 0, as in Node.
pub(crate) fn napi_create_array_with_length(
    cx: &Cx,
    length: usize,
    result: Out<napi_value>,
) -> NapiResult {
    let length = i32::try_from(length).map_or(0, i32::cast_unsigned);
    let array = cx.no_throw(cx.rt().array_with_length(length))?;
    result.set(cx.push(array))
}

/// The length of an array.
pub(crate) fn napi_get_array_length(cx: &Cx, value: Handle, result: Out<u32>) -> NapiResult {
    let length = cx.read(value, |value| cx.rt().array_length(value))?;
    result.set(length.ok_or(Status::ArrayExpected)?)
}
