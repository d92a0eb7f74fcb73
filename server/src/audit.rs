//! `napi-hostd audit x.node`: loads an addon, runs a script with it, and prints what the sandbox denied
//! and which options would allow it. `main` calls [`run`].
//!
//! `run` starts this program again, with a folder for its files. That process confines itself, loads
//! the addon and prints denials as they occur, so that they are reported if the addon crashes or hangs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use hostd_engine::{FinalizerToken, JsResult, PromiseState, Runtime, Thrown, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use hostd_protocol::package::package_of;
use hostd_sandbox::diagnose;

use crate::cli::Script;
use crate::doctor;

/// How long work that the addon has begun may continue after the load, and after the script.
const TURNS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the process that loads the addon may take.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long before that timeout the process prints its summary.
const SUMMARY_MARGIN: Duration = Duration::from_secs(1);
/// The interval at which denials and the exit of the process are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The signal that ends a process whose denied call could not be recorded, and why.
const SIGSYS: i32 = rustix::process::Signal::SYS.as_raw();
const BLOCKED: &str = "it was denied a call while that signal was blocked, as it is where a program \
                       is started; subprocess=True would allow that";
/// The exit code of a process that has printed its error.
const FAILED: i32 = 1;
/// The variable with the folder; set in the process that loads the addon only.
const FOLDER_VARIABLE: &str = "NAPI_HOSTD_AUDIT_FOLDER";
/// The variables that direct programs to a folder for their files.
const FOLDER_NAMES: [&str; 4] = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/// Loads the addon under the default policy, runs the script, and prints what was denied. Returns the
/// last text to be printed; none if the process that loads the addon has printed an error.
///
/// # Errors
/// The addon or the script can't be found, or the process can't be confined.
pub fn run(addon: &Path, script: Option<&Script>) -> anyhow::Result<Option<String>> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return audit_here(addon, script, folder.into()).map(Some);
    }
    let folder = Folder::create()?;
    let this = std::env::current_exe().context("cannot find the path of this program")?;
    let mut command = Command::new(this);
    command.args(std::env::args_os().skip(1));
    for name in FOLDER_NAMES.iter().chain([&FOLDER_VARIABLE]) {
        command.env(name, &folder.0);
    }
    let mut child = command
        .spawn()
        .context("cannot start a process to load the addon in")?;
    let Some(status) = wait_for_exit(&mut child)? else {
        // This fails only if it has ended.
        let _ = child.kill();
        let _ = child.wait();
        return Ok(Some(format!(
            "It did not end within {} s and was killed. An addon that does not handle a denial may \
             wait for ever.\n",
            AUDIT_TIMEOUT.as_secs()
        )));
    };
    Ok(match (status.signal(), status.code()) {
        (Some(SIGSYS), _) => Some(format!(
            "It ended the process by signal {SIGSYS}: {BLOCKED}\n"
        )),
        (Some(signal), _) => Some(format!("It ended the process by signal {signal}.\n")),
        (None, Some(0)) => Some(String::new()),
        (None, Some(FAILED)) => None,
        (None, code) => Some(format!(
            "It ended the process with exit code {}.\n",
            code.unwrap_or(FAILED)
        )),
    })
}

/// Waits for the exit of a process; none after the timeout.
fn wait_for_exit(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + AUDIT_TIMEOUT;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > until {
            return Ok(status);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// A folder that is removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        let place = std::env::temp_dir().canonicalize()?;
        let path = place.join(format!("napi-hostd-audit-{}", std::process::id()));
        let mut maker = fs::DirBuilder::new();
        maker.mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed is left in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct IgnoreAll;

impl HostHooks for IgnoreAll {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

/// What was printed so far: how many denials, and the options that would allow them.
struct Printed {
    denials: usize,
    options: BTreeSet<String>,
}

static PRINTED: Mutex<Printed> = Mutex::new(Printed {
    denials: 0,
    options: BTreeSet::new(),
});

/// Prints the denials since the last call, and returns how many were printed in all.
fn print_denials() -> usize {
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    for call in diagnose::denied(printed.denials) {
        printed.denials += 1;
        printed.options.extend(call.option());
        print(&format!(
            "denied: {call}\n    in {}\n",
            call.stack.join(" < ")
        ));
    }
    printed.denials
}

fn print(text: &str) {
    // This fails only if nothing reads the output.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Loads the addon in this process and returns the end of the report.
fn audit_here(addon: &Path, script: Option<&Script>, folder: PathBuf) -> anyhow::Result<String> {
    let addon = addon
        .canonicalize()
        .with_context(|| format!("cannot find the addon {}", addon.display()))?;
    let script = script.map(source).transpose()?;
    let alone = hostd_sandbox::single_threaded()?;
    let mut policy = doctor::default_policy();
    policy.read.extend(package_of(&addon));
    policy.read.extend(std::env::current_exe());
    policy.scratch = Some(folder);
    policy.scratch_is_temporary = true;
    policy.diagnose = true;
    let report = hostd_sandbox::confine(&alone, &policy);
    if let Some(missing) = report.missing() {
        anyhow::bail!(
            "the sandbox needs {}: see napi-hostd doctor",
            missing.mechanism
        );
    }
    // A crash of the addon waits until its denials are printed.
    hostd_sandbox::crash::install_without_record(&alone)?;
    diagnose::mark_reported(0);
    let printer = thread::Builder::new().name("hostd-denials".to_owned());
    printer.spawn(|| {
        let begun = Instant::now();
        // After the timeout this process is killed.
        while begun.elapsed() + SUMMARY_MARGIN < AUDIT_TIMEOUT {
            diagnose::mark_reported(print_denials());
            thread::sleep(POLL_INTERVAL);
        }
        print(&summary());
    })?;
    let host = hostd_node::start(HostOptions::new(Box::new(IgnoreAll)))
        .map_err(|error| anyhow!("cannot start the engine: {error}"))?
        .leak();
    let name = addon.display();
    let mut text = match host.load(&addon) {
        Err(error) => format!("{name} does not load under \"default\": {error}\n"),
        Ok(loaded) => {
            print(&format!("{name} loads under \"default\".\n"));
            let result = script.map(|script| run_script(host, loaded.exports, &script));
            run_turns(host, || host.has_pending());
            result.unwrap_or_default()
        }
    };
    print_denials();
    text.push_str(&summary());
    Ok(text)
}

/// The options that would allow what was denied so far.
fn summary() -> String {
    let printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if printed.denials == 0 {
        return "Nothing was denied.\n".to_owned();
    }
    if printed.options.is_empty() {
        return "No option allows what was denied.\n".to_owned();
    }
    let options: Vec<_> = printed.options.iter().map(String::as_str).collect();
    format!("Options that allow it: {}\n", options.join(", "))
}

fn source(script: &Script) -> anyhow::Result<(OsString, String)> {
    match script {
        Script::File(path) => {
            let text = fs::read_to_string(path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            Ok((path.clone().into(), text))
        }
        Script::Call(call) => Ok(("--call".into(), format!("addon.{call}"))),
    }
}

/// Runs a script, waits for the promise that it returns, and describes the result.
fn run_script(host: Host, exports: Value, (name, text): &(OsString, String)) -> String {
    let rt = host.runtime();
    let name = name.to_string_lossy();
    let result = host
        .set_global("addon", exports)
        .and_then(|()| rt.eval_script(text, &name));
    let pending = |value: &Value| matches!(rt.promise_state(value), Some(PromiseState::Pending));
    if let Ok(value) = &result {
        run_turns(host, || pending(value));
    }
    let settled = result.and_then(|value| match rt.promise_state(&value) {
        Some(PromiseState::Fulfilled(value)) => Ok(value),
        Some(PromiseState::Rejected(reason)) => Err(Thrown(reason)),
        _ => Ok(value),
    });
    let shown = |value: &Value| -> JsResult<String> {
        let text = rt.to_string_value(value)?;
        Ok(rt.utf8(&text)?.as_str().to_owned())
    };
    let (verb, value) = match settled {
        Ok(value) if pending(&value) => return "Its promise is still pending.\n".to_owned(),
        Ok(value) => ("returned", value),
        Err(Thrown(thrown)) => ("threw", thrown),
    };
    let value = shown(&value).unwrap_or_else(|_| "a value that has no text".to_owned());
    format!("It {verb}: {value}\n")
}

/// Runs event-loop turns while `is_needed` says so, up to the timeout.
fn run_turns(host: Host, is_needed: impl Fn() -> bool) {
    let until = Instant::now() + TURNS_TIMEOUT;
    while is_needed() && Instant::now() < until {
        host.turn(1000, Duration::from_millis(100));
    }
}
