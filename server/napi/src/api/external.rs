//! Externals: values that carry a native pointer.

use std::ffi::c_void;

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;
use crate::env::finalizer::Owner;

/// Makes an external.
pub(crate) fn napi_create_external(
    cx: &Cx,
    data: Data,
    finalize: Option<Finalize>,
    hint: Data,
    result: Out<napi_value>,
) -> NapiResult {
    let external = cx.js(cx.rt().external([data.word(), 0, 0]))?;
    if finalize.is_some() {
        cx.attach(&external, cx.finalizer(Owner::Object, finalize, data, hint))?;
    }
    result.set(cx.push(external))
}

/// The pointer of an external.
pub(crate) fn napi_get_value_external(
    cx: &Cx,
    value: Handle,
    result: Out<*mut c_void>,
) -> NapiResult {
    let words = cx.read(value, |value| cx.rt().external_words(value))?;
    let [data, ..] = words.ok_or(Status::InvalidArg)?;
    result.set(Data::from_word(data).0)
}
