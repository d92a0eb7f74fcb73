//! Hostile arguments to every native function, and to every function of the bindings over them: each
//! returns or throws an exception of JavaScript.
//!
//! The functions are called in a process of its own, by `driver.js`, which finds them by itself. An abort, a
//! panic, a native function that does not return, and memory without a limit end that process, and the case
//! is named. `NAPI_HOSTD_HOSTILE_ROUNDS` and `NAPI_HOSTD_HOSTILE_SEED` make the run longer, or another one.

use std::cell::RefCell;
use std::env;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hostd_engine::{FinalizerToken, JsResult, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::event_loop;
use crate::globals;
use crate::native::{binding, fs_operations};
use crate::state::NodeState;

const DRIVER: &str = include_str!("driver.js");
const RECORDER: &str = include_str!("recorder.js");
const CHILD: &str = "hostile::child_calls";
/// Drawn cases for each function, beside those that are always run.
const ROUNDS: u32 = 12;
const SEED: u32 = 1;
/// JavaScript is interrupted after this time: it could as well loop for ever.
const SCRIPT_MAX: Duration = Duration::from_millis(200);
/// Limit of the time that a case may take outside of JavaScript.
const CASE_MAX: Duration = Duration::from_secs(60);
/// Limit of the memory that the calls may allocate: what is allocated without a check ends the process.
const MEMORY_MAX: u64 = 2 << 30;

struct Hooks;

impl HostHooks for Hooks {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

fn options() -> HostOptions {
    let mut options = HostOptions::new(Box::new(Hooks));
    // Tests run on threads with 2 MiB of stack.
    options.stack_bytes = 1 << 20;
    options
}

fn option(name: &str, otherwise: u32) -> u32 {
    let text = env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn every_function_answers_hostile_arguments_with_a_result_or_an_exception() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        let path = folder.path().join(name);
        File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .expect("a file")
    };
    let status = Command::new(env::current_exe().expect("this program"))
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env("NAPI_HOSTD_HOSTILE_FOLDER", folder.path())
        .stdin(Stdio::from(file("input")))
        .stdout(Stdio::from(file("output")))
        .stderr(Stdio::from(file("errors")))
        .status()
        .expect("a child");
    let read = |name: &str| {
        let bytes = fs::read(folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let case = read("case");
    let errors = read("panics");
    let end = read("errors");
    let end: Vec<&str> = end.lines().rev().take(12).collect();
    assert!(
        status.success() && errors.is_empty(),
        "{status} in: {case}\n{errors}\nlast output, from its end: {end:#?}"
    );
    let done = read("done");
    println!("{done}");
    assert!(done.contains(" cases of "), "{done}");
}

/// The native functions as the global object `native`, on this thread.
fn with_natives() -> Host {
    let host = crate::start(options()).expect("a host").leak();
    let native = globals::functions(host.runtime()).expect("the functions");
    host.set_global("native", native).expect("a global object");
    host
}

/// The error of a line, or what it comes to.
fn outcome(host: Host, line: &str) -> String {
    let source = format!(
        "(() => {{ try {{ return String({line}); }} catch (error) {{ return `${{error.name}} ${{error.message}}`; }} }})()"
    );
    host.enter(|rt| {
        let answer = rt.eval_script(&source, "test.js").expect("an answer");
        rt.utf8(&answer).expect("a text").as_str().to_owned()
    })
}

#[test]
fn arrays_longer_than_any_call_can_take_are_refused() {
    let host = with_natives();
    let all = "new Array(2 ** 32 - 1)";
    let lines = [
        (
            format!("native.nextTick(() => {{}}, {all})"),
            "RangeError too many arguments for a function",
        ),
        (
            format!("native.functions('fs').run('readBuffers', 0, {all})"),
            "TypeError the array must have views or buffers only",
        ),
        (
            format!("native.functions('fs').run('writeBuffers', 0, {all})"),
            "TypeError the array must have views or buffers only",
        ),
        (
            "native.functions('subprocess').start('x', Array(64).fill('x'.repeat(1 << 20)), undefined, undefined, [])".to_owned(),
            "RangeError too long arguments or variables for a program",
        ),
    ];
    for (line, wanted) in lines {
        assert_eq!(outcome(host, &line), wanted, "{line}");
    }
}

#[test]
fn module_with_more_exports_than_there_can_be_is_refused() {
    let host = with_natives();
    let hooks = "native.functions('script').setModuleHooks((name) => name, () => [new Array(2 ** 32 - 1), () => []], () => {})";
    assert_eq!(outcome(host, hooks), "undefined");
    assert_eq!(
        outcome(host, "native.functions('script').importModule('x')"),
        "RangeError too many exports for a module"
    );
}

/// What the child writes the case to that is run, so that it is known when the process has ended.
struct Note(File);

impl Note {
    fn write(&mut self, text: &str) {
        let line = format!("{text:<200}");
        let written = self
            .0
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.0.write_all(line.as_bytes()));
        written.expect("written");
    }
}

/// Milliseconds since the start at which the case began that is run.
static BEGAN: AtomicU64 = AtomicU64::new(0);

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Ends the process if a case takes too long.
fn watch(start: Instant, folder: PathBuf) {
    let run = move || {
        loop {
            thread::sleep(Duration::from_millis(100));
            let took = since(start).saturating_sub(BEGAN.load(Ordering::Relaxed));
            if Duration::from_millis(took) > CASE_MAX {
                report(&folder, "the case does not return");
                std::process::abort();
            }
        }
    };
    let watch = thread::Builder::new().name("watch".to_owned()).spawn(run);
    drop(watch.expect("a thread"));
}

/// Appends to the file of what went wrong.
fn report(folder: &Path, text: &str) {
    let file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("panics"));
    let case = fs::read_to_string(folder.join("case")).unwrap_or_default();
    let _ = file.and_then(|mut file| writeln!(file, "{text}: {}", case.trim_end()));
}

#[test]
#[ignore = "every_function_answers_hostile_arguments_with_a_result_or_an_exception runs it in a process of its own"]
fn child_calls() {
    let folder = PathBuf::from(env::var_os("NAPI_HOSTD_HOSTILE_FOLDER").expect("a folder"));
    let work = folder.join("work");
    fs::create_dir(&work).expect("a folder");
    env::set_current_dir(&work).expect("the folder");
    let place = folder.clone();
    panic::set_hook(Box::new(move |info| report(&place, &info.to_string())));
    limit_memory();

    let (host, calls) = recorded();
    let start = Instant::now();
    let began = Rc::new(RefCell::new(Instant::now()));
    let interrupted = Rc::clone(&began);
    let rt = host.runtime();
    rt.set_interrupt_hook(Some(Rc::new(move || {
        interrupted.borrow().elapsed() > SCRIPT_MAX
    })));
    let driver = host
        .enter(|rt| driver(rt, calls, &work))
        .expect("the driver");
    let [next, call] =
        ["next", "call"].map(|name| rt.get_named(&driver, name).expect("a function"));
    watch(start, folder.clone());
    let mut note = Note(File::create(folder.join("case")).expect("a file"));
    let mut cases = 0;
    loop {
        began.replace(Instant::now());
        let name = host.enter(|rt| rt.call(&next, &Value::UNDEFINED, &[]));
        let name = name.expect("the name of a case");
        if name.is_undefined() {
            break;
        }
        cases += 1;
        note.write(rt.utf8(&name).expect("a text").as_str());
        began.replace(Instant::now());
        BEGAN.store(since(start), Ordering::Relaxed);
        // What it throws was interrupted.
        let _ = host.enter(|rt| rt.call(&call, &Value::UNDEFINED, &[]));
        began.replace(Instant::now());
        host.turn(100, Duration::from_millis(5));
    }
    note.write("what is left after all cases");
    finish(host, &began);
    let count = |name| {
        let number = rt.get_named(&driver, name).expect("a number");
        number.as_f64().expect("a number")
    };
    let (entries, natives) = (count("entries"), count("natives"));
    let text = format!(
        "{cases} cases of {entries} functions, {natives} of them native, in {:.1} s\n",
        start.elapsed().as_secs_f64()
    );
    fs::write(folder.join("done"), text).expect("written");
}

/// What is in the process now may double and grow by the limit.
fn limit_memory() {
    let status = fs::read_to_string("/proc/self/statm").expect("the status");
    let pages: u64 = status
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .expect("a number of pages");
    let limit = Rlimit {
        current: Some(2 * pages * 4096 + MEMORY_MAX),
        maximum: getrlimit(Resource::As).maximum,
    };
    setrlimit(Resource::As, limit).expect("the limit");
}

/// A host whose scripts call the native functions by way of `recorder.js`, and the calls of which that keeps the
/// arguments.
fn recorded() -> (Host, Value) {
    let host = Host::new(options(), Box::<NodeState>::default())
        .expect("a host")
        .leak();
    let rt = host.runtime();
    event_loop::install(rt);
    let begun = host.enter(|rt| {
        let record = rt.eval_script(RECORDER, "recorder.js")?;
        let recorder = rt.call(&record, &Value::UNDEFINED, &[globals::functions(rt)?])?;
        globals::begin(host, &rt.get_named(&recorder, "native")?)?;
        rt.get_named(&recorder, "calls")
    });
    (host, begun.expect("the globals"))
}

/// The object that `driver.js` makes.
fn driver(rt: Runtime, calls: Value, folder: &Path) -> JsResult {
    let make = rt.eval_script(DRIVER, "driver.js")?;
    let native = globals::functions(rt)?;
    let text = |text: &str| rt.string_utf8(text.as_bytes());
    let texts = |names: Vec<&str>| {
        let names: JsResult<Vec<_>> = names.into_iter().map(text).collect();
        rt.array_from(names?)
    };
    let load = NodeState::of(rt)?.load.get().expect("a function").clone();
    for part in [
        "realm",
        "timers",
        "process",
        "process_more",
        "text",
        "console",
        "clone",
        "modules",
    ] {
        rt.call(&load, &Value::UNDEFINED, &[text(part)?])?;
    }
    let args = [
        native,
        texts(binding::names().collect())?,
        texts(fs_operations().collect())?,
        load,
        calls,
        text(&folder.to_string_lossy())?,
        Value::from(f64::from(option("NAPI_HOSTD_HOSTILE_SEED", SEED))),
        Value::from(f64::from(option("NAPI_HOSTD_HOSTILE_ROUNDS", ROUNDS))),
    ];
    rt.call(&make, &Value::UNDEFINED, &args)
}

/// Takes turns for what the calls have left: tasks of the pool, timers, programs.
fn finish(host: Host, began: &RefCell<Instant>) {
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end && (host.is_kept_alive() || host.has_pending()) {
        began.replace(Instant::now());
        host.turn(1000, Duration::from_millis(100));
        thread::yield_now();
    }
}
