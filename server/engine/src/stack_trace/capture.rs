//! `Error.captureStackTrace` and `Error.stackTraceLimit`.

use super::{StackTraces, define_accessor, keep, text};
use crate::{ErrorConstructor, Invocation, JsResult, Runtime, Value};

/// `Error.captureStackTrace(object, function)`: records the frames below the innermost call of
/// `function`, or all of them.
pub(super) fn capture(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let traces = rt.stack_traces()?;
    let object = call.args.first();
    let object = object.filter(|object| object.is_object() && !rt.has_set_hook(object));
    let Some(object) = object else {
        return Err(rt.type_error("invalid_argument"));
    };
    let filter = call.args.get(1).filter(|filter| rt.is_function(filter));
    let mut sites = collect(rt, traces, filter.unwrap_or(&Value::UNDEFINED))?;
    // The engine records all frames where the function is not among them; V8 records none.
    if filter.is_some() && begins_with_innermost(rt, traces, &sites)? {
        sites = rt.array()?;
    }
    if !define_accessor(rt, traces, object)? {
        return Err(rt.type_error(if rt.has_own(object, &traces.stack)? {
            "Cannot redefine property: stack"
        } else {
            "Cannot define property stack, object is not extensible"
        }));
    }
    rt.count_mutation();
    keep(rt, traces, object, &traces.recorded(&sites))?;
    Ok(Value::UNDEFINED)
}

/// The call sites of now, from the engine's own `captureStackTrace`.
fn collect(rt: Runtime, traces: &StackTraces, filter: &Value) -> JsResult {
    let scratch = rt.object()?;
    traces.capturing.set(true);
    let args = [scratch.clone(), filter.clone()];
    let done = rt.call_native(&traces.engine_capture, &Value::UNDEFINED, &args);
    traces.capturing.set(false);
    done?;
    rt.get_raw(&scratch, &traces.stack)
}

fn begins_with_innermost(rt: Runtime, traces: &StackTraces, sites: &Value) -> JsResult<bool> {
    if rt.array_length(sites).unwrap_or(0) == 0 {
        return Ok(false);
    }
    set_engine_limit(rt, traces, &Value::from(1))?;
    let innermost = collect(rt, traces, &Value::UNDEFINED);
    set_engine_limit(rt, traces, &traces.limit.borrow())?;
    let innermost = innermost?;
    if rt.array_length(&innermost).unwrap_or(0) == 0 {
        return Ok(false);
    }
    let line = |sites| -> JsResult<Vec<u8>> {
        let mut line = Vec::new();
        text::line(rt, traces, &rt.get_index(sites, 0)?, &mut line)?;
        Ok(line)
    };
    Ok(line(&innermost)? == line(sites)?)
}

/// The getter of `Error.stackTraceLimit`.
pub(super) fn get_limit(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(rt.stack_traces()?.limit.borrow().clone())
}

/// The setter of `Error.stackTraceLimit`.
pub(super) fn set_limit(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let traces = rt.stack_traces()?;
    let value = call.args.first().cloned().unwrap_or_default();
    let constructor = &rt.intrinsics().errors[ErrorConstructor::Error as usize];
    if call.this.identity() == constructor.identity() {
        let none = Value::from(0);
        let limit = if value.is_number() { &value } else { &none };
        set_engine_limit(rt, traces, limit)?;
        *traces.limit.borrow_mut() = value;
    } else if call.this.is_object() {
        // A class that inherits from `Error` gets a property of its own, without effect.
        rt.put(call.this, &rt.key_utf8(b"stackTraceLimit")?, value)?;
    }
    Ok(Value::UNDEFINED)
}

fn set_engine_limit(rt: Runtime, traces: &StackTraces, limit: &Value) -> JsResult<()> {
    let constructor = &rt.intrinsics().errors[ErrorConstructor::Error as usize];
    let args = std::slice::from_ref(limit);
    let done = rt.call_native(&traces.engine_set_limit, constructor, args);
    done.map(drop)
}
