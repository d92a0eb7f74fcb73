//! What stands on the global object before any addon is loaded: `Buffer`, `process`, `console`,
//! timers and the few more that addons look up. Written in JavaScript, over native functions.
//!
//! At the start only `globals.js` is run; it defines accessors that evaluate the other parts when
//! they are first looked at. What differs from Node is listed in `docs/differences.md`.
#![forbid(unsafe_code)]

mod bytes;
mod encoding;
mod environment;
mod timers;

use std::cell::OnceCell;
use std::mem::ManuallyDrop;

use hostd_engine::{FunctionSpec, Invocation, JsResult, NativeCall, Runtime, Thrown, Value};

use crate::host::Host;

pub(crate) use environment::emit;

/// The parts, by the name under which scripts load each other.
const PARTS: [(&str, &str); 9] = [
    ("errors", include_str!("errors.js")),
    ("buffer", include_str!("buffer.js")),
    ("text", include_str!("text.js")),
    ("process", include_str!("process.js")),
    ("console", include_str!("console.js")),
    ("inspect", include_str!("inspect.js")),
    ("clone", include_str!("clone.js")),
    ("timers", include_str!("timers.js")),
    ("abort", include_str!("abort.js")),
];
const GLOBALS: &str = include_str!("globals.js");

/// The engine function tag of this module's native functions.
const TAG: u8 = 32;

/// The native functions that the scripts find on their one argument.
const FUNCTIONS: [(&str, NativeCall); 39] = [
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
    ("decodeText", bytes::decode_text),
    ("unfinished", bytes::unfinished),
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
];

thread_local! {
    /// The scripts' own `load`, kept for [`load_buffer`]. The engine outlives its thread's locals,
    /// so the value is never dropped.
    static LOAD: OnceCell<ManuallyDrop<Value>> = const { OnceCell::new() };
}

/// Puts the globals in place.
pub(crate) fn install(host: Host) -> Result<(), Thrown> {
    let rt = host.runtime();
    let native = rt.object_with_prototype(&Value::NULL)?;
    for (name, call) in FUNCTIONS {
        let function = rt.function(FunctionSpec::new(call, TAG, [0; 3]).not_constructible())?;
        rt.set_strict(&native, &rt.key_utf8(name.as_bytes())?, function)?;
    }
    let script = rt.eval_bootstrap(GLOBALS, "node:internal/globals")?;
    rt.call(&script, &Value::UNDEFINED, std::slice::from_ref(&native))?;
    let load = rt.get_named(&native, "load")?;
    LOAD.with(|slot| slot.set(ManuallyDrop::new(load))).ok();
    Ok(())
}

/// Makes sure that `Buffer` was evaluated, so that the host knows its prototype.
pub(crate) fn load_buffer(rt: Runtime) -> JsResult<()> {
    let load = LOAD.with(|slot| slot.get().map(|load| Value::clone(load)));
    let Some(load) = load else { return Ok(()) };
    rt.call(&load, &Value::UNDEFINED, &[rt.string_utf8(b"buffer")?])
        .map(drop)
}

/// `evaluate(name)`: the function that a part consists of.
fn evaluate(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let name = rt.utf8(bytes::argument(call, 0))?;
    let part = PARTS.iter().find(|(part, _)| *part == name.as_str());
    let Some((name, source)) = part else {
        return Err(rt.type_error("the bootstrap has no such part"));
    };
    rt.eval_bootstrap(source, &format!("node:internal/{name}"))
}
