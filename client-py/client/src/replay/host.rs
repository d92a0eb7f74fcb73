//! The host of a replay: how it is started, what it prints and notifies, and how long it is waited for.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{Idle, Interrupted, ParkedWait};
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;

use super::options::PlayOptions;
use super::story::Story;
use crate::events::{HostEvents, OutputStream};
use crate::options::{HostConfig, RestartMode};
use crate::{ExitReport, lock};

/// How often it is looked whether a debugger still holds the host.
const HELD_CHECK: Duration = Duration::from_millis(500);
/// The longest wait for one call.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How many notices are kept until they are read.
const NOTICES_MAX: usize = 1 << 16;

/// Receives the notices and the output of the host.
#[derive(Default)]
pub(super) struct Events {
    pub(super) notices: Mutex<Vec<(Header, Vec<u8>)>>,
    pub(super) echo: bool,
}

impl HostEvents for Events {
    fn output(&self, _: OutputStream, bytes: &[u8]) {
        if self.echo {
            // Without a terminal it is lost.
            let _ = std::io::stderr().write_all(bytes);
        }
    }

    fn log(&self, level: LogLevel, target: &str, message: &str) {
        if self.echo && level <= LogLevel::Warn {
            let _ = writeln!(std::io::stderr(), "{target}: {message}");
        }
    }

    fn died(&self, _: &ExitReport) {}

    fn notice(&self, header: Header, body: &[u8]) {
        let mut notices = lock(&self.notices);
        if header.number != CallKind::WakeUp.number() && notices.len() < NOTICES_MAX {
            notices.push((header, body.to_vec()));
        }
    }
}

/// Ends a wait at a time, unless a debugger holds the host.
pub(super) struct Until {
    time: Instant,
    held: Option<u32>,
    is_interrupted: fn() -> bool,
}

impl Until {
    /// Ends a wait after this time; `held` is the host, if a debugger may be attached to it.
    pub(super) fn after(time: Duration, held: Option<u32>, is_interrupted: fn() -> bool) -> Self {
        Self {
            time: Instant::now() + time.min(LONGEST),
            held,
            is_interrupted,
        }
    }
}

impl Idle for Until {
    fn check(&mut self) -> Result<(), Interrupted> {
        if (self.is_interrupted)() {
            return Err(Interrupted);
        }
        if Instant::now() < self.time {
            return Ok(());
        }
        if self.held.is_some_and(is_traced) {
            self.time = Instant::now() + HELD_CHECK;
            return Ok(());
        }
        Err(Interrupted)
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        wait(self);
    }

    fn until(&self) -> Option<Instant> {
        Some(self.time)
    }
}

/// Whether a debugger is attached to a process.
pub(super) fn is_traced(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// The options of the host.
pub(super) fn config(story: &Story, options: &PlayOptions, events: Arc<Events>) -> HostConfig {
    let head = &story.head;
    let text = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
    let addon = PathBuf::from(text(&head.addon.path));
    let mut config = HostConfig::new(options.binary.clone(), addon, events);
    config.label.clone_from(&head.label);
    let env = head.env.as_ref().map(|env| {
        let pairs = env.iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    });
    config.env = env;
    if let Some(env) = config.env.as_mut().filter(|_| !options.sandboxed) {
        // Of sanitizers, for another host program.
        let is_wanted = |name: &OsString| name.as_bytes().ends_with(b"SAN_OPTIONS");
        env.extend(std::env::vars_os().filter(|(name, _)| is_wanted(name)));
    }
    if options.sandboxed {
        config.confinement = head.confinement.as_deref().cloned();
    }
    config.limits = head.limits;
    config.restart = RestartMode::Never;
    config.shares_memory = false;
    config.nested_threads = head.nested_threads;
    config.debug = head.debug;
    config.log = LogLevel::Warn;
    config.start_timeout = options.call_timeout.max(Duration::from_secs(10));
    config
}
