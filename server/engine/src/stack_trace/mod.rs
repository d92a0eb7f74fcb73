//! `error.stack` as in V8: the call sites are recorded when an error is made, the text is formatted
//! when `stack` is first read.
//!
//! The engine calls `Error.prepareStackTrace` when an error is made and when one is thrown. The
//! function [`record`] takes that place: it gives a new error an own accessor `stack` and stores
//! the call sites in a private property. No code of the script runs. `Error.prepareStackTrace` as
//! scripts see it is an ordinary property, looked up when a stack is formatted.

mod capture;
mod install;
mod settings;
mod text;

use crate::{Attributes, Content, Descriptor, Invocation, JsResult, Runtime, Value};

pub(crate) use settings::StackTraces;

/// The value of an object's private property.
///
/// A string or undefined is the formatted stack. An array holds the call sites; `[true, sites]` the
/// call sites of an error whose header shows its code; `[null, value]` any other formatted value.
enum Stack {
    Formatted(Value),
    Recorded { sites: Value, shows_code: bool },
}

impl Stack {
    fn of(rt: Runtime, traces: &StackTraces, holder: &Value) -> JsResult<Option<Stack>> {
        let Some(kept) = rt.own_property(holder, &traces.private)? else {
            return Ok(None);
        };
        let Content::Value(kept) = kept.content else {
            return Ok(None);
        };
        let first = match rt.array_length(&kept) {
            None => return Ok(Some(Stack::Formatted(kept))),
            Some(0) => Value::UNDEFINED,
            Some(_) => rt.get_index(&kept, 0)?,
        };
        Ok(Some(if first.is_null() {
            Stack::Formatted(rt.get_index(&kept, 1)?)
        } else if first.as_bool() == Some(true) {
            let sites = rt.get_index(&kept, 1)?;
            let shows_code = true;
            Stack::Recorded { sites, shows_code }
        } else {
            let (sites, shows_code) = (kept, false);
            Stack::Recorded { sites, shows_code }
        }))
    }
}

/// The function that the engine calls as `Error.prepareStackTrace`, with the error and its call
/// sites.
#[expect(clippy::unnecessary_wraps, reason = "the type of a native function")]
fn record(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Ok(traces), [error, sites, ..]) = (rt.stack_traces(), call.args) else {
        return Ok(Value::NULL);
    };
    if traces.capturing.get() {
        return Ok(sites.clone());
    }
    if rt.is_error(error) || rt.is_dom_exception(error) {
        // An error that is made without memory left has no stack.
        let _ = attach(rt, traces, error, sites);
    }
    // After undefined the engine would call again for each frame that is unwound.
    Ok(Value::NULL)
}

fn attach(rt: Runtime, traces: &StackTraces, error: &Value, sites: &Value) -> JsResult<()> {
    // An error that is thrown again keeps the stack that it has.
    if rt.has_own(error, &traces.private)? || rt.has_own(error, &traces.stack)? {
        return Ok(());
    }
    define_accessor(rt, traces, error)?;
    keep(rt, traces, error, &traces.recorded(sites))
}

/// Defines the accessor `stack`; false if the object refuses.
fn define_accessor(rt: Runtime, traces: &StackTraces, object: &Value) -> JsResult<bool> {
    let accessor = Descriptor::Accessor {
        getter: Some(&traces.getter),
        setter: Some(&traces.setter),
        attributes: Attributes::HIDDEN,
    };
    rt.define_fresh(object, &traces.stack, accessor)
}

fn keep(rt: Runtime, traces: &StackTraces, object: &Value, kept: &Value) -> JsResult<()> {
    let descriptor = Descriptor::Value(kept, Attributes::HIDDEN);
    rt.define_fresh(object, &traces.private, descriptor)
        .map(drop)
}

fn keep_formatted(
    rt: Runtime,
    traces: &StackTraces,
    object: &Value,
    value: &Value,
) -> JsResult<()> {
    if value.is_string() || value.is_undefined() {
        return keep(rt, traces, object, value);
    }
    let kept = rt.array_from(vec![Value::NULL, value.clone()])?;
    keep(rt, traces, object, &kept)
}

/// The nearest object on the prototype chain that keeps a stack.
fn holder(rt: Runtime, traces: &StackTraces, object: &Value) -> JsResult<Option<(Value, Stack)>> {
    let mut holder = object.clone();
    while holder.is_object() && !rt.has_set_hook(&holder) {
        if let Some(stack) = Stack::of(rt, traces, &holder)? {
            return Ok(Some((holder, stack)));
        }
        holder = rt.prototype_no_trap(&holder)?;
    }
    Ok(None)
}

fn get_stack(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let traces = rt.stack_traces()?;
    match holder(rt, traces, call.this)? {
        None => Ok(Value::UNDEFINED),
        Some((_, Stack::Formatted(value))) => Ok(value),
        Some((holder, Stack::Recorded { sites, shows_code })) => {
            let nested = traces.formatting.replace(true);
            let value = text::format(rt, traces, &holder, &sites, shows_code, nested);
            traces.formatting.set(nested);
            let value = value?;
            keep_formatted(rt, traces, &holder, &value)?;
            Ok(value)
        }
    }
}

fn set_stack(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let value = call.args.first().cloned().unwrap_or_default();
    rt.set_stack(call.this, &value)?;
    Ok(Value::UNDEFINED)
}

impl Runtime {
    /// `error.stack` without running code of the script: the text if it was formatted, else the
    /// text without what accessors of the error's name and message would return. `None` if the
    /// property was deleted or replaced by another accessor.
    pub fn stack_untouched(self, error: &Value) -> JsResult<Option<Value>> {
        let traces = self.stack_traces()?;
        let getter = match self.own_property(error, &traces.stack)? {
            None => return Ok(None),
            Some(property) => match property.content {
                Content::Value(value) => return Ok(Some(value)),
                Content::Accessor { getter, .. } => getter,
            },
        };
        if getter.and_then(|getter| getter.identity()) != traces.getter.identity() {
            return Ok(None);
        }
        match Stack::of(self, traces, error)? {
            None => Ok(None),
            Some(Stack::Formatted(value)) => Ok(Some(value)),
            Some(Stack::Recorded { sites, shows_code }) => {
                text::format_untouched(self, traces, error, &sites, shows_code).map(Some)
            }
        }
    }

    /// `error.stack = value` for an object that has a stack; no effect on another one.
    pub fn set_stack(self, error: &Value, value: &Value) -> JsResult<()> {
        let traces = self.stack_traces()?;
        if let Some((holder, _)) = holder(self, traces, error)? {
            self.count_mutation();
            keep_formatted(self, traces, &holder, value)?;
        }
        Ok(())
    }

    /// Makes the header of an error's stack show its code, `TypeError [CODE]: message`, as in
    /// Node's own errors.
    pub fn show_code_in_stack(self, error: &Value) -> JsResult<()> {
        let traces = self.stack_traces()?;
        if let Some(Stack::Recorded { sites, .. }) = Stack::of(self, traces, error)? {
            let kept = self.array_from(vec![Value::from(true), sites])?;
            keep(self, traces, error, &kept)?;
        }
        Ok(())
    }
}
