//! Async contexts. All but `napi_make_callback` are `todo` in the table.

use crate::abi::check::{Handle, OptOut};
use crate::abi::status::NapiResult;
use crate::abi::types::{napi_async_context, napi_value};
use crate::env::Cx;
use crate::host::Host;

/// Calls a function; as the outermost call it also runs next ticks and microtasks.
///
/// <https://nodejs.org/api/n-api.html#napi_make_callback>
pub(crate) fn napi_make_callback(
    cx: &Cx,
    context: Option<napi_async_context>,
    recv: Handle,
    func: Handle,
    args: &[napi_value],
    result: OptOut<napi_value>,
) -> NapiResult {
    if context.is_some() {
        // `napi_async_init` makes none yet.
        return Err(cx.stale("napi_async_context"));
    }
    let this = cx.object(recv)?;
    let function = cx.function(func)?;
    let call = || cx.with_values(args, |args| cx.rt().call(&function, &this, args));
    let value = match Host::current() {
        Some(host) if cx.host.is_idle() => host.enter(|_| call()),
        _ => call(),
    };
    let value = cx.js(value?)?;
    result.set_with(|| cx.push(value));
    Ok(())
}
