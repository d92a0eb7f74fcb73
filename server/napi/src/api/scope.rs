//! Handle scopes.

use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_escapable_handle_scope, napi_handle_scope, napi_value};
use crate::env::Cx;
use crate::env::scopes::Mismatch;

/// Opens a scope: handles made from now on end when it is closed.
pub(crate) fn napi_open_handle_scope(cx: &Cx, result: Out<napi_handle_scope>) -> NapiResult {
    let mut handles = cx.host.handles.borrow_mut();
    handles.forget_ended();
    let height = handles.height();
    result.set(napi_handle_scope(
        cx.host.scopes.borrow_mut().open(height, None),
    ))
}

/// The fast path of [`napi_open_handle_scope`].
#[inline]
pub(crate) fn fast_open(cx: &Cx, result: Out<napi_handle_scope>) -> Option<NapiResult> {
    let handles = cx.host.handles.try_borrow().ok()?;
    let height = handles.has_no_ended().then(|| handles.height())?;
    let id = cx.host.scopes.try_borrow_mut().ok()?.fast_open(height)?;
    Some(result.set(napi_handle_scope(id)))
}

/// The fast path of [`napi_close_handle_scope`].
#[inline]
pub(crate) fn fast_close(cx: &Cx, scope: napi_handle_scope) -> Option<NapiResult> {
    let height = cx.host.handles.try_borrow().ok()?.height();
    let mut scopes = cx.host.scopes.try_borrow_mut().ok()?;
    scopes.fast_close(scope.0, height).map(Ok)
}

/// Closes the innermost scope.
///
/// # Differs from Node
///
/// A scope that is open but not the innermost one is `napi_handle_scope_mismatch`; Node closes
/// another one than was meant.
pub(crate) fn napi_close_handle_scope(cx: &Cx, scope: napi_handle_scope) -> NapiResult {
    close(cx, scope.0, false)
}

/// Opens a scope from which one handle may escape.
pub(crate) fn napi_open_escapable_handle_scope(
    cx: &Cx,
    result: Out<napi_escapable_handle_scope>,
) -> NapiResult {
    let mut handles = cx.host.handles.borrow_mut();
    handles.forget_ended();
    let escape = handles.push(hostd_engine::Value::UNDEFINED);
    let height = handles.height();
    let id = cx.host.scopes.borrow_mut().open(height, Some(escape));
    result.set(napi_escapable_handle_scope(id))
}

/// Closes the innermost scope.
pub(crate) fn napi_close_escapable_handle_scope(
    cx: &Cx,
    scope: napi_escapable_handle_scope,
) -> NapiResult {
    close(cx, scope.0, true)
}

fn close(cx: &Cx, id: usize, escapable: bool) -> NapiResult {
    let closed = cx.host.scopes.borrow_mut().close(id, escapable);
    match closed {
        Ok(scope) => {
            cx.host.handles.borrow_mut().close(scope.height);
            Ok(())
        }
        Err(Mismatch::Stale) => Err(cx.stale_id("handle scope", id)),
        Err(Mismatch::NoneOpen | Mismatch::NotInnermost) => Err(Status::HandleScopeMismatch),
    }
}

/// Lets one handle escape to the scope outside.
pub(crate) fn napi_escape_handle(
    cx: &Cx,
    scope: napi_escapable_handle_scope,
    escapee: Handle,
    result: Out<napi_value>,
) -> NapiResult {
    let value = cx.value(escapee)?;
    let mut scopes = cx.host.scopes.borrow_mut();
    let id = scope.0;
    let Some(scope) = scopes.escapable(id) else {
        return Err(cx.stale_id("handle scope", id));
    };
    if scope.escaped {
        return Err(Status::EscapeCalledTwice);
    }
    let place = scope.escape.ok_or(Status::InvalidArg)?;
    if !cx.host.handles.borrow_mut().set(place, value) {
        return Err(Status::HandleScopeMismatch);
    }
    scope.escaped = true;
    result.set(place)
}
