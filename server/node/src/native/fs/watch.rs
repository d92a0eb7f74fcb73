//! The native functions of the binding `fs_event_wrap`.

use std::sync::Arc;

use hostd_engine::{Invocation, JsResult, Runtime, Value};
use hostd_napi::{Host, Origin};

use super::task::Args;
use crate::native::bytes::{argument, size};
use crate::native::uv;
use crate::state::NodeState;
use crate::watches::{Change, Events};

/// `watch(path, isReferenced, callback)`: its number, or a negative number of an error. `callback` is
/// called with `rename` or `change`, and the name as an `ArrayBuffer`.
pub(super) fn watch(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let node = NodeState::of(rt)?;
    let values = call.args;
    let path = Args { rt, node, values }.path(0)?;
    let Some(host) = Host::current() else {
        return Err(rt.type_error("this thread has no host"));
    };
    let is_referenced = rt.to_bool(argument(call, 1));
    let callback = argument(call, 2).clone();
    let added = node
        .watches
        .borrow_mut()
        .add(&path, is_referenced, callback);
    let (number, events) = match added {
        Ok(added) => added,
        Err(error) => return Ok(Value::from(f64::from(uv::number(&error.into())))),
    };
    if let Some(events) = events
        && let Err(thrown) = wait_for(host, events)
    {
        let removed = node.watches.borrow_mut().remove(number);
        drop(removed);
        return Err(thrown);
    }
    Ok(super::task::number(number))
}

/// Has a thread wait for events, tells of them, and again, until nothing is watched any more.
fn wait_for(host: Host, events: Arc<Events>) -> JsResult<()> {
    let waited = Arc::clone(&events);
    let tell = move |rt: Runtime, is_open: bool| {
        let node = NodeState::of(rt)?;
        // What another object watches has the same numbers.
        let are_current = || node.watches.borrow().are_current(&events);
        if !is_open || !are_current() {
            return Ok(());
        }
        for change in events.read() {
            if are_current() {
                tell(rt, host, node, &change)?;
            }
        }
        if are_current() {
            wait_for(host, events)?;
        }
        Ok(())
    };
    host.run_in_thread_unreferenced(move || waited.wait(), tell)
}

/// Calls what watches the file or folder of an event.
fn tell(rt: Runtime, host: Host, node: &NodeState, change: &Change) -> JsResult<()> {
    let (numbers, name) = node.watches.borrow().told(change);
    let event: &[u8] = if change.is_rename {
        b"rename"
    } else {
        b"change"
    };
    for number in numbers {
        let callback = node.watches.borrow().callback(number);
        let Some(callback) = callback else { continue };
        let args = [rt.string_utf8(event)?, rt.array_buffer_copy(&name)?];
        if let Err(thrown) = rt.call(&callback, &Value::UNDEFINED, &args) {
            host.uncaught(&thrown, Origin::AsyncWork);
        }
        host.settle_item();
    }
    Ok(())
}

/// `unwatch(number)`: no event is told from now on.
pub(super) fn unwatch(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let number = size(call, 0).unwrap_or(0);
    let removed = NodeState::of(rt)?.watches.borrow_mut().remove(number);
    drop(removed);
    Ok(Value::UNDEFINED)
}

/// `referenceWatch(number, isReferenced)`.
pub(super) fn reference(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let number = size(call, 0).unwrap_or(0);
    let is_referenced = rt.to_bool(argument(call, 1));
    let watches = &NodeState::of(rt)?.watches;
    watches.borrow_mut().set_referenced(number, is_referenced);
    Ok(Value::UNDEFINED)
}
