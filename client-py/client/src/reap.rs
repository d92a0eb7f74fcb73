//! What the system knows of a host that has ended: how, and what it used.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use hostd_protocol::door::Remains;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use wait4::try_wait4_pid;

use crate::session::Process;

/// What a process may take more, between its fork and its program, than the one it was forked from.
const FORKED: u64 = 1 << 20;

/// When a host was started, and what was known then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    at: Instant,
    /// The kernel counts what a process had before its program began: a copy of this one.
    inherited: u64,
}

impl Birth {
    /// Now.
    pub(crate) fn now() -> Self {
        let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        let own = u64::try_from(kibibytes).unwrap_or(0).saturating_mul(1024);
        Self {
            at: Instant::now(),
            inherited: own.saturating_add(FORKED),
        }
    }

    /// How long ago that was.
    pub(crate) fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    /// Reaps the child if it has ended. Nothing is known if somebody else has done so, or if the
    /// program ignores SIGCHLD.
    pub(crate) fn reap(self, process: &Process) -> Option<Remains> {
        // While it is there, the number is its own.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(process.pidfd.as_fd()), options).ok()??;
        let reaped = try_wait4_pid(process.pid).ok()??;
        Some(Remains {
            signal: reaped.status.signal(),
            exit_code: reaped.status.code(),
            user: reaped.rusage.utime,
            system: reaped.rusage.stime,
            peak_memory: Some(reaped.rusage.maxrss).filter(|peak| *peak > self.inherited),
        })
    }
}
