//! The native functions of the bindings `spawn_sync`, `process_wrap` and `pipe_wrap`. Errors of the
//! system are negative numbers, as libuv has them.

use std::sync::Arc;
use std::time::Duration;

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use hostd_napi::Host;

use super::bytes::{argument, size};
use crate::pipe::Pipe;
use crate::state::NodeState;
use crate::subprocess::{self, CHUNK, Limits, Program, Start, Stream};

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("runToEnd", run_to_end),
    ("start", start),
    ("kill", kill),
    ("read", read),
    ("write", write),
    ("closePipe", close_pipe),
];

/// How many arguments or variables a program can be given; the system takes less.
const TEXTS_MAX: u32 = 1 << 20;
/// How many bytes they can have together; the system takes less.
const BYTES_MAX: usize = 1 << 24;
const EAGAIN: i32 = 11;
const EBADF: i32 = 9;
const ESRCH: i32 = 3;

fn error(number: i32) -> Value {
    Value::from(f64::from(-number))
}

fn text(rt: Runtime, value: &Value) -> JsResult<String> {
    let text = rt.utf8(value)?;
    Ok(text.as_str().to_owned())
}

fn texts(rt: Runtime, list: &Value) -> JsResult<Option<Vec<String>>> {
    let Some(length) = rt.array_length(list) else {
        return Ok(None);
    };
    if length > TEXTS_MAX {
        return Err(rt.range_error("too many arguments or variables for a program"));
    }
    let mut all = Vec::new();
    let mut total = 0_usize;
    for index in 0..length {
        let item = text(rt, &rt.get_index(list, index)?)?;
        total = total.saturating_add(item.len());
        if total > BYTES_MAX {
            return Err(rt.range_error("too long arguments or variables for a program"));
        }
        rt.push(&mut all, item)?;
    }
    Ok(Some(all))
}

/// The arguments `(file, arguments, folder, environment, streams, user, group, detached)`; a stream is
/// -1 for a pipe, -2 for none, or a number of the host's.
fn requested(rt: Runtime, call: &Invocation<'_>) -> JsResult<Start> {
    let folder = argument(call, 2);
    let folder = if folder.is_string() {
        Some(text(rt, folder)?)
    } else {
        None
    };
    let mut streams = [Stream::Ignored; 3];
    for (index, stream) in (0..).zip(&mut streams) {
        *stream = match rt.get_index(argument(call, 4), index)?.as_i32() {
            Some(-1) => Stream::Pipe,
            Some(number @ 0..) => Stream::Inherited(number),
            _ => Stream::Ignored,
        };
    }
    let id = |index| argument(call, index).as_i32().map(i32::cast_unsigned);
    Ok(Start {
        file: text(rt, argument(call, 0))?,
        args: texts(rt, argument(call, 1))?.unwrap_or_default(),
        folder,
        environment: texts(rt, argument(call, 3))?,
        streams,
        user: id(5),
        group: id(6),
        is_detached: argument(call, 7).as_bool().unwrap_or(false),
    })
}

fn or_null(number: Option<i32>) -> Value {
    number.map_or(Value::NULL, |number| Value::from(f64::from(number)))
}

/// `runToEnd(…, input, timeout, limit, signal)`: the error if it could not start; else process id, exit
/// code or null, signal or null, its output and error output or null, and the error that ended it or
/// undefined.
fn run_to_end(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let start = requested(rt, call)?;
    let input = rt.copy_bytes(argument(call, 8))?.unwrap_or_default();
    let timeout = size(call, 9).filter(|&milliseconds| milliseconds > 0);
    let limits = Limits {
        timeout: timeout.map(|milliseconds| Duration::from_millis(milliseconds as u64)),
        output: size(call, 10).unwrap_or(usize::MAX),
        kill_signal: argument(call, 11).as_i32().unwrap_or(15),
    };
    let outcome = match subprocess::run(&start, &input, limits) {
        Ok(outcome) => outcome,
        Err(failed) => return Ok(error(subprocess::number(&failed))),
    };
    let output = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => rt.array_buffer_from(bytes),
        None => Ok(Value::NULL),
    };
    let [stdout, stderr] = outcome.outputs;
    rt.array_from(vec![
        Value::from(f64::from(outcome.pid)),
        or_null(outcome.code),
        or_null(outcome.signal),
        output(stdout)?,
        output(stderr)?,
        outcome.error.map_or(Value::UNDEFINED, error),
    ])
}

fn host(rt: Runtime) -> JsResult<Host> {
    Host::current().ok_or_else(|| rt.type_error("this thread has no host"))
}

/// `start(…, callback)`: the error if it could not start; else its number and its process id.
/// `callback` is called with exit code or null and signal or null when it has ended.
fn start(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let requested = requested(rt, call)?;
    let host = host(rt)?;
    let node = NodeState::of(rt)?;
    let space = node.programs.borrow_mut().by_number.try_reserve(1);
    space.map_err(|_| rt.out_of_memory())?;
    let mut child = match requested.spawn() {
        Ok(child) => child,
        Err(failed) => return Ok(error(subprocess::number(&failed))),
    };
    let pipes = match Pipe::of(&mut child) {
        Ok(pipes) => pipes,
        Err(failed) => {
            end(child);
            return Ok(error(subprocess::number(&failed)));
        }
    };
    let pid = child.id();
    let number = {
        let mut programs = node.programs.borrow_mut();
        programs.given += 1;
        let number = programs.given;
        let child = Some(child);
        programs.by_number.insert(number, Program { child, pipes });
        number
    };
    let callback = argument(call, 8).clone();
    let watched = host.run_in_thread(
        move || subprocess::wait_for_end(pid),
        move |rt, ()| {
            let (code, signal) = collect(rt, number)?;
            let args = [or_null(code), or_null(signal)];
            rt.call(&callback, &Value::UNDEFINED, &args).map(drop)
        },
    );
    if watched.is_err() {
        if let Some(child) = with_program(rt, number, |program| program.child.take())?.flatten() {
            end(child);
        }
        return Ok(error(EAGAIN));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts to far less than 2^53")]
    rt.array_from(vec![
        Value::from(number as f64),
        Value::from(f64::from(pid)),
    ])
}

/// Ends a program that cannot be watched.
fn end(mut child: std::process::Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Does something with a program, and forgets it if nothing is left of it.
fn with_program<R>(
    rt: Runtime,
    number: usize,
    act: impl FnOnce(&mut Program) -> R,
) -> JsResult<Option<R>> {
    let mut programs = NodeState::of(rt)?.programs.borrow_mut();
    let Some(program) = programs.by_number.get_mut(&number) else {
        return Ok(None);
    };
    let result = act(program);
    if program.is_over() {
        programs.by_number.remove(&number);
    }
    Ok(Some(result))
}

/// Takes the exit status of a program that has ended.
fn collect(rt: Runtime, number: usize) -> JsResult<(Option<i32>, Option<i32>)> {
    let child = with_program(rt, number, |program| program.child.take())?;
    let status = child.flatten().and_then(|mut child| child.wait().ok());
    Ok(status.map_or((None, None), subprocess::outcome))
}

/// `kill(number, signal)`: 0, or the error.
fn kill(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let signal = argument(call, 1).as_i32().unwrap_or(15);
    let number = size(call, 0).unwrap_or(0);
    let killed = with_program(rt, number, |program| match &program.child {
        Some(child) => subprocess::kill(child, signal),
        None => Err(ESRCH),
    })?;
    Ok(match killed {
        Some(Ok(())) => Value::from(0),
        Some(Err(number)) => error(number),
        None => error(ESRCH),
    })
}

/// The pipe that the arguments `(number, index)` name.
fn pipe(rt: Runtime, call: &Invocation<'_>) -> JsResult<Option<Arc<Pipe>>> {
    let (Some(number), Some(index)) = (size(call, 0), size(call, 1)) else {
        return Ok(None);
    };
    let found = with_program(rt, number, |program| {
        program.pipes.get(index).and_then(Option::clone)
    })?;
    Ok(found.flatten())
}

/// `read(number, index, callback)`: calls `callback` with an `ArrayBuffer`, which is empty at the end,
/// or an error.
fn read(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let callback = argument(call, 2).clone();
    let Some(pipe) = pipe(rt, call)? else {
        return Ok(error(EBADF));
    };
    let work = move || {
        let mut chunk = vec![0; CHUNK];
        let read = pipe.read(&mut chunk);
        read.map(|count| {
            chunk.truncate(count);
            chunk
        })
    };
    host(rt)?.run_in_thread(work, move |rt, read| {
        let result = match read {
            Ok(bytes) => rt.array_buffer_from(bytes)?,
            Err(failed) => error(subprocess::number(&failed)),
        };
        rt.call(&callback, &Value::UNDEFINED, &[result]).map(drop)
    })?;
    Ok(Value::from(0))
}

/// `write(number, index, view, callback)`: calls `callback` with 0 or an error.
fn write(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let callback = argument(call, 3).clone();
    let Some(pipe) = pipe(rt, call)? else {
        return Ok(error(EBADF));
    };
    let bytes = rt.copy_bytes(argument(call, 2))?.unwrap_or_default();
    let work = move || pipe.write_all(&bytes);
    host(rt)?.run_in_thread(work, move |rt, written| {
        let result = written.map_or_else(
            |failed| error(subprocess::number(&failed)),
            |()| Value::from(0),
        );
        rt.call(&callback, &Value::UNDEFINED, &[result]).map(drop)
    })?;
    Ok(Value::from(0))
}

/// `closePipe(number, index)`.
fn close_pipe(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    if let (Some(number), Some(index)) = (size(call, 0), size(call, 1)) {
        let closed = with_program(rt, number, |program| {
            program.pipes.get_mut(index).and_then(Option::take)
        })?;
        if let Some(pipe) = closed.flatten() {
            pipe.close();
        }
    }
    Ok(Value::UNDEFINED)
}
