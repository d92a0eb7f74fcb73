//! The native functions that look into values, for `util.inspect` and `util.types`.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};

use super::bytes::argument;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("classNumber", class_number),
    ("proxyParts", proxy_parts),
    ("previewEntries", preview_entries),
];

/// `classNumber(value)`: the same for all objects of one class of the engine's; 0 for no object.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine calls every native function by one signature"
)]
fn class_number(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(f64::from(rt.class_number(argument(call, 0)))))
}

/// `proxyParts(proxy)`: its target and its handler; undefined for any other value.
fn proxy_parts(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    if !rt.is_proxy(argument(call, 0)) {
        return Ok(Value::UNDEFINED);
    }
    let (target, handler) = rt.proxy_parts(argument(call, 0))?;
    rt.array_from(vec![target, handler])
}

/// `previewEntries(object)`: the entries of a map, key after value, or the values of a set, and whether
/// they are pairs; undefined for any other value.
fn preview_entries(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let object = argument(call, 0);
    let (items, is_pairs) = if rt.is_map(object) {
        (rt.map_items(object)?, true)
    } else if rt.is_set(object) {
        (rt.set_values(object)?, false)
    } else {
        return Ok(Value::UNDEFINED);
    };
    rt.array_from(vec![rt.array_from(items)?, Value::from(is_pairs)])
}
