//! The native functions of the binding `os`. What the system refuses is a negative number of libuv's.

#![expect(
    clippy::unnecessary_wraps,
    reason = "functions of one table have one type"
)]

use std::fs;
use std::io;

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::system::uname;

use super::bytes::argument;
use super::uv;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("information", information),
    ("parallelism", parallelism),
    ("memory", memory),
    ("uptime", uptime),
    ("load", load),
    ("processors", processors),
    ("user", user),
    ("ids", ids),
    ("umask", umask),
    ("kill", kill),
    ("isTerminal", is_terminal),
    ("chdir", chdir),
    ("times", times),
    ("peakMemory", peak_memory),
    ("libraries", libraries),
    ("libcVersion", libc_version),
    ("getPriority", get_priority),
    ("setPriority", set_priority),
];

/// Milliseconds of one tick in which the kernel counts the times of a processor.
const TICK_MS: f64 = 10.0;

fn word(rt: Runtime, text: &[u8]) -> JsResult {
    rt.string_utf8(text)
}

/// `information()`: name of the system, its version, release, machine, and the name of the host.
fn information(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let facts = uname();
    let parts = [
        facts.sysname(),
        facts.version(),
        facts.release(),
        facts.machine(),
        facts.nodename(),
    ];
    let words: JsResult<Vec<_>> = parts.iter().map(|part| word(rt, part.to_bytes())).collect();
    rt.array_from(words?)
}

fn parallelism(_: Runtime, _: &Invocation<'_>) -> JsResult {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Value::from(u32::try_from(count).map_or(1.0, f64::from)))
}

fn numbers(rt: Runtime, list: &[f64]) -> JsResult {
    rt.array_from(list.iter().map(|&number| Value::from(number)).collect())
}

/// `memory()`: total and available bytes.
fn memory(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
    };
    let bytes = |name| kilobytes(name).map_or(0.0, |count| count * 1024.0);
    numbers(rt, &[bytes("MemTotal:"), bytes("MemAvailable:")])
}

fn first_numbers(path: &str) -> Vec<f64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect()
}

/// `uptime()`: seconds since the system was started.
fn uptime(_: Runtime, _: &Invocation<'_>) -> JsResult {
    let seconds = first_numbers("/proc/uptime").first().copied();
    Ok(Value::from(seconds.unwrap_or_default()))
}

/// `load()`: the three load averages.
fn load(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let found = first_numbers("/proc/loadavg");
    let at = |index: usize| found.get(index).copied().unwrap_or_default();
    numbers(rt, &[at(0), at(1), at(2)])
}

/// `processors()`: model, speed, and the five times of each, one after the other.
fn processors(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    /// More are not listed.
    const MAX: usize = 4096;
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let all = |name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.split_once(':').map_or("", |(_, value)| value.trim()));
        values.collect::<Vec<_>>()
    };
    let (models, speeds) = (all("model name"), all("cpu MHz"));
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = stat.lines().filter(|line| {
        let number = line.strip_prefix("cpu");
        number.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    let mut list = Vec::new();
    for (index, line) in lines.take(MAX).enumerate() {
        let times: Vec<f64> = line
            .split_whitespace()
            .skip(1)
            .map_while(|field| field.parse().ok())
            .collect();
        let time = |at: usize| Value::from(times.get(at).copied().unwrap_or_default() * TICK_MS);
        let megahertz = speeds.get(index).and_then(|text| text.parse::<f64>().ok());
        let model = models.get(index).copied().unwrap_or("unknown");
        list.push(word(rt, model.as_bytes())?);
        list.push(Value::from(megahertz.unwrap_or_default().trunc()));
        list.extend([time(0), time(1), time(2), time(3), time(5)]);
    }
    rt.array_from(list)
}

/// `user()`: user id, group id, name, home folder and shell; undefined if the system does not know
/// the user.
fn user(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let id = rustix::process::geteuid().as_raw().to_string();
    let text = fs::read("/etc/passwd").unwrap_or_default();
    for line in text.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        if let [name, _, user, group, _, home, shell] = fields[..]
            && user == id.as_bytes()
        {
            let number = |text: &[u8]| {
                let text = std::str::from_utf8(text).ok();
                Value::from(text.and_then(|text| text.parse().ok()).unwrap_or(-1.0))
            };
            let (name, home, shell) = (word(rt, name)?, word(rt, home)?, word(rt, shell)?);
            return rt.array_from(vec![number(user), number(group), name, home, shell]);
        }
    }
    Ok(Value::UNDEFINED)
}

/// `ids()`: real and effective user id, real and effective group id, then all other groups.
fn ids(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
    let mut list = vec![
        f64::from(getuid().as_raw()),
        f64::from(geteuid().as_raw()),
        f64::from(getgid().as_raw()),
        f64::from(getegid().as_raw()),
    ];
    let groups = getgroups().unwrap_or_default();
    list.extend(groups.iter().map(|group| f64::from(group.as_raw())));
    numbers(rt, &list)
}

/// `umask(mask)`: the mask before; without an argument it is only read.
fn umask(_: Runtime, call: &Invocation<'_>) -> JsResult {
    use rustix::fs::Mode;
    let wanted = argument(call, 0).as_f64();
    let before = rustix::process::umask(Mode::from_raw_mode(0));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the script checked it; a mask has nine bits"
    )]
    let after = wanted.map_or(before, |mask| {
        Mode::from_raw_mode(mask as u32) & Mode::from_raw_mode(0o777)
    });
    rustix::process::umask(after);
    Ok(Value::from(f64::from(before.as_raw_mode())))
}

fn number(error: rustix::io::Errno) -> Value {
    Value::from(f64::from(uv::number(&io::Error::from(error))))
}

/// `kill(pid, signal)`: 0 or the number of the error.
fn kill(_: Runtime, call: &Invocation<'_>) -> JsResult {
    use rustix::process::{Signal, kill_process, test_kill_process};
    let (Some(pid), Some(signal)) = (argument(call, 0).as_i32(), argument(call, 1).as_i32()) else {
        return Ok(number(rustix::io::Errno::INVAL));
    };
    let Some(pid) = (pid > 0).then(|| Pid::from_raw(pid)).flatten() else {
        return Ok(number(rustix::io::Errno::PERM));
    };
    let outcome = match (signal, Signal::from_named_raw(signal)) {
        (0, _) => test_kill_process(pid),
        (_, Some(signal)) => kill_process(pid, signal),
        (_, None) => Err(rustix::io::Errno::INVAL),
    };
    Ok(outcome.map_or_else(number, |()| Value::from(0.0)))
}

/// The first argument as the number of a process, where 0 is this one.
fn process(call: &Invocation<'_>) -> Result<Option<Pid>, rustix::io::Errno> {
    match argument(call, 0).as_i32() {
        Some(pid) if pid >= 0 => Ok(Pid::from_raw(pid)),
        _ => Err(rustix::io::Errno::SRCH),
    }
}

/// `getPriority(pid)`: the priority, or an array with the number of the error.
fn get_priority(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    match process(call).and_then(getpriority_process) {
        Ok(priority) => Ok(Value::from(f64::from(priority))),
        Err(error) => rt.array_from(vec![number(error)]),
    }
}

/// `setPriority(pid, priority)`: 0 or the number of the error.
fn set_priority(_: Runtime, call: &Invocation<'_>) -> JsResult {
    let priority = argument(call, 1).as_i32().unwrap_or_default();
    let outcome = process(call).and_then(|pid| setpriority_process(pid, priority));
    Ok(outcome.map_or_else(number, |()| Value::from(0.0)))
}

/// `isTerminal(fd)`: whether one of the three standard streams is a terminal. Other descriptors are not
/// looked at.
fn is_terminal(_: Runtime, call: &Invocation<'_>) -> JsResult {
    use std::io::IsTerminal;
    let found = match argument(call, 0).as_i32() {
        Some(0) => io::stdin().is_terminal(),
        Some(1) => io::stdout().is_terminal(),
        Some(2) => io::stderr().is_terminal(),
        _ => false,
    };
    Ok(Value::from(found))
}

/// `chdir(path)`: 0 or the number of the error.
fn chdir(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let path = rt.utf8(argument(call, 0))?;
    let outcome = std::env::set_current_dir(path.as_str());
    let errno = outcome.map_or_else(|error| uv::number(&error), |()| 0);
    Ok(Value::from(f64::from(errno)))
}

/// `times()`: the microseconds that this process computed, in its own code and in the kernel.
fn times(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, can have spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |at: usize| {
        let field = fields.split_whitespace().nth(at);
        field.and_then(|text| text.parse::<f64>().ok())
    };
    let time = |at| ticks(at).unwrap_or_default() * TICK_MS * 1000.0;
    numbers(rt, &[time(11), time(12)])
}

/// `peakMemory()`: the most kibibytes that this process had in memory.
fn peak_memory(_: Runtime, _: &Invocation<'_>) -> JsResult {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(Value::from(kibibytes.unwrap_or_default()))
}

/// The files of the libraries in this process.
fn library_files() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files: Vec<String> = Vec::new();
    for line in maps.lines() {
        let Some(at) = line.find('/') else { continue };
        let file = &line[at..];
        if file.contains(".so") && files.last().is_none_or(|last| last != file) {
            files.push(file.to_owned());
        }
    }
    files.dedup();
    files
}

/// `libraries()`: the files of the libraries in this process.
fn libraries(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let files: JsResult<Vec<_>> = library_files()
        .iter()
        .map(|file| word(rt, file.as_bytes()))
        .collect();
    rt.array_from(files?)
}

/// `libcVersion()`: the version of the C library, which its own file states; undefined if it cannot be
/// read.
fn libc_version(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    /// What is before the version, in the text that the library prints about itself.
    const BEFORE: &[u8] = b"stable release version ";
    let file = library_files()
        .into_iter()
        .find(|file| file.contains("/libc.so") || file.contains("/libc-2"));
    let bytes = file
        .and_then(|file| fs::read(file).ok())
        .unwrap_or_default();
    let Some(at) = memchr::memmem::find(&bytes, BEFORE) else {
        return Ok(Value::UNDEFINED);
    };
    let version = bytes[at + BEFORE.len()..]
        .split(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .next()
        .unwrap_or_default();
    word(rt, version.strip_suffix(b".").unwrap_or(version))
}
