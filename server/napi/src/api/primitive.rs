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

/// The functions that tell whether a value is of a kind: what they ask of the engine.
macro_rules! questions {
    ($($doc:literal $name:ident: $($is:ident)|+;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $name(cx: &Cx, value: Handle, result: Out<bool>) -> NapiResult {
            result.set(cx.read(value, |value| $(cx.rt().$is(value))||+)?)
        }
    )*};
}

questions! {
    "Returns whether it is an array."
    napi_is_array: is_array;
    "Returns whether it is an array buffer; shared ones are not."
    napi_is_arraybuffer: is_array_buffer;
    "Returns whether it is a shared array buffer."
    node_api_is_sharedarraybuffer: is_shared_array_buffer;
    "Returns whether it is a view of an array buffer: any typed array or data view."
    napi_is_buffer: is_typed_array | is_data_view;
    "Returns whether it is a typed array."
    napi_is_typedarray: is_typed_array;
    "Returns whether it is a data view."
    napi_is_dataview: is_data_view;
    "Returns whether it is a date."
    napi_is_date: is_date;
    "Returns whether a constructor of errors made it, whatever its prototype is now."
    napi_is_error: is_error | is_dom_exception;
    "Returns whether it is a promise of the engine."
    napi_is_promise: is_promise;
}
