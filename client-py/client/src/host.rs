//! One process of a host, as the supervisor has it: until its end, and what is to be said of that.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::confinement::Bounds;
use hostd_protocol::ids::Generation;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::bounds;
use crate::cache::Unsaved;
use crate::crash::{self, CrashPage, Findings};
use crate::door::Status;
use crate::memory;
use crate::output::Output;
use crate::reap::Birth;
use crate::report::{ExitReport, Usage};
use crate::scratch::Scratch;
use crate::session::Process;

/// What is still in sockets and pipes after a death is read for this long at most.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(20);

/// Longer than it takes to find out where a host died, unless a file cannot be read.
const EXAMINATION: Duration = Duration::from_millis(500);

/// What an addon leaves behind is waited for so long. It is removed in any case.
const REMOVAL: Duration = Duration::from_secs(1);

/// A process, what it prints and what it leaves behind.
pub(crate) struct Host {
    pub(crate) bounds: Option<Bounds>,
    pub(crate) scratch: Option<Scratch>,
    /// What it may leave for later hosts, until its session has that.
    pub(crate) unsaved: Option<Unsaved>,
    pub(crate) process: Arc<Process>,
    pub(crate) generation: Generation,
    pub(crate) crash_page: Option<CrashPage>,
    pub(crate) status: Option<Status>,
    pub(crate) birth: Birth,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Host {
    /// Comes back when the process has ended. It is not reaped yet.
    pub(crate) fn end(&self) -> impl Future<Output = ()> {
        let process = Arc::clone(&self.process);
        async move {
            let watched = process.pidfd.try_clone().and_then(watch);
            if let Ok(watched) = watched
                && watched.readable().await.is_ok()
            {
                return;
            }
            // No descriptor left to watch it with: look from time to time.
            while has_ended(&process) == Some(false) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits for the end and says how it was; `expected` if it had been told to, and said goodbye.
    pub(crate) async fn report(mut self, expected: bool) -> ExitReport {
        self.end().await;
        let words = async {
            self.stdout.finish().await;
            self.stderr.finish().await;
        };
        let _ = timeout(LAST_WORDS, words).await;
        let remains = match self.status.take() {
            None => self.birth.reap(&self.process),
            Some(status) => tokio::task::spawn_blocking(move || status.read())
                .await
                .unwrap_or_default(),
        };
        let (signal, exit_code) =
            remains.map_or((None, None), |remains| (remains.signal, remains.exit_code));
        if let Some(scratch) = self.scratch.take() {
            let removed = scratch.remove();
            let removed = tokio::spawn(removed);
            // Who closes a host finds nothing left, unless that is very much; who waits for the
            // report of a crash waits for no more than that.
            if expected {
                let _ = timeout(REMOVAL, removed).await;
            }
        }
        let findings = examine(self.crash_page.take(), signal).await;
        let usage = remains.map(|remains| Usage {
            user: remains.user,
            system: remains.system,
            wall: self.birth.elapsed(),
            peak_memory: findings.peak_memory.or(remains.peak_memory),
        });
        let killed = self.process.killed_because();
        let limits = self.bounds.as_ref();
        let unknown = || {
            "its exit status is unknown: another part of this program called wait() for it"
                .to_owned()
        };
        ExitReport {
            generation: self.generation.0,
            pid: self.process.pid,
            signal,
            exit_code,
            reason: killed
                .or_else(|| remains.is_none().then(unknown))
                .or_else(|| bounds::verdict(signal, limits, usage.as_ref()))
                .or_else(|| memory::verdict(signal, &findings, usage.as_ref(), limits)),
            export: None,
            address: findings.address,
            overflowed: findings.overflowed,
            node_api: findings.node_api,
            thread: findings.thread,
            forbidden: findings.forbidden,
            backtrace: findings.backtrace,
            stderr_tail: self.stderr.tail(),
            stdout_tail: self.stdout.tail(),
            usage,
            expected,
            running: findings.running,
        }
    }
}

/// Reads what a host left behind, on a thread of its own: that may take its time, and no other
/// host shall wait for it.
async fn examine(page: Option<CrashPage>, signal: Option<i32>) -> Findings {
    let Some(page) = page else {
        return Findings::default();
    };
    let examined = tokio::task::spawn_blocking(move || crash::examine(&page, signal));
    match timeout(EXAMINATION, examined).await {
        Ok(Ok(findings)) => findings,
        // It did not come back: the report goes out without.
        Ok(Err(_)) | Err(_) => Findings::default(),
    }
}

/// Watches a descriptor that is owned until it is not watched any more.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// Whether the process has ended, if that can be told.
fn has_ended(process: &Process) -> Option<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::PidFd(process.pidfd.as_fd()), options)
        .ok()
        .map(|status| status.is_some())
}
