//! One run of an addon's host, shared by the supervisor and the threads that use it: its carrier,
//! whether it serves, and how it ended.
//!
//! Upholds I-17.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use hostd_protocol::carrier::ClientEnd;
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::confinement::{Applied, Bounds};
use hostd_protocol::control::ClientMessage;
use hostd_protocol::ids::{Generation, LaneNumber};
use hostd_protocol::limits::Limits;
use hostd_protocol::memory::{ClientMemory, PoolId};
use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::background;
use crate::cache::Unsaved;
use crate::caller_thread::CallerThread;
use crate::cause::{Cause, Kill};
use crate::error::SpawnError;
use crate::fork::{self, PerProcess};
use crate::library::SessionLibrary;
use crate::record::Recorder;
use crate::report::Running;
use crate::runner::Runner;
use crate::wake_pipe::WakePipe;
use crate::{ClientError, ExitReport, lock};

/// How long an exit report is waited for: longer than the supervisor needs to make one.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call that ended with the host waits for the thread of the crashed call to name it.
const LAST_CALL_TIMEOUT: Duration = Duration::from_millis(20);

/// Memory of an ended host that is freed by the thread that ends it, in bytes: it takes some
/// milliseconds.
const FREED_INLINE_MAX: u64 = 64 << 20;

/// This process's ends of what it shares with a host.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) end: ClientEnd,
    /// Wakes an event loop of this process; none over the socket carrier.
    pub(crate) wake_pipe: Option<WakePipe>,
    /// The memory for large buffers; none over the socket carrier, or if the system refused it.
    pub(crate) memory: Option<ClientMemory>,
}

/// One run of an addon's host that serves or has served: a generation.
#[derive(Debug)]
pub(crate) struct HostInstance {
    pub(crate) generation: Generation,
    pub(crate) runner: Runner,
    pub(crate) end: ClientEnd,
    /// Wakes an event loop of this process; none over the socket carrier.
    pub(crate) wake_pipe: Option<Arc<WakePipe>>,
    /// The memory for large buffers; none over the socket carrier.
    pub(crate) memory: Option<Arc<ClientMemory>>,
    pub(crate) limits: Limits,
    pub(crate) applied: Applied,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) outbox: Outbox,
    /// Its record, if it is recorded.
    pub(crate) recorder: Option<Recorder>,
    /// When it is killed, once it was told to end.
    pub(crate) shutdown: watch::Sender<Option<Instant>>,
    /// Whether it was prepared, so that any thread may call it.
    serving: AtomicBool,
    /// Whether it takes no further conversations.
    retired: AtomicBool,
    /// Whether its exit was observed.
    finalized: AtomicBool,
    /// Whether it was told to end so that another one can start.
    restarting: AtomicBool,
    report: Mutex<Option<Arc<ExitReport>>>,
    reported: Condvar,
    /// The call that was running when it crashed.
    last_call: Mutex<LastCall>,
    last_call_set: Condvar,
    epoch: u32,
    /// Its cache folder, until that is stored for later hosts.
    unsaved: Mutex<Option<Unsaved>>,
}

/// What the thread that starts a host is told.
#[derive(Debug)]
pub(crate) enum StartStep {
    /// It is to open the session, whose control socket this is.
    Open(Arc<CallerThread>, Arc<dyn SessionLibrary>, OwnedFd),
    /// The host serves, or could not be started.
    Done(Result<Arc<HostInstance>, SpawnError>),
}

/// The call that was running when the host crashed.
#[derive(Debug, Default)]
struct LastCall {
    is_set: bool,
    export: Option<String>,
}

impl HostInstance {
    pub(crate) fn new(
        (generation, recorder): (Generation, Option<Recorder>),
        runner: Runner,
        ends: Ends,
        limits: Limits,
        (applied, bounds): (Applied, Option<Bounds>),
        (outbox, unsaved): (Outbox, Option<Unsaved>),
    ) -> Arc<Self> {
        let instance = Arc::new(Self {
            generation,
            runner,
            end: ends.end,
            wake_pipe: ends.wake_pipe.map(Arc::new),
            memory: ends.memory.map(Arc::new),
            limits,
            applied,
            bounds,
            outbox,
            recorder,
            shutdown: watch::Sender::default(),
            serving: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            finalized: AtomicBool::new(false),
            restarting: AtomicBool::new(false),
            report: Mutex::new(None),
            reported: Condvar::new(),
            last_call: Mutex::default(),
            last_call_set: Condvar::new(),
            epoch: fork::epoch(),
            unsaved: Mutex::new(unsaved),
        });
        INSTANCES.with(|instances| {
            instances.retain(|instance| instance.strong_count() > 0);
            instances.push(Arc::downgrade(&instance));
        });
        instance
    }

    /// Stores what the addon put into its cache folder, for later hosts.
    pub(crate) fn store_cache(&self) {
        let unsaved = lock(&self.unsaved).take();
        // If this fails, the next host fills its cache itself.
        let _ = unsaved.map(|unsaved| unsaved.store());
    }

    /// The file of its record, if it is recorded.
    pub(crate) fn record(&self) -> Option<PathBuf> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.path().to_owned())
    }

    /// Whether a conversation may start.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        !self.retired.load(Ordering::Acquire) && self.is_ours()
    }

    /// Whether this process started it, not one that this was forked from.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.epoch == fork::epoch()
    }

    /// Whether its conversations can only fail.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.finalized.load(Ordering::Acquire) || !self.is_ours()
    }

    /// Whether its `on_start` has ended.
    #[inline]
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// Notes the end of `on_start`.
    pub(crate) fn set_serving(&self) {
        self.serving.store(true, Ordering::Release);
    }

    /// Refuses further conversations.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Notes that it is told to end only so that another one can start.
    pub(crate) fn set_restarting(&self) {
        self.restarting.store(true, Ordering::Release);
    }

    /// Tells the host to end; the supervisor kills it after `grace`. Does not wait.
    pub(crate) fn shut_down(&self, grace: Duration) {
        self.retire();
        if !self.is_ours() {
            return;
        }
        let deadline = Instant::now() + grace;
        // Before the host can end because of it: the deadline says that an end is no death.
        self.shutdown.send_modify(|earliest| {
            *earliest = Some(earliest.map_or(deadline, |other| other.min(deadline)));
        });
        // This fails only if the host is gone.
        let _ = self.outbox.send(&ClientMessage::Shutdown);
    }

    /// Publishes the exit report to all threads that wait for it, and disconnects the carrier.
    pub(crate) fn finalize(&self, report: Arc<ExitReport>) {
        self.retire();
        if let Some(recorder) = &self.recorder {
            recorder.end(&report);
        }
        self.finalized.store(true, Ordering::Release);
        *lock(&self.report) = Some(report);
        self.reported.notify_all();
        self.end.disconnect();
    }

    /// Waits for the exit report; none after `timeout`.
    pub(crate) fn wait_for_report(&self, timeout: Duration) -> Option<Arc<ExitReport>> {
        if !self.is_ours() {
            return None;
        }
        let report = lock(&self.report);
        let waited = self
            .reported
            .wait_timeout_while(report, timeout, |report| report.is_none());
        let (report, _) = waited.unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }

    /// The error of a conversation whose host is gone: waits for the exit report, and names the export
    /// of the call that was running.
    #[cold]
    pub(crate) fn lost(&self, lane: LaneNumber, export: Option<&str>) -> ClientError {
        if !self.is_ours() {
            return ClientError::Forked;
        }
        let mut report = self.exit_report(REPORT_TIMEOUT);
        if report.expected && !self.restarting.load(Ordering::Acquire) {
            return ClientError::Closed;
        }
        report.export = match report.running {
            // Each caller names its own call.
            Running::Unknown => export.map(str::to_owned),
            Running::Idle => None,
            Running::Lane(running) if usize::from(running) == lane.get() => {
                self.set_last_call(export)
            }
            Running::Lane(_) => self.wait_for_last_call(),
        };
        ClientError::HostDied(Box::new(report))
    }

    /// The exit report, or one with an unknown status after `timeout`.
    pub(crate) fn exit_report(&self, timeout: Duration) -> ExitReport {
        let report = match self.wait_for_report(timeout) {
            Some(report) => ExitReport::clone(&report),
            None => ExitReport {
                generation: self.generation.0,
                pid: self.runner.pid(),
                cause: Cause::Unknown(
                    "its control connection was lost, and its exit was not observed".to_owned(),
                ),
                ..ExitReport::default()
            },
        };
        if self.restarting.load(Ordering::Acquire) {
            let cause = Cause::Restart;
            return ExitReport { cause, ..report };
        }
        report
    }

    /// Names the call that was running. Of the nested calls of a lane, the innermost comes here first.
    fn set_last_call(&self, export: Option<&str>) -> Option<String> {
        let mut last = lock(&self.last_call);
        if !last.is_set {
            last.is_set = true;
            last.export = export.map(str::to_owned);
        }
        self.last_call_set.notify_all();
        last.export.clone()
    }

    /// The name of the call that was running, once the thread that made it has set it.
    fn wait_for_last_call(&self) -> Option<String> {
        let last = lock(&self.last_call);
        let waited = self
            .last_call_set
            .wait_timeout_while(last, LAST_CALL_TIMEOUT, |last| !last.is_set);
        let (last, _) = waited.unwrap_or_else(PoisonError::into_inner);
        last.export.clone()
    }

    /// Kills it, or leaves its thread behind, and refuses further conversations.
    #[cold]
    pub(crate) fn kill(&self, reason: Kill) {
        self.retire();
        self.runner.kill(reason);
    }

    /// Frees what the host, which has ended, has used of the memory for large buffers. What is left ends
    /// with the last buffer that is in use.
    pub(crate) fn free_memory(&self) {
        let Some(memory) = self.memory.clone() else {
            return;
        };
        match memory.used_bytes() {
            0 => {}
            1..=FREED_INLINE_MAX => memory.host_has_ended(),
            // Without a thread it stays.
            _ => drop(background::start(move || memory.host_has_ended())),
        }
    }

    /// Waits until the host was told to end and its grace period is over.
    pub(crate) async fn grace_expired(&self) {
        let mut shutdown = self.shutdown.subscribe();
        loop {
            let deadline = *shutdown.borrow_and_update();
            // A second request may shorten the grace period. The sender is in the instance.
            let changed = shutdown.changed();
            let Some(deadline) = deadline else {
                let _ = changed.await;
                continue;
            };
            if timeout_at(deadline.into(), changed).await.is_err() {
                return;
            }
        }
    }
}

/// The instances that this process started. A forked child detaches from their shared memory.
static INSTANCES: PerProcess<Vec<Weak<HostInstance>>> = PerProcess::new();

/// All hosts forget the file of a pool; its memory stays as long as their buffers use it.
pub(crate) fn detach_pool(pool: PoolId) {
    let instances: Vec<_> = INSTANCES.with(|all| all.iter().filter_map(Weak::upgrade).collect());
    for instance in instances {
        let memory = instance.memory.as_ref().filter(|_| instance.is_ours());
        if let Some(number) = memory.and_then(|memory| memory.detach(pool)) {
            let message = ClientMessage::ForgetMemoryFile(number);
            // It fails only if the host is gone.
            let _ = instance.outbox.send(&message);
        }
    }
}

/// Detaches a forked child from the shared memory of its parent.
pub(crate) fn forked() {
    let instances = INSTANCES.forked();
    for instance in instances.iter().flat_map(|instances| instances.iter()) {
        if let Some(instance) = instance.upgrade() {
            instance.end.detach_forked();
        }
    }
}
