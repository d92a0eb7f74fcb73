//! The native functions by which the loaders of modules compile and import.

use std::rc::Rc;

use hostd_engine::{Invocation, JsResult, ModuleHooks, ModuleSource, NativeCall, Runtime, Value};

use super::bytes::argument;
use crate::state::NodeState;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("compileFunction", compile_function),
    ("checkScript", check_script),
    ("runScript", run_script),
    ("importModule", import_module),
    ("isEvaluating", is_evaluating),
    ("isModuleText", is_module_text),
    ("setModuleHooks", set_module_hooks),
    ("root", root),
];

/// Limit of the names that a module which is no ES module exports.
const EXPORTS_MAX: u32 = 1 << 20;

/// `compileFunction(parameters, body, filename)`: the function that a `CommonJS` module is.
fn compile_function(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let parameters = rt.utf8(argument(call, 0))?;
    let body = rt.wtf8(argument(call, 1))?;
    let filename = rt.utf8(argument(call, 2))?;
    rt.function_of_script(parameters.as_str(), &body, filename.as_str())
}

/// `checkScript(text, filename)`: throws the `SyntaxError` of a text that is no script.
fn check_script(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let text = rt.utf8(argument(call, 0))?;
    let filename = rt.utf8(argument(call, 1))?;
    rt.compile(text.as_str(), filename.as_str())?;
    Ok(Value::UNDEFINED)
}

/// `runScript(text, filename)`: the value of its last expression.
fn run_script(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let text = rt.wtf8(argument(call, 0))?;
    let filename = rt.utf8(argument(call, 1))?;
    rt.eval_wtf8(&text, filename.as_str())
}

/// `importModule(url)`: the promise of its evaluation, and its namespace; undefined if it is being
/// evaluated at this moment.
fn import_module(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let url = rt.utf8(argument(call, 0))?;
    match rt.import_module(url.as_str())? {
        Some((promise, namespace)) => rt.array_from(vec![promise, namespace]),
        None => Ok(Value::UNDEFINED),
    }
}

/// `isEvaluating(url)`: whether the module of a URL is being evaluated at this moment.
fn is_evaluating(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let url = rt.utf8(argument(call, 0))?;
    Ok(Value::from(rt.is_module_evaluating(url.as_str())))
}

/// `isModuleText(text)`: whether it can be the text of an ES module.
fn is_module_text(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(rt.is_module_text(argument(call, 0))?))
}

/// `setModuleHooks(resolve, load, fillMeta)`: the functions that the engine asks for modules.
fn set_module_hooks(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.set_module_hooks(Rc::new(ScriptHooks {
        resolve: argument(call, 0).clone(),
        load: argument(call, 1).clone(),
        fill_meta: argument(call, 2).clone(),
    }))?;
    Ok(Value::UNDEFINED)
}

/// `root()`: the folder from which scripts that are no modules import; undefined for the working folder.
fn root(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    match NodeState::of(rt)?.root.get() {
        Some(folder) => rt.string_utf8(folder.as_bytes()),
        None => Ok(Value::UNDEFINED),
    }
}

/// Hooks that are functions of a script.
struct ScriptHooks {
    /// `resolve(specifier, base, attributes)`: a URL.
    resolve: Value,
    /// `load(url, attributes)`: a text, or an array of names and the function that evaluates.
    load: Value,
    /// `fillMeta(url, meta)`.
    fill_meta: Value,
}

impl ModuleHooks for ScriptHooks {
    fn resolve(
        &self,
        rt: Runtime,
        specifier: &str,
        base: &str,
        attributes: &Value,
    ) -> JsResult<String> {
        let specifier = rt.string_utf8(specifier.as_bytes())?;
        let base = rt.string_utf8(base.as_bytes())?;
        let args = [specifier, base, attributes.clone()];
        let url = rt.call(&self.resolve, &Value::UNDEFINED, &args)?;
        Ok(rt.utf8(&url)?.as_str().to_owned())
    }

    fn load(&self, rt: Runtime, url: &str, attributes: &Value) -> JsResult<ModuleSource> {
        let args = [rt.string_utf8(url.as_bytes())?, attributes.clone()];
        let loaded = rt.call(&self.load, &Value::UNDEFINED, &args)?;
        if loaded.is_string() {
            return Ok(ModuleSource::Text(loaded));
        }
        let list = rt.get_index(&loaded, 0)?;
        let length = rt.array_length(&list).unwrap_or(0);
        if length > EXPORTS_MAX {
            return Err(rt.range_error("too many exports for a module"));
        }
        let mut names = Vec::new();
        for index in 0..length {
            let name = rt.utf8(&rt.get_index(&list, index)?)?;
            rt.push(&mut names, name.as_str().to_owned())?;
        }
        Ok(ModuleSource::Exports {
            names,
            evaluate: rt.get_index(&loaded, 1)?,
        })
    }

    fn fill_meta(&self, rt: Runtime, url: &str, meta: &Value) -> JsResult<()> {
        let args = [rt.string_utf8(url.as_bytes())?, meta.clone()];
        rt.call(&self.fill_meta, &Value::UNDEFINED, &args).map(drop)
    }
}
