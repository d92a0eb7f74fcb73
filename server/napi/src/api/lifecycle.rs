//! Instance data, and cleanup hooks for the end of the environment.

use std::ffi::c_void;

use crate::abi::callback::{AsyncHook, CleanupHook, Finalize};
use crate::abi::checked::{Data, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_async_cleanup_hook_handle;
use crate::env::Cx;
use crate::env::cleanup::{self, AsyncEntry, Hook};
use crate::env::finalizer::{Instance, Owner};
use crate::host::{self, Event};

/// Sets the instance data. The finalizer of what was set before is not called.
pub(crate) fn napi_set_instance_data(
    cx: &Cx,
    data: Data,
    finalize: Option<Finalize>,
    hint: Data,
) -> NapiResult {
    let mut finalizers = cx.host.finalizers.borrow_mut();
    if let Some(id) = cx.env.instance.get().finalizer {
        let _replaced = finalizers.remove(id);
    }
    let id = finalizers.insert(cx.finalizer(Owner::Instance, finalize, data, hint))?;
    cx.env.instance.set(Instance {
        data,
        finalizer: Some(id),
    });
    Ok(())
}

/// The instance data; NULL before it is set and from its finalizer on.
pub(crate) fn napi_get_instance_data(cx: &Cx, result: Out<*mut c_void>) -> NapiResult {
    result.set(cx.env.instance.get().data.0)
}

/// Adds a hook that is called at the end of the environment, youngest first.
///
/// # Differs from Node
///
/// A pair that was added already is `napi_invalid_arg`; Node ends the process.
pub(crate) fn napi_add_env_cleanup_hook(cx: &Cx, hook: CleanupHook, argument: Data) -> NapiResult {
    let mut hooks = cx.env.hooks.borrow_mut();
    if hooks.contains(hook, argument) {
        cx.warn_once("was given a hook and argument that it has already");
        return Err(Status::InvalidArg);
    }
    hooks.push(Hook::Plain(hook, argument));
    Ok(())
}

/// Removes a hook; one that was not added is passed over.
pub(crate) fn napi_remove_env_cleanup_hook(
    cx: &Cx,
    hook: CleanupHook,
    argument: Data,
) -> NapiResult {
    cx.env.hooks.borrow_mut().remove(hook, argument);
    Ok(())
}

/// Adds a hook that is called at the end of the environment, and is done when it is removed.
pub(crate) fn napi_add_async_cleanup_hook(
    cx: &Cx,
    hook: AsyncHook,
    argument: Data,
    handle: OptOut<napi_async_cleanup_hook_handle>,
) -> NapiResult {
    let entry = AsyncEntry {
        env: cx.env.id,
        hook,
        argument,
    };
    let id = cleanup::new_handle(&cx.host.inbox).ok_or(Status::GenericFailure)?;
    cx.host.async_hooks.borrow_mut().insert(id, entry);
    cx.env.hooks.borrow_mut().push(Hook::Async(id));
    handle.set(napi_async_cleanup_hook_handle(id))
}

/// Removes an async hook before it runs, or ends it when it is done, on any thread.
pub(crate) fn napi_remove_async_cleanup_hook(handle: napi_async_cleanup_hook_handle) -> NapiResult {
    let owner = cleanup::take_handle(handle.0).ok_or(Status::InvalidArg)?;
    match host::current() {
        Some(host) if host.forget_async_hook(handle.0) => {}
        _ => owner.post(Event::AsyncHookDone(handle.0)),
    }
    Ok(())
}
