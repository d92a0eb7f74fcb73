//! Versions, the module's own file, and the loop of libuv.

use std::ffi::{c_char, c_void};
use std::ptr;

use crate::abi::checked::Out;
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{SUPPORTED_VERSION, napi_node_version};
use crate::env::Cx;

/// The highest Node-API version, whatever the module declared.
pub(crate) fn napi_get_version(_: &Cx, result: Out<u32>) -> NapiResult {
    result.set(SUPPORTED_VERSION.cast_unsigned())
}

/// The Node version that the host reports.
pub(crate) fn napi_get_node_version(cx: &Cx, result: Out<*const napi_node_version>) -> NapiResult {
    result.set(ptr::from_ref(&cx.host.node_version_for_c))
}

/// The module's file as a `file:` URL.
pub(crate) fn node_api_get_module_file_name(cx: &Cx, result: Out<*const c_char>) -> NapiResult {
    result.set(cx.env.file_url.as_ptr())
}

/// The loop of libuv that runs on this thread, made by the first call.
pub(crate) fn napi_get_uv_event_loop(cx: &Cx, result: Out<*mut c_void>) -> NapiResult {
    let raw = cx.host.uv_loop().map_err(|error| {
        tracing::error!(%error, "cannot create a libuv loop");
        Status::GenericFailure
    })?;
    result.set(raw)
}
