//! The global object before any addon is loaded: `Buffer`, `process`, `console`, timers and the few
//! more that addons look up, in JavaScript over native functions.
//!
//! At the start only `globals.js` is run; it defines accessors that evaluate the other parts when
//! they are first read. What differs from Node is listed in `docs/differences.md`.

use hostd_engine::{FunctionSpec, Invocation, JsResult, NativeCall, Runtime, Thrown, Value};
use hostd_napi::Host;

use crate::native::{binding, builtins, bytes, environment, text, timers};
use crate::state::{NodeState, TAG};

/// The native functions that the scripts find on their one argument.
const FUNCTIONS: [(&str, NativeCall); 50] = [
    ("evaluate", evaluate),
    ("encode", bytes::encode),
    ("decode", bytes::decode),
    ("write", bytes::write),
    ("byteLength", bytes::byte_length),
    ("compare", bytes::compare),
    ("indexOf", bytes::index_of),
    ("fill", bytes::fill),
    ("swap", bytes::swap),
    ("readNumber", bytes::read_number),
    ("writeNumber", bytes::write_number),
    ("encodingName", text::encoding_name),
    ("decodeText", text::decode_text),
    ("openDecoder", text::open_decoder),
    ("decodeNext", text::decode_next),
    ("closeDecoder", text::close_decoder),
    ("facts", environment::facts),
    ("hrtime", environment::hrtime),
    ("cwd", environment::cwd),
    ("parent", environment::parent),
    ("memory", environment::memory),
    ("output", environment::output),
    ("exit", environment::exit),
    ("abort", environment::abort),
    ("nextTick", environment::next_tick),
    ("uncaught", environment::uncaught),
    ("setUncaughtListener", environment::set_uncaught_listener),
    ("setBufferPrototype", environment::set_buffer_prototype),
    ("dlopen", environment::dlopen),
    ("collect", environment::collect),
    ("collectCyclesFrom", environment::collect_cycles_from),
    ("hold", environment::hold),
    ("isPromise", environment::is_promise),
    ("promiseState", environment::promise_state),
    ("isProxy", environment::is_proxy),
    ("showCodeInStack", environment::show_code_in_stack),
    ("isExternal", environment::is_external),
    ("timerNow", timers::now),
    ("startTimer", timers::start),
    ("stopTimer", timers::stop),
    ("referenceTimer", timers::reference),
    ("addImmediate", timers::add_immediate),
    ("setTimerCalls", timers::set_calls),
    ("getFrame", environment::frame),
    ("setFrame", environment::set_frame),
    ("builtinNames", builtins::names),
    ("builtinFunction", builtins::function),
    ("shapeNames", builtins::shape_names),
    ("shape", builtins::shape),
    ("functions", binding::functions),
];

pub(crate) fn install(host: Host) -> Result<(), Thrown> {
    begin(host, &functions(host.runtime())?)
}

/// Runs the first script over an object with the functions.
pub(crate) fn begin(host: Host, native: &Value) -> Result<(), Thrown> {
    let rt = host.runtime();
    let script = script(rt, "globals")?;
    rt.call(&script, &Value::UNDEFINED, std::slice::from_ref(native))?;
    // A host's globals are made once: the cell is empty.
    let _ = NodeState::of(rt)?.load.set(rt.get_named(native, "load")?);
    Ok(())
}

/// A new object with the functions.
pub(crate) fn functions(rt: Runtime) -> JsResult {
    let native = rt.object_with_prototype(&Value::NULL)?;
    for (name, call) in FUNCTIONS {
        let function = rt.function(FunctionSpec::new(call, TAG, [0; 3]).not_constructible())?;
        rt.set_strict(&native, &rt.key_utf8(name.as_bytes())?, function)?;
    }
    Ok(native)
}

/// The function that a script consists of.
fn script(rt: Runtime, name: &str) -> JsResult {
    hostd_builtins::script(rt, name)
        .unwrap_or_else(|| Err(rt.type_error("the host has no such script")))
}

/// `evaluate(name)`: the function that a part consists of.
fn evaluate(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let name = rt.utf8(bytes::argument(call, 0))?;
    script(rt, name.as_str())
}
