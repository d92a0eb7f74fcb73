//! The native functions of the bindings `fs`, `fs_dir` and `fs_event_wrap`.
//!
//! An operation takes its arguments, runs without the engine, and makes a value of its result. So all
//! of them can run at once (`run`) or on a thread of the pool (`submit`).

mod contents;
mod descriptors;
mod folders;
mod paths;
mod status;
mod system;
mod task;
mod watch;

use std::fs;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

use hostd_engine::{ErrorConstructor, Invocation, JsResult, NativeCall, Runtime, Value};
use hostd_napi::Host;
use rustix::fs::FileType;

use self::task::{Answer, Args, Task};
use super::bytes::argument;
use super::uv;
use crate::state::NodeState;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("run", run),
    ("submit", submit),
    ("read", read),
    ("write", write),
    ("existsSync", exists),
    ("internalModuleStat", internal_module_stat),
    ("getFormatOfExtensionlessFile", format_of_file),
    ("guessHandleType", handle_type),
    ("watch", watch::watch),
    ("unwatch", watch::unwatch),
    ("referenceWatch", watch::reference),
];

type Operation = fn(&Args<'_>) -> JsResult<Task>;

/// The operations, the most frequent first.
const OPERATIONS: &[(&str, Operation)] = &[
    ("stat", status::stat),
    ("lstat", status::lstat),
    ("fstat", status::fstat),
    ("open", paths::open),
    ("close", descriptors::close),
    ("read", contents::read),
    ("write", contents::write),
    ("readFileUtf8", contents::read_file_utf8),
    ("readdir", folders::readdir),
    ("access", paths::access),
    ("chmod", paths::chmod),
    ("chown", paths::chown),
    ("closeDir", folders::close_dir),
    ("copyFile", paths::copy_file),
    ("fchmod", descriptors::fchmod),
    ("fchown", descriptors::fchown),
    ("fdatasync", descriptors::fdatasync),
    ("fsync", descriptors::fsync),
    ("ftruncate", descriptors::ftruncate),
    ("futimes", descriptors::futimes),
    ("lchown", paths::lchown),
    ("link", paths::link),
    ("lutimes", paths::lutimes),
    ("mkdir", folders::mkdir),
    ("mkdtemp", folders::mkdtemp),
    ("opendir", folders::opendir),
    ("readBuffers", contents::read_buffers),
    ("readOpenDir", folders::read_open_dir),
    ("readlink", paths::readlink),
    ("realpath", paths::realpath),
    ("rename", paths::rename),
    ("rmdir", paths::rmdir),
    ("statfs", status::statfs),
    ("symlink", paths::symlink),
    ("unlink", paths::unlink),
    ("utimes", paths::utimes),
    ("writeBuffers", contents::write_buffers),
    ("writeFileUtf8", contents::write_file_utf8),
];

/// The names of the operations.
#[cfg(test)]
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _)| *name)
}

/// The task that an operation's name and arguments make, which begin at `first`.
fn task(rt: Runtime, node: &NodeState, call: &Invocation<'_>, first: usize) -> JsResult<Task> {
    let name = rt.utf8(argument(call, first))?;
    let known = OPERATIONS.iter().find(|(known, _)| *known == name.as_str());
    let Some((_, operation)) = known else {
        return Err(rt.type_error("there is no such operation"));
    };
    operation(&Args {
        rt,
        node,
        values: call.args.get(first + 1..).unwrap_or_default(),
    })
}

/// `run(operation, ...arguments)`: its result, at once.
fn run(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let node = NodeState::of(rt)?;
    let Task { work, targets } = task(rt, node, call, 0)?;
    match work() {
        Ok(outcome) => task::value(rt, node, outcome, &targets),
        Err(failure) => Err(failure.exception(rt)),
    }
}

/// `submit(callback, operation, ...arguments)`: runs it on a thread of the pool, and calls back in a turn,
/// with an error, or with undefined and the result.
fn submit(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let node = NodeState::of(rt)?;
    let callback = argument(call, 0).clone();
    let Task { work, targets } = task(rt, node, call, 1)?;
    let complete = move |rt: Runtime, answer: Answer| {
        let node = NodeState::of(rt)?;
        let result = match answer {
            Ok(outcome) => task::value(rt, node, outcome, &targets),
            Err(failure) => Err(failure.exception(rt)),
        };
        let args = match result {
            Ok(value) => [Value::UNDEFINED, value],
            Err(thrown) => [thrown.0, Value::UNDEFINED],
        };
        rt.call(&callback, &Value::UNDEFINED, &args).map(drop)
    };
    let Some(host) = Host::current() else {
        return Err(rt.throw(ErrorConstructor::InternalError, "this thread has no host"));
    };
    host.run_in_pool(work, complete)?;
    Ok(Value::UNDEFINED)
}

/// `read(fd, view, offset, length, position)` at once.
fn read(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    contents::read_now(rt, &args(rt, call)?)
}

/// `write(fd, view, offset, length, position)` at once.
fn write(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    contents::write_now(rt, &args(rt, call)?)
}

fn args<'a>(rt: Runtime, call: &Invocation<'a>) -> JsResult<Args<'a>> {
    Ok(Args {
        rt,
        node: NodeState::of(rt)?,
        values: call.args,
    })
}

/// `internalModuleStat(path)`: 0 for a file, 1 for a folder, a negative number for neither. Some of
/// Node's modules pass a receiver before the path.
fn internal_module_stat(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let first = argument(call, 0);
    let path = if first.is_string() {
        first
    } else {
        argument(call, 1)
    };
    let path = rt.utf8(path)?;
    let kind = match fs::metadata(path.as_str()) {
        Ok(found) => i32::from(found.is_dir()),
        Err(error) => uv::number(&error),
    };
    Ok(Value::from(f64::from(kind)))
}

/// `existsSync(path)`.
fn exists(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let path = args(rt, call)?.path(0)?;
    let found = rustix::fs::access(path, rustix::fs::Access::EXISTS);
    Ok(Value::from(found.is_ok()))
}

/// `getFormatOfExtensionlessFile(path)`: 1 for WebAssembly, else 0.
fn format_of_file(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let path = rt.utf8(argument(call, 0))?;
    let mut start = [0; 4];
    let is_wasm = fs::File::open(Path::new(path.as_str()))
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok_and(|()| start == *b"\0asm");
    Ok(Value::from(f64::from(u8::from(is_wasm))))
}

/// `guessHandleType(fd)`: the number of the class by which Node handles such a file.
fn handle_type(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    const TTY: u8 = 1;
    const FILE: u8 = 3;
    const PIPE: u8 = 4;
    const UNKNOWN: u8 = 5;
    let kind = match args(rt, call)?.file(0) {
        Ok(file) if file.as_fd().is_terminal() => TTY,
        Ok(file) => match rustix::fs::fstat(&file).map(|found| found.st_mode) {
            Ok(mode) => match FileType::from_raw_mode(mode) {
                FileType::RegularFile | FileType::CharacterDevice => FILE,
                FileType::Fifo | FileType::Socket => PIPE,
                _ => UNKNOWN,
            },
            Err(_) => UNKNOWN,
        },
        Err(_) => UNKNOWN,
    };
    Ok(Value::from(f64::from(kind)))
}
