//! One generation of a client's host: the process, its carrier, and how it ended.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostd_protocol::carrier::ClientEnd;
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::confinement::{Applied, Bounds};
use hostd_protocol::control::ClientMessage;
use hostd_protocol::ids::{Generation, LaneIndex};
use hostd_protocol::limits::Limits;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::Notify;

use crate::cache::Unsaved;
use crate::cord::Cord;
use crate::report::Running;
use crate::{ClientError, ExitReport, fork};

/// Longer than it can take the supervisor to find out how a host ended.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call that died with another waits to hear which one that was.
const NAME_TIMEOUT: Duration = Duration::from_millis(20);

/// A host process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    killed: Mutex<Option<String>>,
    epoch: u32,
}

impl Process {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        Self {
            pid,
            pidfd,
            killed: Mutex::new(None),
            epoch: fork::epoch(),
        }
    }

    /// Kills it; the first reason is the one that is reported.
    pub(crate) fn kill(&self, reason: impl FnOnce() -> String) {
        if self.epoch != fork::epoch() {
            return;
        }
        let mut killed = lock(&self.killed);
        if killed.is_none() {
            *killed = Some(reason());
            // It may be dead already: then the reason is not used.
            let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
        }
    }

    pub(crate) fn killed_because(&self) -> Option<String> {
        lock(&self.killed).clone()
    }
}

/// A host that served, or serves.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) generation: Generation,
    pub(crate) process: Arc<Process>,
    pub(crate) end: ClientEnd,
    /// Rings a loop, if there is one that can be rung so.
    pub(crate) cord: Option<Arc<Cord>>,
    pub(crate) limits: Limits,
    /// What confines it.
    pub(crate) applied: Applied,
    /// What it may use up.
    pub(crate) bounds: Option<Bounds>,
    pub(crate) outbox: Outbox,
    pub(crate) ending: Ending,
    dead: AtomicBool,
    /// Whether its end has been seen.
    over: AtomicBool,
    /// Whether it was told to end so that another can follow.
    restarted: AtomicBool,
    report: Mutex<Option<Arc<ExitReport>>>,
    reported: Condvar,
    /// What it died of.
    last_call: Mutex<LastCall>,
    said: Condvar,
    epoch: u32,
    /// What it may leave for later hosts.
    unsaved: Mutex<Option<Unsaved>>,
}

/// The call that was running when the host died.
#[derive(Debug, Default)]
struct LastCall {
    is_said: bool,
    export: Option<String>,
}

/// Whether and until when the host was told to end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    until: Mutex<Option<Instant>>,
    pub(crate) changed: Notify,
}

impl Ending {
    pub(crate) fn until(&self) -> Option<Instant> {
        *lock(&self.until)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(crate) fn new(
        generation: Generation,
        process: Arc<Process>,
        (end, cord): (ClientEnd, Option<Cord>),
        limits: Limits,
        (applied, bounds): (Applied, Option<Bounds>),
        (outbox, unsaved): (Outbox, Option<Unsaved>),
    ) -> Arc<Self> {
        let session = Arc::new(Self {
            generation,
            process,
            end,
            cord: cord.map(Arc::new),
            limits,
            applied,
            bounds,
            outbox,
            ending: Ending::default(),
            dead: AtomicBool::new(false),
            over: AtomicBool::new(false),
            restarted: AtomicBool::new(false),
            report: Mutex::new(None),
            reported: Condvar::new(),
            last_call: Mutex::default(),
            said: Condvar::new(),
            epoch: fork::epoch(),
            unsaved: Mutex::new(unsaved),
        });
        fork::register(Arc::downgrade(&session));
        session
    }

    /// Stores what the addon put into its cache folder, for later hosts.
    pub(crate) fn store_cache(&self) {
        let unsaved = lock(&self.unsaved).take();
        // Without it the next host makes it anew.
        let _ = unsaved.map(|unsaved| unsaved.store());
    }

    /// Whether conversations may begin.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire) && self.is_ours()
    }

    /// Whether this process started it, and not one that it was forked from.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.epoch == fork::epoch()
    }

    /// Whether nothing can come of a conversation any more.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire) || !self.is_ours()
    }

    /// Nobody shall begin a conversation any more.
    pub(crate) fn retire(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// It is told to end only so that another can follow.
    pub(crate) fn restarted(&self) {
        self.restarted.store(true, Ordering::Release);
    }

    /// Tells the host to end; it is killed after `grace`. Does not wait.
    pub(crate) fn end(&self, grace: Duration) {
        self.retire();
        if !self.is_ours() {
            return;
        }
        // The message is small; a host that is gone does not need it.
        let _ = self.outbox.send(&ClientMessage::Shutdown);
        let until = Instant::now() + grace;
        let mut earliest = lock(&self.ending.until);
        *earliest = Some(earliest.map_or(until, |other| other.min(until)));
        drop(earliest);
        self.ending.changed.notify_one();
    }

    /// The supervisor has found out how the host ended: everybody who waits is told.
    pub(crate) fn bury(&self, report: Arc<ExitReport>) {
        self.retire();
        self.over.store(true, Ordering::Release);
        *lock(&self.report) = Some(report);
        self.reported.notify_all();
        self.end.disconnect();
    }

    /// How the host ended, once that is known; none if that takes longer than `timeout`.
    pub(crate) fn wait_for_report(&self, timeout: Duration) -> Option<Arc<ExitReport>> {
        if !self.is_ours() {
            return None;
        }
        let deadline = Instant::now() + timeout;
        let mut report = lock(&self.report);
        loop {
            if let Some(report) = &*report {
                return Some(Arc::clone(report));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            report = self
                .reported
                .wait_timeout(report, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// What to tell a conversation on a lane that lost its host.
    #[cold]
    pub(crate) fn death(&self, lane: LaneIndex, export: Option<&str>) -> ClientError {
        if !self.is_ours() {
            return ClientError::Forked;
        }
        let mut report = self.how_it_died(REPORT_TIMEOUT);
        if report.expected && !self.restarted.load(Ordering::Acquire) {
            return ClientError::Closed;
        }
        report.export = match report.running {
            // Each caller takes it for its own.
            Running::Unknown => export.map(str::to_owned),
            Running::Nobody => None,
            Running::Lane(running) if running == lane.0 => self.say_last_call(export),
            Running::Lane(_) => self.wait_for_last_call(),
        };
        ClientError::HostDied(Box::new(report))
    }

    /// How the host ended, once that is known, or that it is not known after `timeout`.
    pub(crate) fn how_it_died(&self, timeout: Duration) -> ExitReport {
        let report = match self.wait_for_report(timeout) {
            Some(report) => ExitReport::clone(&report),
            None => ExitReport {
                generation: self.generation.0,
                pid: self.process.pid,
                reason: Some(
                    "it closed its control connection, and its exit was not observed".to_owned(),
                ),
                ..ExitReport::default()
            },
        };
        if self.restarted.load(Ordering::Acquire) {
            let reason = Some("the program restarted it".to_owned());
            return ExitReport { reason, ..report };
        }
        report
    }

    /// Names the call that was running. The innermost one of its lane is the first to come here.
    fn say_last_call(&self, export: Option<&str>) -> Option<String> {
        let mut last = lock(&self.last_call);
        if !last.is_said {
            last.is_said = true;
            last.export = export.map(str::to_owned);
        }
        self.said.notify_all();
        last.export.clone()
    }

    /// The name of the call that was running, when the thread that made it has said so.
    fn wait_for_last_call(&self) -> Option<String> {
        let last = lock(&self.last_call);
        let waited = self
            .said
            .wait_timeout_while(last, NAME_TIMEOUT, |last| !last.is_said);
        let (last, _) = waited.unwrap_or_else(PoisonError::into_inner);
        last.export.clone()
    }

    /// Ends it for a reason of this side's.
    #[cold]
    pub(crate) fn kill(&self, reason: impl FnOnce() -> String) {
        self.retire();
        self.process.kill(reason);
    }

    /// In a forked child: what unwinds there touches nothing of the parent's.
    pub(crate) fn detach_forked(&self) {
        #[cfg(target_os = "linux")]
        self.end.detach_forked();
    }
}
