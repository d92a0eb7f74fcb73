//! `napi-hostd audit x.node`: what an addon tries while it is loaded, and what would allow it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, LogLevel, Origin};
use hostd_protocol::package::package_of;
use hostd_sandbox::diagnose;

use crate::doctor;

/// How long what the addon has begun may take to come to an end.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Silent;

impl HostHooks for Silent {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn log(&self, _: LogLevel, _: &str) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

/// Loads the addon under the default policy, confined like any other, and returns what to print.
///
/// # Errors
/// The addon can't be found, or this process can't be confined.
pub fn run(addon: &Path) -> anyhow::Result<String> {
    let addon = addon
        .canonicalize()
        .with_context(|| format!("there is no addon {}", addon.display()))?;
    let alone = hostd_sandbox::single_threaded()?;
    let mut policy = doctor::default_policy();
    policy.read.extend(package_of(&addon));
    policy.read.extend(std::env::current_exe());
    policy.scratch = None;
    policy.diagnose = true;
    let report = hostd_sandbox::confine(&alone, &policy);
    if let Some(missing) = report.missing() {
        anyhow::bail!(
            "the sandbox needs {}: see napi-hostd doctor",
            missing.mechanism
        );
    }
    let host = Host::new(HostOptions::new(Box::new(Silent)))
        .map_err(|error| anyhow::anyhow!("the engine can't be started: {error}"))?;
    let loaded = host.load(&addon);
    let until = Instant::now() + PATIENCE;
    while loaded.is_ok() && host.has_pending() && Instant::now() < until {
        host.turn(1000, Duration::from_millis(100));
    }
    let mut text = match &loaded {
        Ok(_) => format!("{} loads under \"default\".\n", addon.display()),
        Err(error) => format!(
            "{} does not load under \"default\": {error}\n",
            addon.display()
        ),
    };
    let denied = diagnose::denied(0);
    if denied.is_empty() {
        text.push_str("It was denied nothing while it was loaded.\n");
    } else {
        text.push_str("While it was loaded it was denied:\n");
    }
    for call in denied {
        writeln!(text, "  {call}")?;
    }
    text.push_str(
        "What its functions try shows when they are called: \
         load_addon(..., sandbox=Sandbox(diagnose=True)).\n",
    );
    Ok(text)
}
