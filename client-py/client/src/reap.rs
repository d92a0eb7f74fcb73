//! The exit status and resource usage of a host that has ended, from the kernel.
//!
//! Upholds I-19.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use std::{fs, io};

use hostd_protocol::exit_status;
use hostd_protocol::process_exit::ProcessExit;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use rustix::process::{Resource, WaitId, WaitIdOptions, getrlimit, waitid};
use wait4::try_wait4_pid;

use crate::runner::Process;

/// How many bytes a process may use between fork and exec beyond those of its parent.
const FORK_OVERHEAD_BYTES: u64 = 1 << 20;

/// How often, and in which interval, the kernel is asked for the status of a process that it reaps.
const REAPED_ATTEMPTS: u32 = 100;
const REAPED_INTERVAL: Duration = Duration::from_millis(1);

/// The exit status of a host, and who has read it.
#[derive(Debug)]
pub(crate) enum ReapOutcome {
    /// This process reaped it, or the server that started it did.
    Reaped(ProcessExit),
    /// Another part of this program or the kernel reaped it: its resource usage is unknown.
    Status(ExitStatus),
    /// The exit status is unknown, for this reason.
    Unknown(String),
}

impl ReapOutcome {
    pub(crate) fn status(&self) -> (Option<i32>, Option<i32>) {
        match self {
            Self::Reaped(status) => (status.signal, status.exit_code),
            Self::Status(status) => (status.signal(), status.code()),
            Self::Unknown(_) => (None, None),
        }
    }
}

/// When a host was started, and figures of this process at that time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartRecord {
    pub(crate) at: Instant,
    /// Peak memory up to this many bytes may be that of the fork of this process, which the kernel counts
    /// as the host's own.
    inherited: u64,
    /// The `RLIMIT_AS` of this process, which its children inherit.
    pub(crate) address_space: Option<u64>,
}

impl StartRecord {
    pub(crate) fn now() -> Self {
        let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let own = u64::try_from(kibibytes).unwrap_or(0).saturating_mul(1024);
        Self {
            at: Instant::now(),
            inherited: own.saturating_add(FORK_OVERHEAD_BYTES),
            address_space: getrlimit(Resource::As).current,
        }
    }

    /// Reaps the child, which has ended.
    pub(crate) async fn reap(self, process: &Process) -> ReapOutcome {
        if let Some(status) = self.try_reap(process) {
            return ReapOutcome::Reaped(status);
        }
        // The pidfd of a process that the kernel reaps itself becomes readable shortly before that.
        for _ in 0..REAPED_ATTEMPTS {
            match exit_status(&process.pidfd) {
                Ok(Some(status)) => return ReapOutcome::Status(status),
                Ok(None) => tokio::time::sleep(REAPED_INTERVAL).await,
                Err(error) => return ReapOutcome::Unknown(unknown(&error)),
            }
        }
        ReapOutcome::Unknown("the process has ended and was not reaped".to_owned())
    }

    /// None if this program ignores SIGCHLD, or another part of it has reaped the child.
    fn try_reap(self, process: &Process) -> Option<ProcessExit> {
        // This check makes sure that the process id is still that of the child.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(process.pidfd.as_fd()), options).ok()??;
        let reaped = try_wait4_pid(process.pid).ok()??;
        Some(ProcessExit {
            signal: reaped.status.signal(),
            exit_code: reaped.status.code(),
            user: reaped.rusage.utime,
            system: reaped.rusage.stime,
            peak_memory: Some(reaped.rusage.maxrss).filter(|peak| *peak > self.inherited),
        })
    }
}

fn unknown(error: &io::Error) -> String {
    let reaped = if ignores_sigchld() {
        "this program ignores SIGCHLD, so the kernel drops the status of its children"
    } else {
        "another part of this program called wait() for the process"
    };
    format!("{reaped}, and the kernel keeps no status for its pidfd (Linux 6.15 does): {error}")
}

fn ignores_sigchld() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (Signal::SIGCHLD as u32 - 1) & 1 == 1)
}
