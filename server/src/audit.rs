//! `napi-hostd audit x.node`: what an addon tries, loaded and used, and what would allow it.
//!
//! The addon is loaded by a process of its own, confined like any other and with a folder of its
//! own, so that what was denied is told even where that makes the addon crash or hang.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use hostd_engine::{FinalizerToken, JsResult, PromiseState, Runtime, Thrown, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use hostd_protocol::package::package_of;
use hostd_sandbox::diagnose;

use crate::cli::Script;
use crate::doctor;

/// How long what the addon has begun may take to come to an end.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all of it may take.
const ALL: Duration = Duration::from_secs(30);
/// So long before that, what was denied is summed up.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often it is looked whether something was denied, or the process has ended.
const PACE: Duration = Duration::from_millis(20);
/// What a call ends by that can't be noted, and why.
const SIGSYS: i32 = rustix::process::Signal::SYS.as_raw();
const BLOCKED: &str = "it was denied a call while that signal was blocked, as it is where a program \
                       is started; subprocess=True would allow that";
/// The exit code of a process that has said what went wrong.
const FAILED: i32 = 1;
/// Names the folder of the process that loads the addon, and tells it that it is the one.
const FOLDER_VARIABLE: &str = "NAPI_HOSTD_AUDIT_FOLDER";
/// What points programs to the folder in which they may leave things.
const FOLDER_NAMES: [&str; 4] = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/// Loads the addon under the default policy, uses it as the script says, and prints what it tries.
/// Returns what is left to be printed; none if it has failed, and has said so.
///
/// # Errors
/// The addon or the script can't be found, or the process can't be confined.
pub fn run(addon: &Path, script: Option<&Script>) -> anyhow::Result<Option<String>> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return inside(addon, script, folder.into()).map(Some);
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
    let Some(status) = ended(&mut child)? else {
        // It may end just now.
        let _ = child.kill();
        let _ = child.wait();
        return Ok(Some(format!(
            "It did not come to an end in {} s, and was ended. An addon that does not expect to be \
             denied something may wait for ever.\n",
            ALL.as_secs()
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

/// How a process ends, if it does so in time.
fn ended(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + ALL;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > until {
            return Ok(status);
        }
        thread::sleep(PACE);
    }
}

/// A folder that goes when this does.
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
        // What can't be removed stays, and is the user's own.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Silent;

impl HostHooks for Silent {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

/// What was told so far: how many denials, and the options that would allow them.
struct Told {
    denials: usize,
    options: BTreeSet<String>,
}

static TOLD: Mutex<Told> = Mutex::new(Told {
    denials: 0,
    options: BTreeSet::new(),
});

/// Prints what was denied since the last time, and returns how much was in all.
fn tell() -> usize {
    let mut told = TOLD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for call in diagnose::denied(told.denials) {
        told.denials += 1;
        told.options.extend(call.option());
        say(&format!(
            "denied: {call}\n    in {}\n",
            call.stack.join(" < ")
        ));
    }
    told.denials
}

fn say(text: &str) {
    // Who does not listen misses it.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The process that loads the addon.
fn inside(addon: &Path, script: Option<&Script>, folder: PathBuf) -> anyhow::Result<String> {
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
    // What was denied is told before it crashes.
    hostd_sandbox::crash::install_without_record(&alone)?;
    diagnose::mark_reported(0);
    let teller = thread::Builder::new().name("hostd-denials".to_owned());
    teller.spawn(|| {
        let begun = Instant::now();
        // Then it is ended from outside, and says no more.
        while begun.elapsed() + LAST_WORDS < ALL {
            diagnose::mark_reported(tell());
            thread::sleep(PACE);
        }
        say(&summary());
    })?;
    let host = hostd_node::start(HostOptions::new(Box::new(Silent)))
        .map_err(|error| anyhow!("cannot start the engine: {error}"))?;
    let name = addon.display();
    let mut text = match host.load(&addon) {
        Err(error) => format!("{name} does not load under \"default\": {error}\n"),
        Ok(loaded) => {
            say(&format!("{name} loads under \"default\".\n"));
            let used = script.map(|script| use_addon(host, loaded.exports, &script));
            take_turns(host, || host.has_pending());
            used.unwrap_or_default()
        }
    };
    tell();
    text.push_str(&summary());
    Ok(text)
}

/// What would allow all that was denied so far.
fn summary() -> String {
    let told = TOLD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if told.denials == 0 {
        return "Nothing was denied.\n".to_owned();
    }
    if told.options.is_empty() {
        return "No option allows what was denied.\n".to_owned();
    }
    let options: Vec<_> = told.options.iter().map(String::as_str).collect();
    format!("Options that allow it: {}\n", options.join(", "))
}

/// Name and text of a script.
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

/// Runs a script, waits for the promise it gives, and returns what came of it.
fn use_addon(host: Host, exports: Value, (name, text): &(OsString, String)) -> String {
    let rt = host.runtime();
    let name = name.to_string_lossy();
    let result = host
        .set_global("addon", exports)
        .and_then(|()| rt.eval_script(text, &name));
    let pending = |value: &Value| matches!(rt.promise_state(value), Some(PromiseState::Pending));
    if let Ok(value) = &result {
        take_turns(host, || pending(value));
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
        Ok(value) if pending(&value) => return "Its promise stayed open.\n".to_owned(),
        Ok(value) => ("returned", value),
        Err(Thrown(thrown)) => ("threw", thrown),
    };
    let value = shown(&value).unwrap_or_else(|_| "something without a text".to_owned());
    format!("It {verb}: {value}\n")
}

/// Runs what is due as long as that is so, and not for ever.
fn take_turns(host: Host, go_on: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while go_on() && Instant::now() < until {
        host.turn(1000, Duration::from_millis(100));
    }
}
