//! JavaScript as bytecode of the engine: that of Node's built-in modules, of one pinned release, and
//! the scripts of `hostd-node`.
//!
//! The build takes the modules from a Node program (`build.rs`). No script is read before it is asked
//! for.
#![expect(
    unsafe_code,
    reason = "unsafe island 11: bytecode that the build wrote"
)]

use hostd_engine::{JsResult, Runtime};

/// The modules of Node that are left out, each with what it exports, as JSON.
pub const SHAPES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// Scripts by name, in order, each with its code.
type Scripts = [(&'static str, &'static [u8])];

static MODULES: &Scripts = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
static OWN: &Scripts = include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// The value of a script.
fn run(rt: Runtime, scripts: &Scripts, name: &str) -> Option<JsResult> {
    let at = scripts.binary_search_by_key(&name, |(name, _)| name).ok()?;
    let (_, code) = scripts.get(at)?;
    // SAFETY: E16; the build wrote it with the same version of the engine.
    Some(unsafe { rt.eval_compiled(code) })
}

/// The names of all of Node's modules, in order, such as "path" and "internal/errors".
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

/// The function that one of Node's modules is, or `None` if there is no such module. Its parameters
/// are those by which Node calls it: `exports, require, module, process, internalBinding, primordials`
/// for most.
pub fn function(rt: Runtime, name: &str) -> Option<JsResult> {
    run(rt, MODULES, name)
}

/// The value of a script of `hostd-node`, or `None` if there is no such script. Its name is its path in
/// `src/js`, such as "buffer" and "bindings/fs".
pub fn script(rt: Runtime, name: &str) -> Option<JsResult> {
    run(rt, OWN, name)
}
