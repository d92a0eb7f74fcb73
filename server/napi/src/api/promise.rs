//! Promises and what settles them.

use hostd_engine::{Deferred, JsResult, Runtime, Value};

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_deferred, napi_value};
use crate::env::{Cx, Unsettled};

/// Makes a promise and the id with which it is settled, once.
pub(crate) fn napi_create_promise(
    cx: &Cx,
    deferred: Out<napi_deferred>,
    promise: Out<napi_value>,
) -> NapiResult {
    let (value, settle) = cx.js(cx.rt().promise())?;
    let unsettled = Unsettled {
        deferred: settle,
        watched: None,
    };
    let id = cx.env.deferreds.borrow_mut().insert(unsettled);
    let id = id.ok_or(Status::GenericFailure)?;
    cx.made(id);
    cx.host.note_promise(&value, cx.env.id, id);
    deferred.set(napi_deferred(id))?;
    promise.set(cx.push(value))
}

/// Resolves a promise. Reactions run when the outermost call ends.
pub(crate) fn napi_resolve_deferred(
    cx: &Cx,
    deferred: napi_deferred,
    resolution: Handle,
) -> NapiResult {
    settle(cx, deferred, resolution, Runtime::resolve)
}

/// Rejects a promise.
pub(crate) fn napi_reject_deferred(
    cx: &Cx,
    deferred: napi_deferred,
    rejection: Handle,
) -> NapiResult {
    settle(cx, deferred, rejection, Runtime::reject)
}

fn settle(
    cx: &Cx,
    deferred: napi_deferred,
    value: Handle,
    settle: fn(Runtime, Deferred, &Value) -> JsResult<()>,
) -> NapiResult {
    let value = cx.value(value)?;
    let unsettled = cx.env.deferreds.borrow_mut().remove(deferred.0);
    let unsettled = unsettled.ok_or_else(|| cx.stale_id("napi_deferred", deferred.0))?;
    let settled = settle(cx.rt(), unsettled.deferred, &value);
    cx.host.notify_settled(unsettled.watched);
    cx.js(settled)
}
