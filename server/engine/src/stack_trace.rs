//! `error.stack` in V8's form: a header `Name: message`, then one line per call site.
//!
//! The engine asks `Error.prepareStackTrace` when an error is made; the one installed here is
//! native. Foreign code may replace it, as in Node.

use std::fmt::Write as _;

use crate::function::OWN_TAG;
use crate::{FunctionSpec, Invocation, JsResult, Runtime, Value};

fn prepare(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let [error, sites, ..] = call.args else {
        return Ok(Value::UNDEFINED);
    };
    let mut text = header(rt, error);
    for index in 0..rt.array_length(sites).unwrap_or(0) {
        let Ok(site) = rt.get_index(sites, index) else {
            continue;
        };
        let ask = |name: &str| answer(rt, &site, name);
        let place = match (
            ask("getFileName"),
            ask("getLineNumber"),
            ask("getColumnNumber"),
        ) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(file), ..) => file,
            _ => "native".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = match ask("getFunctionName").filter(|name| !name.is_empty()) {
            Some(function) => write!(text, "\n    at {function} ({place})"),
            None => write!(text, "\n    at {place}"),
        };
    }
    rt.string_utf8(text.as_bytes())
}

/// What `Error.prototype.toString` would say, without calling it.
fn header(rt: Runtime, error: &Value) -> String {
    let keys = &rt.intrinsics().keys;
    let read = |key, default: &str| {
        let text = rt
            .get(error, key)
            .ok()
            .filter(|value| !value.is_undefined());
        match text.map(|value| rt.utf8(&value)) {
            Some(Ok(text)) => text.as_str().to_owned(),
            _ => default.to_owned(),
        }
    };
    let (name, message) = (read(&keys.name, "Error"), read(&keys.message, ""));
    match (name.is_empty(), message.is_empty()) {
        (true, _) => message,
        (_, true) => name,
        _ => format!("{name}: {message}"),
    }
}

fn answer(rt: Runtime, site: &Value, method: &str) -> Option<String> {
    let key = rt.key_utf8(method.as_bytes()).ok()?;
    let method = rt.get_raw(site, &key).ok()?;
    let value = rt.call_native(&method, site, &[]).ok()?;
    if value.is_nullish() {
        return None;
    }
    rt.utf8(&value).ok().map(|text| text.as_str().to_owned())
}

impl Runtime {
    pub(crate) fn install_stack_trace(self) -> JsResult<()> {
        let prepare =
            self.function(FunctionSpec::new(prepare, OWN_TAG, [0; 3]).not_constructible())?;
        let key = self.key_utf8(b"prepareStackTrace")?;
        let constructor = &self.intrinsics().errors[crate::ErrorClass::Error as usize];
        self.set_strict(constructor, &key, prepare)
    }
}
