//! Array buffers, shared ones too.

use std::ffi::c_void;

use hostd_engine::{JsResult, Value};

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, Handle, Memory, OptOut, Out};
use crate::abi::external_memory;
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;
use crate::env::finalizer::{Owner, token};

impl Cx {
    /// The address of a buffer's or view's bytes; NULL if there are none.
    pub(super) fn address(&self, value: &Value) -> *mut c_void {
        let pointer = self.rt().data_pointer(value).unwrap_or_default();
        Data::from_word(pointer.address).0
    }

    /// Resolves a handle to an array buffer, shared or not; all else is `napi_invalid_arg`.
    pub(super) fn any_buffer(&self, handle: Handle) -> NapiResult<Value> {
        let rt = self.rt();
        let is_buffer = |value: &_| rt.is_array_buffer(value) || rt.is_shared_array_buffer(value);
        self.value_if(handle, is_buffer, Status::InvalidArg)
    }

    /// Makes a view of a part of a buffer; of a detached one, which the engine refuses, that of an
    /// empty buffer that is then detached.
    pub(super) fn view(
        &self,
        buffer: &Value,
        offset: usize,
        length: usize,
        make: impl FnOnce(&Value, usize, usize) -> JsResult,
    ) -> NapiResult<Value> {
        if !self.rt().is_detached(buffer) {
            return self.js(make(buffer, offset, length));
        }
        let empty = self.js(self.rt().array_buffer(0))?;
        let view = self.js(make(&empty, 0, 0))?;
        self.rt().detach(&empty);
        Ok(view)
    }

    /// Makes an array buffer over memory of the addon's.
    pub(super) fn external_buffer(
        &self,
        memory: Memory,
        finalize: Option<Finalize>,
        hint: Data,
    ) -> NapiResult<Value> {
        let finalizer = self.finalizer(Owner::Buffer, finalize, memory.data, hint);
        let id = self.host.finalizers.borrow_mut().insert(finalizer)?;
        let buffer = self.js(external_memory::array_buffer(self.rt(), memory, token(id)))?;
        if finalize.is_some() {
            self.js(self.rt().hold(&buffer))?;
        }
        Ok(buffer)
    }
}

/// Makes a zeroed array buffer.
pub(crate) fn napi_create_arraybuffer(
    cx: &Cx,
    length: usize,
    data: OptOut<*mut c_void>,
    result: Out<napi_value>,
) -> NapiResult {
    let buffer = cx.js(cx.rt().array_buffer(length))?;
    data.set_with(|| cx.address(&buffer));
    result.set(cx.push_new(buffer))
}

/// Makes an array buffer over memory of the addon's, which the finalizer takes back. Over NULL it
/// is detached.
pub(crate) fn napi_create_external_arraybuffer(
    cx: &Cx,
    memory: Memory,
    finalize: Option<Finalize>,
    hint: Data,
    result: Out<napi_value>,
) -> NapiResult {
    let buffer = cx.external_buffer(memory, finalize, hint)?;
    if memory.is_null() {
        cx.rt().detach(&buffer);
    }
    result.set(cx.push(buffer))
}

/// Where an array buffer's bytes are and how many; shared ones too.
pub(crate) fn napi_get_arraybuffer_info(
    cx: &Cx,
    buffer: Handle,
    data: OptOut<*mut c_void>,
    length: OptOut<usize>,
) -> NapiResult {
    let buffer = cx.any_buffer(buffer)?;
    data.set_with(|| cx.address(&buffer));
    length.set_with(|| cx.rt().byte_length(&buffer).unwrap_or(0));
    Ok(())
}

/// Detaches an array buffer; no effect on one that is detached.
pub(crate) fn napi_detach_arraybuffer(cx: &Cx, buffer: Handle) -> NapiResult {
    let is_buffer = |value: &_| cx.rt().is_array_buffer(value);
    let buffer = cx.value_if(buffer, is_buffer, Status::ArraybufferExpected)?;
    cx.rt().detach(&buffer);
    Ok(())
}

/// Returns whether it is a detached array buffer.
pub(crate) fn napi_is_detached_arraybuffer(
    cx: &Cx,
    value: Handle,
    result: Out<bool>,
) -> NapiResult {
    let value = cx.value(value)?;
    result.set(cx.rt().is_detached(&value))
}

/// Makes a zeroed shared array buffer.
pub(crate) fn node_api_create_sharedarraybuffer(
    cx: &Cx,
    length: usize,
    data: OptOut<*mut c_void>,
    result: Out<napi_value>,
) -> NapiResult {
    let buffer = cx.js(cx.rt().shared_array_buffer(length))?;
    data.set_with(|| cx.address(&buffer));
    result.set(cx.push(buffer))
}

/// Refuses, as a runtime may: the engine's shared memory is its own.
///
/// # Differs from Node
///
/// Always `napi_no_external_buffers_allowed`; the finalizer is not called.
pub(crate) fn node_api_create_external_sharedarraybuffer(
    _: &Cx,
    _: Memory,
    (): (),
    _: Data,
    _: Out<napi_value>,
) -> NapiResult {
    Err(Status::NoExternalBuffersAllowed)
}
