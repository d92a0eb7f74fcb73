//! `napi-hostd doctor`: prints which layers of each sandbox policy this system provides. `main` calls
//! [`run`].
//!
//! `run` starts this program with [`TRY`] for each policy: that process applies the policy to itself,
//! prints the result and ends.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::Context as _;
use hostd_sandbox::policy::{Name, Policy, Preset};
use hostd_sandbox::report::{MechanismReport, Requested, State};
use serde_json::{Value, json};

/// The option of the process that applies a policy.
pub const TRY: &str = "--try";

/// Applies each policy in a process, and returns what to print, as one line of JSON if that is asked
/// for.
///
/// # Errors
/// Such a process can't be started.
pub fn run(is_json: bool) -> anyhow::Result<String> {
    let kernel = rustix::system::uname();
    let release = kernel.release().to_string_lossy().into_owned();
    let landlock = hostd_sandbox::landlock_version(u32::MAX);
    if is_json {
        let policies: Vec<Value> = [Name::Default, Name::Strict]
            .into_iter()
            .map(policy_as_json)
            .collect::<anyhow::Result<_>>()?;
        let document = json!({
            "kernel": release,
            "landlock": landlock.ok(),
            "root": rustix::process::geteuid().is_root(),
            "policies": policies,
        });
        return Ok(format!("{document}\n"));
    }
    let landlock = landlock.map_or_else(
        |errno| format!("none ({errno})"),
        |version| version.to_string(),
    );
    let user = if rustix::process::geteuid().is_root() {
        "root"
    } else {
        "an ordinary user"
    };
    let mut text = format!("Linux {release}, Landlock {landlock}, as {user}\n");
    for name in [Name::Default, Name::Strict] {
        let tried = try_policy(name, &[])?;
        let verdict = if tried.status.success() {
            "is available"
        } else {
            "is NOT available"
        };
        writeln!(text, "\n\"{}\" {verdict}:", label(name))?;
        text.push_str(&String::from_utf8_lossy(&tried.stdout));
        text.push_str(&String::from_utf8_lossy(&tried.stderr));
    }
    text.push_str("\ndocs/sandbox.md explains each layer.\n");
    Ok(text)
}

/// Applies a policy in a process, with these further arguments.
fn try_policy(name: Name, arguments: &[&str]) -> anyhow::Result<Output> {
    let this = std::env::current_exe().context("cannot find the path of this program")?;
    Command::new(&this)
        .args(["doctor", TRY, label(name)])
        .args(arguments)
        .output()
        .context("cannot start a process to try a policy in")
}

/// Applies a policy in a process, and returns what that reports.
fn policy_as_json(name: Name) -> anyhow::Result<Value> {
    let tried = try_policy(name, &["--json"])?;
    let layers: Value = serde_json::from_slice(&tried.stdout).unwrap_or_default();
    Ok(json!({
        "name": label(name),
        "available": tried.status.success(),
        "layers": layers,
        "error": String::from_utf8_lossy(&tried.stderr).trim_end(),
    }))
}

/// Applies a policy to this process. Returns what to print and whether all required layers hold.
///
/// # Errors
/// The process has several threads.
pub fn attempt(name: Name, is_json: bool) -> anyhow::Result<(String, bool)> {
    let alone = hostd_sandbox::single_threaded()?;
    let report = hostd_sandbox::confine(&alone, &policy(name));
    if is_json {
        let layers: Vec<Value> = report.entries.iter().map(layer).collect();
        return Ok((Value::from(layers).to_string(), report.missing().is_none()));
    }
    let mut text = String::new();
    for entry in &report.entries {
        writeln!(text, "  {}", line(entry))?;
    }
    Ok((text, report.missing().is_none()))
}

/// The default policy for this process, which keeps it from its parent process.
pub(crate) fn default_policy() -> Policy {
    policy(Name::Default)
}

fn policy(name: Name) -> Policy {
    let parent = std::os::unix::process::parent_id();
    Policy {
        preset: Preset::named(name),
        read: Vec::new(),
        write: Vec::new(),
        scratch: Some(PathBuf::from("/tmp")),
        scratch_is_temporary: true,
        limit_threads: false,
        network: false,
        subprocess: false,
        watch: false,
        unix: false,
        cpu: None,
        client: parent,
        parent,
        degrade: false,
        diagnose: false,
        landlock_at_most: u32::MAX,
        namespaces_exist: true,
    }
}

/// The policy of this name.
pub fn named(text: &str) -> Option<Name> {
    [Name::Default, Name::Strict]
        .into_iter()
        .find(|name| label(*name) == text)
}

fn label(name: Name) -> &'static str {
    match name {
        Name::Default => "default",
        Name::Strict => "strict",
    }
}

fn layer(entry: &MechanismReport) -> Value {
    json!({
        "name": entry.mechanism,
        "state": match entry.state {
            State::Applied => "applied",
            State::Partial => "partial",
            State::Unavailable => "unavailable",
            State::Skipped => "skipped",
        },
        "required": matches!(entry.requested, Requested::Required),
        "detail": entry.detail,
        "errno": entry.errno,
    })
}

fn line(entry: &MechanismReport) -> String {
    let state = match entry.state {
        State::Applied => "applied",
        State::Partial => "partial",
        State::Unavailable => "UNAVAILABLE",
        State::Skipped => "skipped",
    };
    let need = match entry.requested {
        Requested::Required => "required",
        Requested::Wanted => "wanted",
    };
    let mut line = format!("{:<16} {state}, {need}", entry.mechanism);
    if !entry.detail.is_empty() {
        line = format!("{line}: {}", entry.detail);
    }
    if let Some(errno) = entry.errno {
        line = format!("{line}: {}", std::io::Error::from_raw_os_error(errno));
    }
    line
}
