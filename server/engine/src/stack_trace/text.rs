//! The text of a stack: a header, `Name: message`, then one line for each call site.

use super::StackTraces;
use crate::{ErrorClass, Invocation, JsResult, Runtime, Value};

/// What stands for a function in the line that tells where the parser came upon an error. The Python
/// package looks for it.
const PARSER: &[u8] = b"<parser>";

/// The stack of an object, made by `Error.prepareStackTrace` if a script has set one and this is not
/// nested in another stack.
pub(super) fn format(
    rt: Runtime,
    traces: &StackTraces,
    object: &Value,
    sites: &Value,
    shows_code: bool,
    nested: bool,
) -> JsResult {
    if !nested {
        let constructor = &rt.intrinsics().errors[ErrorClass::Error as usize];
        let prepare = rt.get(constructor, &traces.prepare)?;
        if rt.is_function(&prepare) && prepare.identity() != traces.default_prepare.identity() {
            // A copy, for the script may change the array that it is given.
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

/// The same without code of the script: accessors and objects in place of the name, the code and the
/// message are passed over.
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
    rt.string_wtf8(&line(rt, rt.stack_traces()?, call.this)?)
}

fn header_with_code(name: &[u8], code: &[u8], message: &[u8]) -> Vec<u8> {
    [name, b" [", code, b"]: ", message].concat()
}

fn lines(rt: Runtime, traces: &StackTraces, header: Vec<u8>, sites: &Value) -> JsResult {
    let mut text = header;
    for index in 0..rt.array_length(sites).unwrap_or(0) {
        let site = rt.get_index(sites, index)?;
        text.extend(b"\n    at ");
        // A script may have put its own objects in the place of call sites.
        text.extend(line(rt, traces, &site).or_else(|_| bytes(rt, &site))?);
    }
    rt.string_wtf8(&text)
}

/// A call site in one line; an error for anything else.
pub(super) fn line(rt: Runtime, traces: &StackTraces, site: &Value) -> JsResult<Vec<u8>> {
    let ask = |method| match rt.call_native(method, site, &[])? {
        answer if answer.is_nullish() => Ok(Vec::new()),
        answer => bytes(rt, &answer),
    };
    let [file, line, column, function, called] = &traces.site_methods;
    let (file, line, column) = (ask(file)?, ask(line)?, ask(column)?);
    let place = if file.is_empty() {
        b"native".to_vec()
    } else if line.is_empty() || column.is_empty() {
        file
    } else {
        [file, line, column].join(&b':')
    };
    let mut function = ask(function)?;
    if rt.call_native(called, site, &[])?.is_null() {
        function = PARSER.to_vec();
    }
    if function.is_empty() {
        return Ok(place);
    }
    Ok([&function[..], b" (", &place, b")"].concat())
}

/// The text of a value, lone surrogates included.
fn bytes(rt: Runtime, value: &Value) -> JsResult<Vec<u8>> {
    Ok(rt.wtf8(value)?.as_bytes().to_vec())
}
