//! Node's `Buffer`s: `Uint8Array`s with another prototype, over array buffers of their own.

use std::ffi::c_void;

use hostd_engine::{ErrorConstructor, JsResult};

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, Handle, Memory, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// Makes a zeroed buffer. Too large a one is `napi_generic_failure`, with the exception pending.
pub(crate) fn napi_create_buffer(
    cx: &Cx,
    length: usize,
    data: OptOut<*mut c_void>,
    result: Out<napi_value>,
) -> NapiResult {
    over(cx, cx.rt().array_buffer(length), length, data, result)
}

/// Makes a buffer over memory of the addon's, which the finalizer takes back. Over NULL its array
/// buffer is detached.
pub(crate) fn napi_create_external_buffer(
    cx: &Cx,
    memory: Memory,
    finalize: Option<Finalize>,
    hint: Data,
    result: Out<napi_value>,
) -> NapiResult {
    let external = cx.external_buffer(memory, finalize, hint)?;
    let buffer = cx.js(cx.host.buffer_over(&external, 0, memory.length))?;
    if memory.is_null() {
        cx.rt().detach(&external);
    }
    result.set(cx.push(buffer))
}

/// Makes a buffer over a part of an array buffer. Out of range it returns `napi_ok` with a
/// `RangeError` pending, and for other values `napi_invalid_arg` that is not recorded, as Node
/// does.
///
/// # Differs from Node
///
/// An empty buffer over a detached array buffer has another array buffer, detached too.
pub(crate) fn node_api_create_buffer_from_arraybuffer(
    cx: &Cx,
    memory: Handle,
    offset: usize,
    length: usize,
    result: Out<napi_value>,
) -> NapiResult {
    let memory = cx.value(memory)?;
    if !cx.rt().is_array_buffer(&memory) {
        return Err(cx.unrecorded(Status::InvalidArg));
    }
    let size = cx.rt().byte_length(&memory).unwrap_or(0);
    if offset.checked_add(length).is_none_or(|end| end > size) {
        let message = "The byte offset + length is out of range";
        cx.throw_coded(ErrorConstructor::RangeError, "ERR_OUT_OF_RANGE", message);
        return Ok(());
    }
    let buffer = cx.view(&memory, offset, length, |memory, offset, length| {
        cx.host.buffer_over(memory, offset, length)
    })?;
    result.set(cx.push(buffer))
}

/// Makes a buffer with a copy of the bytes.
pub(crate) fn napi_create_buffer_copy(
    cx: &Cx,
    bytes: &[u8],
    data: OptOut<*mut c_void>,
    result: Out<napi_value>,
) -> NapiResult {
    over(
        cx,
        cx.rt().array_buffer_copy(bytes),
        bytes.len(),
        data,
        result,
    )
}

/// Makes a buffer over new memory, unless there is none.
fn over(
    cx: &Cx,
    memory: JsResult,
    length: usize,
    data: OptOut<*mut c_void>,
    result: Out<napi_value>,
) -> NapiResult {
    let memory = cx.js(memory).map_err(|_| Status::GenericFailure)?;
    let buffer = cx.js(cx.host.buffer_over(&memory, 0, length))?;
    data.set_with(|| cx.address(&memory));
    result.set(cx.push(buffer))
}

/// Where the bytes of any view are and how many.
pub(crate) fn napi_get_buffer_info(
    cx: &Cx,
    value: Handle,
    data: OptOut<*mut c_void>,
    length: OptOut<usize>,
) -> NapiResult {
    let value = cx.value(value)?;
    if !cx.rt().is_typed_array(&value) && !cx.rt().is_data_view(&value) {
        return Err(Status::InvalidArg);
    }
    if data.wanted() {
        let pointer = cx.rt().data_pointer(&value).unwrap_or_default();
        data.set(Data::from_word(pointer.address).0)?;
        return length.set(pointer.length);
    }
    length.set_with(|| cx.rt().byte_length(&value).unwrap_or(0));
    Ok(())
}
