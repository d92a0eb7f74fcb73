//! Scripts.

use crate::abi::check::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// Runs a script in the global scope. What it throws is `napi_generic_failure`, with the exception
/// pending.
///
/// <https://nodejs.org/api/n-api.html#napi_run_script>
///
/// # Differs from Node
///
/// Lone surrogates in the source are U+FFFD.
pub(crate) fn napi_run_script(cx: &Cx, script: Handle, result: Out<napi_value>) -> NapiResult {
    let script = cx.value(script)?;
    if !script.is_string() {
        return Err(Status::StringExpected);
    }
    let source = cx.js(cx.rt().utf8(&script))?;
    let value = cx.rt().eval_script(&source, "napi_run_script");
    let value = cx.js(value).map_err(|_| Status::GenericFailure)?;
    result.set(cx.push(value))
}
