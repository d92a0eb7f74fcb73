//! References: values that outlive their handles.

use crate::abi::checked::{Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_ref, napi_value};
use crate::env::Cx;

/// Makes a reference. Before version 10 only objects, functions, externals and symbols have them.
pub(crate) fn napi_create_reference(
    cx: &Cx,
    value: Handle,
    count: u32,
    result: Out<napi_ref>,
) -> NapiResult {
    let value = cx.value(value)?;
    if !value.is_object() && !value.is_symbol() && !cx.env.is_version_10() {
        return Err(Status::InvalidArg);
    }
    result.set(cx.new_reference(value, count, None)?)
}

/// The fast path of [`napi_create_reference`].
#[inline]
pub(crate) fn fast_create(
    cx: &Cx,
    value: Handle,
    count: u32,
    result: Out<napi_ref>,
) -> Option<NapiResult> {
    Some(result.set(cx.fast_reference(value, count)?))
}

/// The fast path of [`napi_delete_reference`].
#[inline]
pub(crate) fn fast_delete(cx: &Cx, reference: napi_ref) -> Option<NapiResult> {
    cx.fast_delete(reference).map(Ok)
}

/// Deletes a reference at any count.
pub(crate) fn napi_delete_reference(cx: &Cx, reference: napi_ref) -> NapiResult {
    cx.delete_reference(reference)
}

/// Counts up. A reference whose value died stays at 0, which is no failure.
pub(crate) fn napi_reference_ref(cx: &Cx, reference: napi_ref, result: OptOut<u32>) -> NapiResult {
    result.set(cx.reference_up(reference)?)
}

/// Counts down; at 0 the reference is weak.
pub(crate) fn napi_reference_unref(
    cx: &Cx,
    reference: napi_ref,
    result: OptOut<u32>,
) -> NapiResult {
    result.set(cx.reference_down(reference)?)
}

/// The fast path of [`napi_get_reference_value`].
#[inline]
pub(crate) fn fast_value(
    cx: &Cx,
    reference: napi_ref,
    result: Out<napi_value>,
) -> Option<NapiResult> {
    let references = cx.env.references.try_borrow().ok()?;
    let value = references.get(reference.0)?.strong()?;
    Some(result.set(cx.fast_handle(value)?))
}

/// The value of a reference; NULL if it died.
pub(crate) fn napi_get_reference_value(
    cx: &Cx,
    reference: napi_ref,
    result: Out<napi_value>,
) -> NapiResult {
    let value = cx.reference_value(reference)?;
    result.set(value.map_or(napi_value(0), |value| cx.push(value)))
}
