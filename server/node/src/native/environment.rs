//! The native functions under `process` and `console`: the host's process, its output, its clock.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the engine calls every native function by one signature"
)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hostd_engine::{ErrorConstructor, Invocation, JsResult, PromiseState, Runtime, Thrown, Value};
use hostd_napi::{Host, LoadErrorKind, NODE_API_VERSION, NodeVersion, Origin, libuv_version};

use super::bytes::{argument, size};
use crate::state::{NodeState, Tick};
use crate::timers::BEGIN;

/// What stands for `NODE_MODULE_VERSION`: no file that needs the interface of V8 is published for it, so
/// packages that bring such files and one for Node-API choose the latter.
const MODULES: &str = "10127";
/// The name of that line.
const LINE: &str = "Jod";
/// Limit of the arguments of a function: the engine calls none with more.
const ARGUMENTS_MAX: u32 = 65534;

fn host(rt: Runtime) -> JsResult<Host> {
    Host::current()
        .ok_or_else(|| rt.throw(ErrorConstructor::InternalError, "this thread has no host"))
}

/// `facts()`: what `process` is made of.
pub(crate) fn facts(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let host = host(rt)?;
    let version = host.node_version();
    let executable = std::env::current_exe().unwrap_or_default();
    let executable = executable.to_string_lossy();
    let given = host.argv();
    let argv: Vec<&str> = if given.is_empty() {
        vec![&executable]
    } else {
        given.iter().map(String::as_str).collect()
    };
    let NodeVersion {
        major,
        minor,
        patch,
    } = version;
    let node = format!("{major}.{minor}.{patch}");
    let text = |text: &str| rt.string_utf8(text.as_bytes());
    let texts = |items: &[&str]| {
        let items: JsResult<Vec<Value>> = items.iter().map(|item| text(item)).collect();
        rt.array_from(items?)
    };
    let variables: JsResult<Vec<Value>> = std::env::vars_os()
        .map(|(name, value)| texts(&[&name.to_string_lossy(), &value.to_string_lossy()]))
        .collect();
    let all = [
        ("node", text(&node)?),
        ("napi", text(&NODE_API_VERSION.to_string())?),
        ("modules", text(MODULES)?),
        ("uv", text(&libuv_version())?),
        ("lts", text(LINE)?),
        ("arch", text("x64")?),
        ("platform", text(std::env::consts::OS)?),
        ("pid", Value::from(f64::from(std::process::id()))),
        ("argv", texts(&argv)?),
        ("execPath", text(&executable)?),
        ("env", rt.array_from(variables?)?),
        ("started", rt.bigint_u64(0)?),
    ];
    object(rt, all)
}

fn object<const N: usize>(rt: Runtime, members: [(&str, Value); N]) -> JsResult {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let keys = names.iter().map(|name| rt.key_utf8(name.as_bytes()));
    rt.object_from(&keys.collect::<JsResult<Vec<_>>>()?, values)
}

/// `hrtime()`: nanoseconds since the process began, as a bigint.
pub(crate) fn hrtime(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    rt.bigint_u64(u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// `cwd()`.
pub(crate) fn cwd(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let path = std::env::current_dir().map_err(|error| {
        let text = format!("the working directory is gone: {error}");
        rt.throw(ErrorConstructor::Error, &text)
    })?;
    rt.string_utf8(path.to_string_lossy().as_bytes())
}

/// `parent()`: the parent's process id.
pub(crate) fn parent(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::from(f64::from(std::os::unix::process::parent_id())))
}

/// `memory()`: what `process.memoryUsage` answers.
pub(crate) fn memory(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("VmRSS:")?.split_whitespace().next()?;
        kibibytes.parse::<f64>().ok()
    });
    let engine = rt.memory();
    #[expect(
        clippy::cast_precision_loss,
        reason = "memory sizes stay far below 2^53"
    )]
    let (heap, external) = (engine.allocated as f64, engine.external as f64);
    let all = [
        ("rss", Value::from(resident.unwrap_or(0.0) * 1024.0)),
        ("heapTotal", Value::from(heap)),
        ("heapUsed", Value::from(heap)),
        ("external", Value::from(external)),
        ("arrayBuffers", Value::from(0.0)),
    ];
    object(rt, all)
}

/// `output(descriptor, text or view)`: to stdout (1) or stderr (2). A reader that is gone is no
/// error of the addon's.
pub(crate) fn output(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let what = argument(call, 1);
    let bytes = match rt.copy_bytes(what)? {
        Some(bytes) => bytes,
        None => rt.copied(rt.utf8(what)?.as_bytes())?,
    };
    let written = if argument(call, 0).as_i32() == Some(1) {
        let mut stream = io::stdout().lock();
        stream.write_all(&bytes).and_then(|()| stream.flush())
    } else {
        io::stderr().lock().write_all(&bytes)
    };
    if let Err(error) = written {
        tracing::debug!(%error, "output of the addon was lost");
    }
    Ok(Value::UNDEFINED)
}

/// `exit(code)`: tells the embedder, and stops the script if that did not end the process.
pub(crate) fn exit(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let code = argument(call, 0).as_i32().unwrap_or(0);
    host(rt)?.hooks().exit_requested(code);
    let text = "process.exit was called: the host is about to end";
    Err(rt.throw(ErrorConstructor::Error, text))
}

/// `abort()`: ends the process as a crash, as in Node.
pub(crate) fn abort(_: Runtime, _: &Invocation<'_>) -> JsResult {
    std::process::abort()
}

/// `nextTick(function, arguments)`.
pub(crate) fn next_tick(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let list = argument(call, 1);
    let length = rt.array_length(list).unwrap_or(0);
    if length > ARGUMENTS_MAX {
        return Err(rt.range_error("too many arguments for a function"));
    }
    let mut args = Vec::new();
    for index in 0..length {
        let value = rt.get_index(list, index)?;
        rt.push(&mut args, value)?;
    }
    let tick = Tick {
        function: argument(call, 0).clone(),
        args,
    };
    NodeState::of(rt)?.ticks.borrow_mut().push_back(tick);
    Ok(Value::UNDEFINED)
}

/// `uncaught(error)`: of a function given to `queueMicrotask`.
pub(crate) fn uncaught(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let thrown = Thrown(argument(call, 0).clone());
    host(rt)?.uncaught(&thrown, Origin::Microtask);
    Ok(Value::UNDEFINED)
}

/// `setUncaughtListener(function)`: called by the script of `process`.
pub(crate) fn set_uncaught_listener(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    // The script that calls this is evaluated once: the cell is empty.
    let listener = argument(call, 0).clone();
    let _ = NodeState::of(rt)?.listener.set(listener);
    Ok(Value::UNDEFINED)
}

/// `setBufferPrototype(object)`: called by the script of `Buffer`.
pub(crate) fn set_buffer_prototype(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    // The script that calls this is evaluated once: the cell is empty.
    let prototype = argument(call, 0).clone();
    let _ = NodeState::of(rt)?.buffer_prototype.set(prototype);
    Ok(Value::UNDEFINED)
}

/// `dlopen(filename, exports, flags or undefined, the module's filename or undefined)`: loads an addon
/// in an environment of its own; gives its exports.
pub(crate) fn dlopen(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let path = rt.utf8(argument(call, 0))?;
    let named = argument(call, 3);
    let filename = if named.is_string() {
        Some(PathBuf::from(rt.utf8(named)?.as_str()))
    } else {
        None
    };
    let (exports, flags) = (argument(call, 1).clone(), argument(call, 2).as_i32());
    match host(rt)?.dlopen(
        Path::new(path.as_str()),
        exports,
        flags,
        filename.as_deref(),
    ) {
        Ok(initialized) => initialized,
        Err(error) => {
            let thrown = rt.throw(ErrorConstructor::Error, &error.to_string());
            if !matches!(error.kind, LoadErrorKind::NoEntryPoint) {
                let code = rt.string_utf8(b"ERR_DLOPEN_FAILED")?;
                rt.put(&thrown.0, &rt.key_utf8(b"code")?, code)?;
            }
            Err(thrown)
        }
    }
}

/// `getFrame()`: the frame of asynchronous context that is current.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine calls every native function by one signature"
)]
pub(crate) fn frame(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(rt.continuation_data())
}

/// `setFrame(frame)`.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine calls every native function by one signature"
)]
pub(crate) fn set_frame(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.set_continuation_data(argument(call, 0).clone());
    Ok(Value::UNDEFINED)
}

/// `collect()`: collects garbage now. Basic finalizers run at once, others when the outermost call
/// ends.
pub(crate) fn collect(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    host(rt)?.gc();
    Ok(Value::UNDEFINED)
}

/// `collectCyclesFrom(bytes)`: the heap grows so far before cycles are collected.
pub(crate) fn collect_cycles_from(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.collect_cycles_from(size(call, 0).unwrap_or(0));
    Ok(Value::UNDEFINED)
}

/// `hold(value)`: delays the death of a value, which a script observes from now on.
pub(crate) fn hold(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.hold(argument(call, 0))?;
    Ok(Value::UNDEFINED)
}

/// `isPromise(value)`.
pub(crate) fn is_promise(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(rt.is_promise(argument(call, 0))))
}

/// `promiseState(promise)`: its state in words, and its result.
pub(crate) fn promise_state(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (word, value) = match rt.promise_state(argument(call, 0)) {
        Some(PromiseState::Fulfilled(value)) => ("fulfilled", value),
        Some(PromiseState::Rejected(reason)) => ("rejected", reason),
        Some(PromiseState::Pending) | None => ("pending", Value::UNDEFINED),
    };
    rt.array_from(vec![rt.string_utf8(word.as_bytes())?, value])
}

/// `isProxy(value)`.
pub(crate) fn is_proxy(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(rt.is_proxy(argument(call, 0))))
}

/// `showCodeInStack(error)`.
pub(crate) fn show_code_in_stack(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.show_code_in_stack(argument(call, 0))?;
    Ok(Value::UNDEFINED)
}

/// `isExternal(value)`.
pub(crate) fn is_external(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(rt.is_external(argument(call, 0))))
}
