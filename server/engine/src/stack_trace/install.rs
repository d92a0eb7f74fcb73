//! Replaces the engine's stack traces by ours, when the engine is made.

use std::cell::{Cell, RefCell};

use super::{StackTraces, capture, get_stack, record, set_stack, text};
use crate::function::OWN_TAG;
use crate::{
    Attributes, Content, Descriptor, ErrorConstructor, FunctionSpec, JsResult, NativeCall, Runtime,
    Thrown, Value,
};

/// Run before foreign code can replace anything: an object with a private name, and the prototype
/// of call sites.
const SETUP: &str = "(() => {
    Error.prepareStackTrace = (error, sites) => sites;
    const sites = new Error().stack;
    return [new (class { #stack = 0; })(), Object.getPrototypeOf(sites[0])];
})()";

impl Runtime {
    /// Replaces the engine's stack traces. Called before any foreign code runs.
    pub(crate) fn install_stack_traces(self) -> JsResult<()> {
        let rt = self;
        let constructor = &rt.intrinsics().errors[ErrorConstructor::Error as usize];
        let prototype = rt.get_named(constructor, "prototype")?;
        let key = |name: &str| rt.key_utf8(name.as_bytes());
        let native = |name: &str, length, call: NativeCall| {
            let name = rt.string_utf8(name.as_bytes())?;
            let spec = FunctionSpec {
                length: Some(length),
                ..FunctionSpec::new(call, OWN_TAG, [0; 3]).not_constructible()
            };
            rt.function(spec.name(&name))
        };
        let setter = |name: &str| -> JsResult {
            match rt
                .own_property(constructor, &key(name)?)?
                .map(|found| found.content)
            {
                Some(Content::Accessor {
                    setter: Some(setter),
                    ..
                }) => Ok(setter),
                _ => Err(Thrown(Value::UNDEFINED)),
            }
        };
        let set_prepare = setter("prepareStackTrace")?;
        let found = rt.eval_bootstrap(SETUP, "stack_trace")?;
        let private = rt.private_keys(&rt.get_index(&found, 0)?)?;
        let private = private.iter().next().map(|key| (*key).clone());
        let site = rt.get_index(&found, 1)?;
        let traces = StackTraces {
            private: private.ok_or(Thrown(Value::UNDEFINED))?,
            stack: key("stack")?,
            prepare: key("prepareStackTrace")?,
            code: key("code")?,
            getter: native("", 0, get_stack)?,
            setter: native("", 1, set_stack)?,
            default_prepare: native("ErrorPrepareStackTrace", 2, text::default_prepare)?,
            to_string: rt.get_named(&prototype, "toString")?,
            site_methods: [
                rt.get_named(&site, "getFileName")?,
                rt.get_named(&site, "getLineNumber")?,
                rt.get_named(&site, "getColumnNumber")?,
                rt.get_named(&site, "getFunctionName")?,
                rt.get_named(&site, "getFunction")?,
            ],
            engine_capture: rt.get_named(constructor, "captureStackTrace")?,
            engine_set_limit: setter("stackTraceLimit")?,
            limit: RefCell::new(Value::from(10)),
            capturing: Cell::new(false),
            formatting: Cell::new(false),
        };
        let record = native("", 2, record)?;
        rt.call_native(&set_prepare, constructor, &[record])?;
        rt.delete(&prototype, &traces.stack)?;
        let hidden = |object: &Value, name: &str, value: &Value| {
            let descriptor = Descriptor::Value(value, Attributes::HIDDEN);
            rt.define(object, &key(name)?, descriptor)
        };
        hidden(constructor, "prepareStackTrace", &traces.default_prepare)?;
        let capture = native("captureStackTrace", 2, capture::capture)?;
        hidden(constructor, "captureStackTrace", &capture)?;
        let to_string = native("toString", 0, text::site_to_string)?;
        hidden(&site, "toString", &to_string)?;
        let limit = Descriptor::Accessor {
            getter: Some(&native("", 0, capture::get_limit)?),
            setter: Some(&native("", 1, capture::set_limit)?),
            attributes: Attributes::ALL,
        };
        rt.define(constructor, &key("stackTraceLimit")?, limit)?;
        let installed = self.state.stack_traces.set(traces);
        installed.map_err(|_| Thrown(Value::UNDEFINED))
    }
}
