//! The bodies for threadsafe functions: made, shared between threads, called, released.
//!
//! Only making one needs an environment; the others may be called on any thread and pass on to
//! [`tsfn`], which has the functions themselves.

use std::ffi::c_void;
use std::sync::Arc;

use crate::abi::checked::{Data, Handle, Out, ThreadCalls};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{
    napi_threadsafe_function, napi_threadsafe_function_call_mode,
    napi_threadsafe_function_release_mode,
};
use crate::env::tsfn::ThreadsafeSpec;
use crate::env::{Cx, tsfn};

/// `napi_tsfn_abort`.
const ABORT: napi_threadsafe_function_release_mode = 1;
/// `napi_tsfn_nonblocking`.
const NONBLOCKING: napi_threadsafe_function_call_mode = 0;

/// Makes a threadsafe function.
pub(crate) fn napi_create_threadsafe_function(
    cx: &Cx,
    function: Option<Handle>,
    (resource, name): (Option<Handle>, Handle),
    (limit, threads): (usize, usize),
    calls: ThreadCalls,
    result: Out<napi_threadsafe_function>,
) -> NapiResult {
    let function = function.map(|function| cx.function(function)).transpose()?;
    if function.is_none() && calls.call_js.is_none() {
        return Err(Status::InvalidArg);
    }
    super::async_context::check_resource(cx, resource, name)?;
    let inbox = Arc::clone(&cx.host.inbox);
    let spec = ThreadsafeSpec {
        function,
        limit,
        threads,
        calls,
    };
    let id = cx.env.new_threadsafe(inbox, spec)?;
    cx.host.round.borrow_mut().add(id);
    cx.made(id);
    result.set(napi_threadsafe_function(id))
}

/// Queues a call of the function. From any thread.
///
/// # Differs from Node
///
/// A blocking call on the host's own thread that finds the queue full is `napi_would_deadlock`;
/// Node never returns.
pub(crate) fn napi_call_threadsafe_function(
    function: napi_threadsafe_function,
    data: Data,
    mode: napi_threadsafe_function_call_mode,
) -> NapiResult {
    tsfn::call(function.0, data, mode != NONBLOCKING)
}

/// The context pointer. From any thread.
pub(crate) fn napi_get_threadsafe_function_context(
    function: napi_threadsafe_function,
    result: Out<*mut c_void>,
) -> NapiResult {
    result.set(tsfn::context(function.0)?.0)
}

/// One more thread uses it. From any thread.
pub(crate) fn napi_acquire_threadsafe_function(function: napi_threadsafe_function) -> NapiResult {
    tsfn::acquire(function.0)
}

/// One thread less uses it. From any thread. The last one, or an abort, has it finalized.
pub(crate) fn napi_release_threadsafe_function(
    function: napi_threadsafe_function,
    mode: napi_threadsafe_function_release_mode,
) -> NapiResult {
    tsfn::release(function.0, mode == ABORT)
}

/// Lets the host end although it is open.
pub(crate) fn napi_unref_threadsafe_function(
    (): (),
    function: napi_threadsafe_function,
) -> NapiResult {
    tsfn::set_referenced(function.0, false)
}

/// Keeps the host busy while it is open.
pub(crate) fn napi_ref_threadsafe_function(
    (): (),
    function: napi_threadsafe_function,
) -> NapiResult {
    tsfn::set_referenced(function.0, true)
}
