//! Async work: made, queued, cancelled, deleted.

use crate::abi::checked::{Handle, Out, WorkCalls};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_async_work;
use crate::env::Cx;
use crate::env::work::Work;
use crate::host::works::Cancel;

/// libuv's error for work that runs or was executed.
const UV_EBUSY: i32 = -16;
/// libuv's error for work that was not queued.
const UV_EINVAL: i32 = -22;

/// Makes a piece of work. It runs when it is queued.
pub(crate) fn napi_create_async_work(
    cx: &Cx,
    (resource, name): (Option<Handle>, Handle),
    calls: WorkCalls,
    result: Out<napi_async_work>,
) -> NapiResult {
    super::async_context::check_resource(cx, resource, name)?;
    let work = Work {
        env: cx.env.id,
        calls,
        ticket: None,
        was_queued: false,
    };
    let id = cx.host.works.borrow_mut().insert(work);
    let id = id.ok_or(Status::GenericFailure)?;
    cx.made(id);
    result.set(napi_async_work(id))
}

/// Forgets a piece of work. What was queued and has not begun does not run.
pub(crate) fn napi_delete_async_work(cx: &Cx, work: napi_async_work) -> NapiResult {
    if cx.host.delete_work(work.0) {
        Ok(())
    } else {
        Err(cx.stale_id("napi_async_work", work.0))
    }
}

/// Queues the work: it runs on a thread of the pool, and completes on this one.
///
/// # Differs from Node
///
/// Work that is queued or running already is `napi_generic_failure`; Node does as it may.
pub(crate) fn napi_queue_async_work(cx: &Cx, work: napi_async_work) -> NapiResult {
    let mut works = cx.host.works.borrow_mut();
    let Some(entry) = works.get_mut(work.0) else {
        return Err(cx.stale_id("napi_async_work", work.0));
    };
    if entry.ticket.is_some() {
        cx.warn_once("was given work that is queued already");
    } else if cx.host.queue_work(work.0, entry) {
        return Ok(());
    } else {
        cx.warn_once("could not start a thread for the work");
    }
    Err(Status::GenericFailure)
}

/// Takes work back that has not begun; it completes with `napi_cancelled`.
pub(crate) fn napi_cancel_async_work(cx: &Cx, work: napi_async_work) -> NapiResult {
    match cx.host.cancel_work(work.0) {
        Cancel::Cancelled => Ok(()),
        Cancel::Unknown => Err(cx.stale_id("napi_async_work", work.0)),
        Cancel::NotQueued => Err(cx.engine_failure(Status::InvalidArg, UV_EINVAL)),
        Cancel::Begun => Err(cx.engine_failure(Status::GenericFailure, UV_EBUSY)),
    }
}
