//! Async contexts, callback scopes, and calls that end like a task of their own.

use crate::abi::checked::{Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_async_context, napi_callback_scope, napi_value};
use crate::env::Cx;
use crate::host::Host;

/// Checks the name of an async resource, and the resource if there is one.
///
/// # Differs from Node
///
/// A name that is no handle at all is ignored, and reported in debug mode: nothing reads it. Addons
/// are published that pass the address of a text, which Node takes for a value, and a number by
/// luck.
pub(super) fn check_resource(cx: &Cx, resource: Option<Handle>, name: Handle) -> NapiResult {
    let rt = cx.rt();
    if let Some(resource) = resource {
        let resource = cx.value(resource)?;
        rt.to_object(&resource)
            .map_err(|_| Status::ObjectExpected)?;
    }
    let name = match cx.host.debug {
        Some(_) => cx.value(name).ok(),
        None => cx.host.handles.borrow().value(name.0),
    };
    if let Some(name) = name {
        rt.to_string_value(&name)
            .map_err(|_| Status::StringExpected)?;
    }
    Ok(())
}

/// Makes an async context. It is only an id that is checked when it is used, because there are no
/// async hooks.
pub(crate) fn napi_async_init(
    cx: &Cx,
    (resource, name): (Option<Handle>, Handle),
    result: Out<napi_async_context>,
) -> NapiResult {
    check_resource(cx, resource, name)?;
    let id = cx.host.contexts.borrow_mut().insert(cx.env.id);
    let id = id.ok_or(Status::GenericFailure)?;
    cx.made(id);
    result.set(napi_async_context(id))
}

/// Ends an async context.
pub(crate) fn napi_async_destroy(cx: &Cx, context: napi_async_context) -> NapiResult {
    let removed = cx.host.contexts.borrow_mut().remove(context.0);
    removed
        .map(drop)
        .ok_or_else(|| cx.stale_id("napi_async_context", context.0))
}

fn check_context(cx: &Cx, context: napi_async_context) -> NapiResult {
    if cx.host.contexts.borrow().get(context.0).is_some() {
        Ok(())
    } else {
        Err(cx.stale_id("napi_async_context", context.0))
    }
}

/// Opens a callback scope: closing the outermost one runs next ticks and microtasks.
///
/// # Differs from Node
///
/// A context that is not alive is `napi_invalid_arg`; Node reads freed memory. NULL stands for
/// none.
pub(crate) fn napi_open_callback_scope(
    cx: &Cx,
    _resource: Option<Handle>,
    context: napi_async_context,
    result: Out<napi_callback_scope>,
) -> NapiResult {
    if context.0 != 0 {
        check_context(cx, context)?;
    }
    result.set(napi_callback_scope(cx.host.open_callback_scope()))
}

/// Closes the innermost callback scope.
pub(crate) fn napi_close_callback_scope(cx: &Cx, scope: napi_callback_scope) -> NapiResult {
    if cx.host.close_callback_scope(scope.0) {
        Ok(())
    } else {
        Err(Status::CallbackScopeMismatch)
    }
}

/// Calls a function; as the outermost call it also runs next ticks and microtasks.
pub(crate) fn napi_make_callback(
    cx: &Cx,
    context: Option<napi_async_context>,
    recv: Handle,
    func: Option<Handle>,
    args: Option<&[napi_value]>,
    result: OptOut<napi_value>,
) -> NapiResult {
    if let Some(context) = context {
        check_context(cx, context)?;
    }
    let this = cx.object(recv)?;
    let function = cx.function(func.ok_or(Status::InvalidArg)?)?;
    let args = cx.arguments(args)?;
    let call = || cx.with_values(args, |args| cx.rt().call(&function, &this, args));
    let value = match Host::current() {
        Some(host) if cx.host.is_idle() => host.enter(|_| call()),
        _ => call(),
    };
    let value = cx.js(value?)?;
    result.set_with(|| cx.push(value));
    Ok(())
}
