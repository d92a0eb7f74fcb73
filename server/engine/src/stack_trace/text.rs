//! The text of a stack: a header, `Name: message`, then one line for each call site.

use super::settings::StackTraces;
use crate::{ErrorConstructor, Invocation, JsResult, Runtime, Value};

/// The name of the function in the line that shows where the parser found an error. The Python
/// package looks for it.
const PARSER: &[u8] = b"<parser>";

/// The stack of an object, made by `Error.prepareStackTrace` if a script has set one and this is
/// not nested in another stack.
pub(super) fn format(
    rt: Runtime,
    traces: &StackTraces,
    object: &Value,
    sites: &Value,
    shows_code: bool,
    nested: bool,
) -> JsResult {
    if !nested {
        let constructor = &rt.intrinsics().errors[ErrorConstructor::Error as usize];
        let prepare = rt.get(constructor, &traces.prepare)?;
        if rt.is_function(&prepare) && prepare.identity() != traces.default_prepare.identity() {
            // A copy, because the script may change the array.
            let sites: JsResult<Vec<Value>> = (0..rt.array_length(sites).unwrap_or(0))
                .map(|index| rt.get_index(sites, index))
                .collect();
            let sites = rt.array_from(sites?)?;
            return rt.call(&prepare, constructor, &[object.clone(), sites]);
        }
    }
    let header = if shows_code {
        let keys = &rt.intrinsics().keys;
        let read = |key| rt.to_string_value(&rt.get(object, key)?);
        let (name, code) = (read(&keys.name)?, read(&traces.code)?);
        let message = read(&keys.message)?;
        header_with_code(
            &bytes(rt, &name)?,
            &bytes(rt, &code)?,
            &bytes(rt, &message)?,
        )
    } else {
        bytes(rt, &rt.call(&traces.to_string, object, &[])?)?
    };
    lines(rt, traces, header, sites)
}

/// [`format()`] without running code of the script: a name, code or message that is an object or an
/// accessor counts as missing.
pub(super) fn format_untouched(
    rt: Runtime,
    traces: &StackTraces,
    error: &Value,
    sites: &Value,
    shows_code: bool,
) -> JsResult {
    let keys = &rt.intrinsics().keys;
    let read = |key| {
        let value = rt.data_property(error, key);
        value.filter(|value| !value.is_undefined() && !value.is_object() && !value.is_symbol())
    };
    let text = |value: Option<Value>, default: &[u8]| match value {
        Some(value) => bytes(rt, &value),
        None => Ok(default.to_vec()),
    };
    let name = text(read(&keys.name), b"Error")?;
    let message = text(read(&keys.message), b"")?;
    let header = match read(&traces.code).filter(|_| shows_code) {
        Some(code) => header_with_code(&name, &bytes(rt, &code)?, &message),
        None if name.is_empty() => message,
        None if message.is_empty() => name,
        None => [&name[..], b": ", &message].concat(),
    };
    lines(rt, traces, header, sites)
}

/// `Error.prepareStackTrace(error, sites)` as it is until a script replaces it.
pub(super) fn default_prepare(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let traces = rt.stack_traces()?;
    let argument = |index| call.args.get(index).cloned().unwrap_or_default();
    let header = rt.call(&traces.to_string, &argument(0), &[])?;
    lines(rt, traces, bytes(rt, &header)?, &argument(1))
}

/// `site.toString()`.
pub(super) fn site_to_string(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let mut text = Vec::new();
    line(rt, rt.stack_traces()?, call.this, &mut text)?;
    rt.string_wtf8(&text)
}

fn header_with_code(name: &[u8], code: &[u8], message: &[u8]) -> Vec<u8> {
    [name, b" [", code, b"]: ", message].concat()
}

fn lines(rt: Runtime, traces: &StackTraces, header: Vec<u8>, sites: &Value) -> JsResult {
    let mut text = header;
    for index in 0..rt.array_length(sites).unwrap_or(0) {
        let site = rt.get_index(sites, index)?;
        text.extend(b"\n    at ");
        let end = text.len();
        // A script may have replaced call sites by other objects.
        if line(rt, traces, &site, &mut text).is_err() {
            text.truncate(end);
            append(rt, &site, &mut text)?;
        }
    }
    rt.string_wtf8(&text)
}

/// Appends a call site in one line; an error for anything else.
pub(super) fn line(
    rt: Runtime,
    traces: &StackTraces,
    site: &Value,
    text: &mut Vec<u8>,
) -> JsResult<()> {
    let call = |method| rt.call_native(method, site, &[]);
    let [file, line, column, name, function] = &traces.site_methods;
    let named = call(name)?;
    let in_function = if !named.is_nullish() {
        append(rt, &named, text)?;
        true
    } else if call(function)?.is_null() {
        text.extend(PARSER);
        true
    } else {
        false
    };
    if in_function {
        text.extend(b" (");
    }
    let file = call(file)?;
    if file.is_nullish() {
        text.extend(b"native");
    } else {
        append(rt, &file, text)?;
        if let (Some(line), Some(column)) = (call(line)?.as_i32(), call(column)?.as_i32()) {
            text.extend(format!(":{line}:{column}").as_bytes());
        }
    }
    if in_function {
        text.push(b')');
    }
    Ok(())
}

/// Appends the text of a value, lone surrogates included.
fn append(rt: Runtime, value: &Value, text: &mut Vec<u8>) -> JsResult<()> {
    text.extend(rt.wtf8(value)?.as_bytes());
    Ok(())
}

/// The text of a value, lone surrogates included.
fn bytes(rt: Runtime, value: &Value) -> JsResult<Vec<u8>> {
    let mut text = Vec::new();
    append(rt, value, &mut text)?;
    Ok(text)
}
