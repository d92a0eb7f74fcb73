//! Scripts.

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// Runs a script in the global scope. What it throws is `napi_generic_failure`, with the exception
/// pending.
pub(crate) fn napi_run_script(cx: &Cx, script: Handle, result: Out<napi_value>) -> NapiResult {
    let script = super::string::string(cx, script)?;
    let source = cx.js(cx.rt().wtf8(&script))?;
    let value = cx.rt().eval_wtf8(&source, "<anonymous>");
    let value = cx.js(value).map_err(|_| Status::GenericFailure)?;
    result.set(cx.push(value))
}
