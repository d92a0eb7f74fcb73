//! The native functions by which `realm.js` reads the JavaScript of Node's built-in modules.

use hostd_engine::{Invocation, JsResult, Runtime};

use super::bytes::argument;

/// `builtinNames()`: the names of all built-in modules, internal ones included.
pub(crate) fn names(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let names: JsResult<Vec<_>> = hostd_builtins::names()
        .map(|name| rt.string_utf8(name.as_bytes()))
        .collect();
    rt.array_from(names?)
}

/// `builtinFunction(name)`: the function that a built-in module is.
pub(crate) fn function(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let name = rt.utf8(argument(call, 0))?;
    hostd_builtins::function(rt, name.as_str())
        .unwrap_or_else(|| Err(rt.type_error("there is no built-in module of that name")))
}

/// `shapeNames()`: the names of the modules that this host does not have.
pub(crate) fn shape_names(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let names: JsResult<Vec<_>> = hostd_builtins::SHAPES
        .iter()
        .map(|(name, _)| rt.string_utf8(name.as_bytes()))
        .collect();
    rt.array_from(names?)
}

/// `shape(name)`: what such a module exports in Node, as JSON.
pub(crate) fn shape(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let name = rt.utf8(argument(call, 0))?;
    let found = hostd_builtins::SHAPES
        .iter()
        .find(|(shape, _)| *shape == name.as_str());
    let Some((_, shape)) = found else {
        return Err(rt.type_error("there is no shape of that name"));
    };
    rt.string_utf8(shape.as_bytes())
}
