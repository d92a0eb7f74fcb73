//! Fatal errors, which end the process, and fatal exceptions, which do not.

use std::io::Write as _;

use hostd_engine::{Content, Runtime, Value};

use crate::abi::checked::Handle;
use crate::abi::status::NapiResult;
use crate::abi::types::napi_env;
use crate::env::Cx;
use crate::host::{self, Origin};

/// Prints the message as Node does and aborts.
pub(crate) fn napi_fatal_error(location: &[u8], message: &[u8]) -> ! {
    let (location, message) = (
        String::from_utf8_lossy(location),
        String::from_utf8_lossy(message),
    );
    end(&format!("{location} {message}"), &place(true))
}

/// Ends the process because a basic finalizer called a function that is not basic. The text is
/// Node's, so that a search for it finds Node's documentation.
pub(crate) fn not_basic() -> ! {
    end(
        "Finalizer is calling a function that may affect GC state.\n\
         The finalizers are run directly from GC and must not affect GC state.\n\
         Use `node_api_post_finalizer` from inside of the finalizer to work around this issue.\n\
         It schedules the call as a new task in the event loop.",
        &place(false),
    )
}

fn end(message: &str, place: &str) -> ! {
    // A failure cannot be reported anywhere else.
    let _ = writeln!(std::io::stderr(), "FATAL ERROR: {message}{place}");
    std::process::abort()
}

/// A line that says in which addon this is; with `names_function`, in which of its functions, for
/// which the engine is asked. Empty if that is not known, as in a thread of an addon.
fn place(names_function: bool) -> String {
    let Some(host) = host::current() else {
        return String::new();
    };
    let function = host.frames.innermost();
    let env = function.as_ref().and_then(|function| {
        let raw = napi_env(host.rt.native_function(function)?.words[2]);
        Some(host::caller(raw)?.env)
    });
    let only = match host.envs().as_slice() {
        [env] => Some(*env),
        _ => None,
    };
    match (env.or(only), function) {
        (Some(env), Some(function)) if names_function => {
            let name = name(host.rt, &function);
            format!("\n    in {name} of {}", env.path.display())
        }
        (Some(env), _) => format!("\n    in {}", env.path.display()),
        (None, _) => String::new(),
    }
}

/// The name of a function, without running its code.
fn name(rt: Runtime, function: &Value) -> String {
    let read = || {
        let property = rt.own_property(function, &rt.key_utf8(b"name").ok()?);
        match property.ok()??.content {
            Content::Value(name) if name.is_string() => {
                rt.utf8(&name).ok().map(|name| name.as_str().to_owned())
            }
            _ => None,
        }
    };
    let found = read().filter(|name| !name.is_empty());
    found.unwrap_or_else(|| "a function".to_owned())
}

/// Reports a value as an uncaught exception. The process goes on.
pub(crate) fn napi_fatal_exception(cx: &Cx, error: Handle) -> NapiResult {
    let error = cx.value(error)?;
    cx.host
        .uncaught(&hostd_engine::Thrown(error), Origin::FatalException);
    Ok(())
}
