//! Dates.

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// `new Date(time)`.
pub(crate) fn napi_create_date(cx: &Cx, time: f64, result: Out<napi_value>) -> NapiResult {
    let date = cx.js(cx.rt().date(time))?;
    result.set(cx.push(date))
}

/// The time of a date, in milliseconds.
pub(crate) fn napi_get_date_value(cx: &Cx, value: Handle, result: Out<f64>) -> NapiResult {
    let value = cx.value(value)?;
    result.set(cx.rt().date_value(&value).ok_or(Status::DateExpected)?)
}
