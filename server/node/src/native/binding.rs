//! Groups of native functions, by the name of the binding of Node's that they serve.

use hostd_engine::{FunctionSpec, Invocation, JsResult, NativeCall, Runtime};

use super::bytes::argument;
use super::{bytes, crypto, fs, os, script, string_decoder, subprocess, url, uv, value, zlib};
use crate::state::TAG;

/// The functions of one group.
type Group = (&'static str, &'static [(&'static str, NativeCall)]);

const GROUPS: &[Group] = &[
    ("buffer", bytes::FUNCTIONS),
    ("crypto", crypto::FUNCTIONS),
    ("fs", fs::FUNCTIONS),
    ("os", os::FUNCTIONS),
    ("script", script::FUNCTIONS),
    ("string_decoder", string_decoder::FUNCTIONS),
    ("subprocess", subprocess::FUNCTIONS),
    ("url", url::FUNCTIONS),
    ("uv", uv::FUNCTIONS),
    ("value", value::FUNCTIONS),
    ("zlib", zlib::FUNCTIONS),
];

/// The names of the groups.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

/// `functions(group)`: a new object with the native functions of a group.
pub(crate) fn functions(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let name = rt.utf8(argument(call, 0))?;
    let group = GROUPS.iter().find(|(group, _)| *group == name.as_str());
    let Some((_, functions)) = group else {
        return Err(rt.type_error("there is no such group of native functions"));
    };
    let object = rt.object()?;
    for (name, call) in *functions {
        let text = rt.string_utf8(name.as_bytes())?;
        let spec = FunctionSpec::new(*call, TAG, [0; 3]).name(&text);
        let function = rt.function(spec.not_constructible())?;
        rt.set_strict(&object, &rt.key_utf8(name.as_bytes())?, function)?;
    }
    Ok(object)
}
