//! `napi-hostd audit x.node`: loads an addon, runs a script with it, and prints what the sandbox denied
//! and which options would allow it. `main` calls [`run`].
//!
//! `run` starts this program again, with a folder for its files. That process confines itself, loads
//! the addon and prints denials as they occur, so that they are reported if the addon crashes or hangs.
//! Its standard input is a socket, over which it says how far it has come: an exit code can be the
//! addon's. As JSON, each event is one line on the standard output, and what the addon prints goes to
//! the standard error.

mod event;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use hostd_engine::{FinalizerToken, JsResult, PromiseState, Runtime, Thrown, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use hostd_protocol::package::package_of;
use hostd_sandbox::diagnose;

use crate::cli::Script;
use crate::doctor;
use event::Event;

/// How long work that the addon has begun may continue after the load, and after the script.
const TURNS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the process that loads the addon may take.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long before that timeout the process prints its summary.
const SUMMARY_MARGIN: Duration = Duration::from_secs(1);
/// The interval at which denials and the exit of the process are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The exit code after an addon that has ended its process.
const ENDED: u8 = 3;
/// The exit code after an addon that had not ended in time.
const TIMED_OUT: u8 = 4;
/// The variable with the folder; set in the process that loads the addon only.
const FOLDER_VARIABLE: &str = "NAPI_HOSTD_AUDIT_FOLDER";
/// The variables that direct programs to a folder for their files.
const FOLDER_NAMES: [&str; 4] = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/// How far the process that loads the addon has come. It sends each as a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is confined, and loads the addon: how it ends from now on may be the addon's doing.
    Loading = 1,
    Loaded = 2,
    /// It has printed everything.
    Complete = 3,
}

/// What remains to be printed of an audit, and the exit code.
#[derive(Debug)]
pub struct Outcome {
    /// The last text.
    pub text: String,
    /// 0 if the audit is complete.
    pub code: u8,
}

/// Loads the addon under the default policy, runs the script, and prints what was denied, as lines of
/// JSON if that is asked for. Returns the last text to be printed; none if the process that loads the
/// addon has printed an error.
///
/// # Errors
/// The addon or the script can't be found, or the process can't be confined.
pub fn run(
    addon: &Path,
    script: Option<&Script>,
    is_json: bool,
) -> anyhow::Result<Option<Outcome>> {
    let complete = Outcome {
        text: String::new(),
        code: 0,
    };
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        audit_here(addon, script, folder.into(), is_json)?;
        return Ok(Some(complete));
    }
    let folder = Folder::create()?;
    let this = std::env::current_exe().context("cannot find the path of this program")?;
    let (mut progress, theirs) = UnixStream::pair().context("cannot make a socket")?;
    let mut command = Command::new(this);
    command.args(std::env::args_os().skip(1));
    command.stdin(OwnedFd::from(theirs));
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
        return Ok(Some(Outcome {
            text: Event::TimedOut(AUDIT_TIMEOUT).shown(is_json),
            code: TIMED_OUT,
        }));
    };
    let name = addon.display().to_string();
    let ended = |was_loaded| Outcome {
        text: Event::Ended {
            name: &name,
            status,
            was_loaded,
        }
        .shown(is_json),
        code: ENDED,
    };
    Ok(match last(&mut progress)? {
        Some(Progress::Complete) => Some(complete),
        Some(reached) => Some(ended(reached == Progress::Loaded)),
        // It has printed why it cannot load the addon, or was killed before.
        None if status.code().is_some() => None,
        None => Some(ended(false)),
    })
}

/// Returns the last progress that a process has sent, which has ended.
fn last(progress: &mut UnixStream) -> io::Result<Option<Progress>> {
    // What the addon has started may have the socket as well.
    progress.set_nonblocking(true)?;
    let mut sent = [0; 8];
    let count = match progress.read(&mut sent) {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let known = [Progress::Loading, Progress::Loaded, Progress::Complete];
    Ok(sent
        .iter()
        .take(count)
        .rev()
        .find_map(|byte| known.into_iter().find(|one| *one as u8 == *byte)))
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

/// Where events are printed as JSON: what was the standard output. Not set where they are text.
static JSON: OnceLock<File> = OnceLock::new();

/// Makes the standard output one for JSON alone: what the addon prints goes to the standard error.
fn print_json() -> io::Result<()> {
    let file = File::from(rustix::io::dup(rustix::stdio::stdout())?);
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    let _ = JSON.set(file);
    Ok(())
}

/// Prints the denials that were not printed before, and returns how many were printed in all.
fn print_denials() -> usize {
    let printed = || PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = printed().denials;
    // Not under the lock: to name a stack can take until the addon is loaded, and the thread that
    // loads it may print as well.
    let denied = diagnose::denied(known);
    let mut printed = printed();
    let again = printed.denials.saturating_sub(known);
    for call in denied.iter().skip(again) {
        printed.denials += 1;
        printed.options.extend(call.option());
        print(&Event::Denied(call));
    }
    printed.denials
}

fn print(event: &Event<'_>) {
    // This fails only if nothing reads the output.
    let _ = match JSON.get() {
        Some(mut file) => file.write_all(event.shown(true).as_bytes()),
        None => io::stdout().write_all(event.shown(false).as_bytes()),
    };
}

/// Prints what was denied to an addon that ends the process by `exit` while it is loaded. The thread
/// that prints denials waits then for the loader of the C library, to name their stacks.
extern "C" fn report_at_exit() {
    diagnose::mark_reported(print_denials());
}

/// Loads the addon in this process and prints the report.
fn audit_here(
    addon: &Path,
    script: Option<&Script>,
    folder: PathBuf,
    is_json: bool,
) -> anyhow::Result<()> {
    let addon = addon
        .canonicalize()
        .with_context(|| format!("cannot find the addon {}", addon.display()))?;
    let script = script.map(source).transpose()?;
    let alone = hostd_sandbox::single_threaded()?;
    let mut progress = UnixStream::from(hostd_sandbox::take_control_socket(&alone)?);
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
    if is_json {
        // After the confinement, which closes what it does not know.
        print_json().context("cannot prepare the output")?;
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
        print_summary();
    })?;
    let host = hostd_node::start(HostOptions::new(Box::new(IgnoreAll)))
        .map_err(|error| anyhow!("cannot start the engine: {error}"))?
        .leak();
    let name = addon.display().to_string();
    hostd_sandbox::at_exit(report_at_exit)?;
    progress.write_all(&[Progress::Loading as u8])?;
    match host.load(&addon) {
        Err(error) => print(&Event::Refused {
            name: &name,
            error: error.to_string(),
        }),
        Ok(loaded) => {
            print(&Event::Loaded {
                name: &name,
                api_version: loaded.api_version,
            });
            progress.write_all(&[Progress::Loaded as u8])?;
            let result = script.map(|script| run_script(host, loaded.exports, &script));
            run_turns(host, || host.has_pending());
            if let Some(result) = result {
                print(&result);
            }
        }
    }
    print_denials();
    print_summary();
    progress.write_all(&[Progress::Complete as u8])?;
    Ok(())
}

/// Prints how many calls were denied so far, and the options that would allow them.
fn print_summary() {
    let printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    print(&Event::Summary {
        denials: printed.denials,
        options: &printed.options,
    });
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

/// Runs a script, waits for the promise that it returns, and returns the result.
fn run_script(host: Host, exports: Value, (name, text): &(OsString, String)) -> Event<'static> {
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
    let text =
        |value: &Value| shown(value).unwrap_or_else(|_| "a value that has no text".to_owned());
    match settled {
        Ok(value) if pending(&value) => Event::Pending,
        Ok(value) => Event::Returned(text(&value)),
        Err(Thrown(thrown)) => Event::Threw(text(&thrown)),
    }
}

/// Runs event-loop turns while `is_needed` says so, up to the timeout.
fn run_turns(host: Host, is_needed: impl Fn() -> bool) {
    let until = Instant::now() + TURNS_TIMEOUT;
    while is_needed() && Instant::now() < until {
        host.turn(1000, Duration::from_millis(100));
    }
}
