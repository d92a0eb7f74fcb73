//! Errors of the operating system, as libuv names and words them and Node throws them.

use std::io;

use hostd_engine::{ErrorConstructor, Invocation, JsResult, NativeCall, Runtime, Thrown, Value};
use hostd_napi::libuv_error;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[("errors", errors)];

/// The numbers that libuv gives to its errors: those of the system, and its own.
const NUMBERS: [std::ops::RangeInclusive<i32>; 3] = [-133..=-1, -3014..=-3000, -4095..=-4080];

/// `errors()`: number, name and message of each error.
fn errors(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let mut all = Vec::new();
    for number in NUMBERS.into_iter().flatten() {
        let Some((name, message)) = libuv_error(number) else {
            continue;
        };
        all.push(rt.array_from(vec![
            Value::from(f64::from(number)),
            rt.string_utf8(name.as_bytes())?,
            rt.string_utf8(message.as_bytes())?,
        ])?);
    }
    rt.array_from(all)
}

/// libuv's number of an error.
pub(crate) fn number(error: &io::Error) -> i32 {
    const UNKNOWN: i32 = -4094;
    error.raw_os_error().map_or(UNKNOWN, |code| -code)
}

/// The exception that a failed call of the system is in Node.
pub(crate) fn exception(
    rt: Runtime,
    error: &io::Error,
    syscall: &str,
    path: Option<&str>,
    dest: Option<&str>,
) -> Thrown {
    make(rt, number(error), syscall, path, dest).map_or_else(|thrown| thrown, Thrown)
}

fn make(
    rt: Runtime,
    number: i32,
    syscall: &str,
    path: Option<&str>,
    dest: Option<&str>,
) -> JsResult {
    let (code, message) = libuv_error(number).unwrap_or_default();
    let mut text = format!("{code}: {message}, {syscall}");
    if let Some(path) = path {
        text = format!("{text} '{path}'");
    }
    if let Some(dest) = dest {
        text = format!("{text} -> '{dest}'");
    }
    let error = rt.error(ErrorConstructor::Error, &text)?;
    let word = |text: &str| rt.string_utf8(text.as_bytes());
    let set =
        |name: &str, value: Value| rt.set_strict(&error, &rt.key_utf8(name.as_bytes())?, value);
    set("errno", Value::from(f64::from(number)))?;
    set("code", word(&code)?)?;
    set("syscall", word(syscall)?)?;
    if let Some(path) = path {
        set("path", word(path)?)?;
    }
    if let Some(dest) = dest {
        set("dest", word(dest)?)?;
    }
    Ok(error)
}
