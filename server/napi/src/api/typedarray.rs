//! Typed arrays and data views.

use std::ffi::{c_int, c_void};

use hostd_engine::{ElementType, ErrorConstructor, View, ViewKind};

use crate::abi::checked::{Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_typedarray_type, napi_value};
use crate::env::Cx;

/// Makes a typed array over a part of an array buffer.
///
/// # Differs from Node
///
/// An empty array over a detached buffer has another buffer, detached too.
pub(crate) fn napi_create_typedarray(
    cx: &Cx,
    kind: napi_typedarray_type,
    length: usize,
    buffer: Handle,
    offset: usize,
    result: Out<napi_value>,
) -> NapiResult {
    let rt = cx.rt();
    let buffer = cx.any_buffer(buffer)?;
    let element = u32::try_from(kind).ok().and_then(ElementType::from_number);
    let element = element.ok_or(Status::InvalidArg)?;
    let size = element.size();
    if !offset.is_multiple_of(size) {
        let name = element.array_name();
        let message = format!("start offset of {name} should be a multiple of {size}");
        let code = "ERR_NAPI_INVALID_TYPEDARRAY_ALIGNMENT";
        cx.throw_coded(ErrorConstructor::RangeError, code, &message);
        return Err(Status::GenericFailure);
    }
    let end = length
        .checked_mul(size)
        .and_then(|bytes| bytes.checked_add(offset));
    if end.is_none_or(|end| end > rt.byte_length(&buffer).unwrap_or(0)) {
        let code = "ERR_NAPI_INVALID_TYPEDARRAY_LENGTH";
        cx.throw_coded(
            ErrorConstructor::RangeError,
            code,
            "Invalid typed array length",
        );
        return Err(Status::GenericFailure);
    }
    let array = cx.view(&buffer, offset, length, |buffer, offset, length| {
        rt.typed_array(element, buffer, offset, length)
    })?;
    result.set(cx.push(array))
}

/// The type, length, bytes, buffer and offset of a typed array. A detached one has no length.
#[expect(clippy::too_many_arguments, reason = "the header has as many")]
pub(crate) fn napi_get_typedarray_info(
    cx: &Cx,
    array: Handle,
    kind: OptOut<napi_typedarray_type>,
    length: OptOut<usize>,
    data: OptOut<*mut c_void>,
    buffer: OptOut<napi_value>,
    offset: OptOut<usize>,
) -> NapiResult {
    let array = cx.value(array)?;
    let view = cx.rt().view(&array).ok_or(Status::InvalidArg)?;
    let ViewKind::TypedArray(element) = view.kind else {
        return Err(Status::InvalidArg);
    };
    kind.set(element as c_int)?;
    length.set(view.length())?;
    data.set_with(|| cx.address(&array));
    finish(cx, view, buffer, offset)
}

/// Makes a data view over a part of an array buffer, shared or not.
///
/// # Differs from Node
///
/// As [`napi_create_typedarray`].
pub(crate) fn napi_create_dataview(
    cx: &Cx,
    length: usize,
    buffer: Handle,
    offset: usize,
    result: Out<napi_value>,
) -> NapiResult {
    let rt = cx.rt();
    let buffer = cx.any_buffer(buffer)?;
    let end = length.checked_add(offset);
    if end.is_none_or(|end| end > rt.byte_length(&buffer).unwrap_or(0)) {
        return Err(cx.throw_coded(
            ErrorConstructor::RangeError,
            "ERR_NAPI_INVALID_DATAVIEW_ARGS",
            "byte_offset + byte_length should be less than or equal to the size in bytes of the \
             array passed in",
        ));
    }
    let view = cx.view(&buffer, offset, length, |buffer, offset, length| {
        rt.data_view(buffer, offset, length)
    })?;
    result.set(cx.push(view))
}

/// The length, bytes, buffer and offset of a data view.
pub(crate) fn napi_get_dataview_info(
    cx: &Cx,
    view: Handle,
    length: OptOut<usize>,
    data: OptOut<*mut c_void>,
    buffer: OptOut<napi_value>,
    offset: OptOut<usize>,
) -> NapiResult {
    let value = cx.value(view)?;
    let view = cx.rt().view(&value).ok_or(Status::InvalidArg)?;
    if view.kind != ViewKind::DataView {
        return Err(Status::InvalidArg);
    }
    length.set(view.byte_length)?;
    data.set_with(|| cx.address(&value));
    finish(cx, view, buffer, offset)
}

fn finish(cx: &Cx, view: View, buffer: OptOut<napi_value>, offset: OptOut<usize>) -> NapiResult {
    offset.set(view.byte_offset)?;
    buffer.set_with(|| cx.push(view.buffer));
    Ok(())
}
