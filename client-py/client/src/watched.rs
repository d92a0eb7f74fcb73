//! A host process as the supervisor watches it: its exit, and the report on that, which takes the exit
//! status, the crash record and the last output together. Runs on the supervisor's thread and must not
//! block it.

use std::fs;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::confinement::{Applied, Bounds, Mechanism};
use hostd_protocol::ids::Generation;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::attach::StatusPipe;
use crate::background;
use crate::cache::Unsaved;
use crate::classify::Evidence;
use crate::core_file::CoreFolder;
use crate::crash::{self, CrashPage, Findings, escape};
use crate::events::HostEvents;
use crate::memory::KernelMemory;
use crate::output::OutputReader;
use crate::reap::{ReapOutcome, StartRecord};
use crate::report::{ExitReport, Usage};
use crate::runner::Process;
use crate::scratch::ScratchFolder;

/// How long sockets and pipes of a host are read after its exit.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_millis(20);

/// How long a crash record is examined: longer than that takes, unless a file cannot be read.
const EXAMINE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the report on an orderly exit waits for the removal of the scratch folder.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A process, its output and its folders.
pub(crate) struct WatchedProcess {
    /// Its sandbox mechanisms and its limits.
    pub(crate) applied: Applied,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) scratch: Option<ScratchFolder>,
    /// The folder of its core file, if a crash is to leave one, and what is told if that fails.
    pub(crate) core: Option<(CoreFolder, Arc<dyn HostEvents>)>,
    /// Its cache folder, until its instance takes that.
    pub(crate) unsaved: Option<Unsaved>,
    pub(crate) process: Arc<Process>,
    pub(crate) generation: Generation,
    pub(crate) crash_page: Option<CrashPage>,
    pub(crate) status: Option<StatusPipe>,
    pub(crate) start_record: StartRecord,
    pub(crate) stdout: OutputReader,
    pub(crate) stderr: OutputReader,
}

impl WatchedProcess {
    /// Whether the kernel has begun to end the process.
    pub(crate) fn is_exiting(&self) -> bool {
        // The number is that of the process until it is reaped.
        fs::read_to_string(format!("/proc/{}/stat", self.process.pid))
            .is_ok_and(|stat| is_exiting(&stat))
    }

    /// Waits until the process has ended. It is not reaped yet.
    pub(crate) fn exited(&self) -> impl Future<Output = ()> {
        let process = Arc::clone(&self.process);
        async move {
            if let Ok(watched) = watch(WatchedPidfd(Arc::clone(&process)))
                && watched.readable().await.is_ok()
            {
                return;
            }
            // The kernel has no memory to watch it with: poll.
            while has_ended(&process) == Some(false) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits for the exit and reports it; `expected` if the host was told to end and said goodbye.
    pub(crate) async fn report(mut self, expected: bool) -> ExitReport {
        self.exited().await;
        let drained = async {
            self.stdout.finish().await;
            self.stderr.finish().await;
        };
        let _ = timeout(DRAIN_TIMEOUT, drained).await;
        let is_of_server = self.status.is_some();
        let ended = match self.status.take() {
            None => self.start_record.reap(&self.process).await,
            Some(status) => server_status(status).await,
        };
        let (signal, exit_code) = ended.status();
        let core_file = match self.core.take() {
            // It may be large: other hosts must not wait for it.
            Some((core, events)) => {
                let kept = background::run(move || core.keep(&*events)).await;
                kept.ok().flatten()
            }
            None => None,
        };
        if let Some(scratch) = self.scratch.take() {
            let removed = scratch.remove();
            let removed = tokio::spawn(removed);
            // After an orderly exit the folder is gone when the report is there, unless it is very
            // large. The report of a crash does not wait for it.
            if expected {
                let _ = timeout(REMOVE_TIMEOUT, removed).await;
            }
        }
        let findings = examine(self.crash_page.take(), signal).await;
        let usage = match &ended {
            ReapOutcome::Reaped(status) => Some(Usage {
                user: status.user,
                system: status.system,
                wall: self.start_record.at.elapsed(),
                peak_memory: findings.peak_memory.or(status.peak_memory),
            }),
            ReapOutcome::Status(_) | ReapOutcome::Unknown(_) => None,
        };
        let stderr_tail = self.stderr.tail();
        let evidence = Evidence {
            killed: self.process.killed(),
            unknown: match ended {
                ReapOutcome::Unknown(why) => Some(why),
                ReapOutcome::Reaped(_) | ReapOutcome::Status(_) => None,
            },
            signal,
            findings: &findings,
            usage: usage.as_ref(),
            bounds: self.bounds.as_ref(),
            // A host of a server inherits the limits of the server, which are unknown here.
            address_space: self.start_record.address_space.filter(|_| !is_of_server),
            stderr: &stderr_tail,
        };
        let cause = evidence.cause(KernelMemory::read);
        ExitReport {
            generation: self.generation.0,
            pid: self.process.pid,
            signal,
            exit_code,
            cause,
            stderr_tail,
            stdout_tail: self.stdout.tail(),
            usage,
            expected,
            core_file,
            confinement: self.applied.iter().map(state).collect(),
            ..findings.report
        }
    }
}

/// A mechanism of a sandbox and its state.
fn state(mechanism: &Mechanism) -> String {
    escape(&format!("{}={}", mechanism.name, mechanism.state.name()))
}

/// Whether the exit of a process has begun, by its `/proc/PID/stat`: the seventh field behind the name
/// of the program has the flags.
fn is_exiting(stat: &str) -> bool {
    const PF_EXITING: u32 = 0x4;
    let behind_name = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let flags = behind_name.split_ascii_whitespace().nth(6);
    flags
        .and_then(|flags| flags.parse::<u32>().ok())
        .is_some_and(|flags| flags & PF_EXITING != 0)
}

/// The exit status of a host that a server started.
async fn server_status(status: StatusPipe) -> ReapOutcome {
    let unknown = |why: &str| ReapOutcome::Unknown(format!("the server {why}"));
    match background::run(move || status.read()).await {
        Ok(Some(status)) => ReapOutcome::Reaped(status),
        Ok(None) => unknown("that started it did not report it"),
        Err(error) => unknown(&format!("was not read: {error}")),
    }
}

/// Reads the crash record of a host, on a thread of its own: other hosts must not wait for it.
async fn examine(page: Option<CrashPage>, signal: Option<i32>) -> Findings {
    let Some(page) = page else {
        return Findings::default();
    };
    let examined = background::run(move || crash::examine(&page, signal));
    match timeout(EXAMINE_TIMEOUT, examined).await {
        Ok(Ok(findings)) => findings,
        // The report goes out without it.
        Ok(Err(_)) | Err(_) => Findings::default(),
    }
}

/// The pidfd of a process, which is watched at one place at a time.
struct WatchedPidfd(Arc<Process>);

impl AsRawFd for WatchedPidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.pidfd.as_raw_fd()
    }
}

/// Registers a descriptor with the event loop, which owns it from now on.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn watch(pidfd: WatchedPidfd) -> io::Result<AsyncFd<WatchedPidfd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// Whether the process has ended; none if the kernel does not say.
fn has_ended(process: &Process) -> Option<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::PidFd(process.pidfd.as_fd()), options)
        .ok()
        .map(|status| status.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_a_process_tell_whether_it_exits() {
        let stat = |name: &str, flags: u32| format!("7 ({name}) R 1 7 7 0 -1 {flags} 0 0");
        assert!(is_exiting(&stat("host", 0x40_0104)));
        assert!(!is_exiting(&stat("host", 0x40_0100)));
        // The program chooses its name.
        assert!(!is_exiting(&stat("a) R 1 7 7 0 -1 4 (b", 0)));
        assert!(!is_exiting(""));
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(!is_exiting(&own));
    }
}
