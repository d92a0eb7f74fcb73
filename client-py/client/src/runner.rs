//! What runs a session: a process, or a thread of this process.

use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::Notify;

use crate::caller_thread::CallerThread;
use crate::cause::Kill;
use crate::{fork, lock};

/// What runs a session.
#[derive(Clone, Debug)]
pub(crate) enum Runner {
    Process(Arc<Process>),
    /// The thread, and what runs the session if that is the thread that loaded the addon.
    Thread(Arc<SessionThread>, Option<Arc<CallerThread>>),
}

impl Runner {
    /// The process in which the session runs.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Process(process) => process.pid,
            Self::Thread(..) => std::process::id(),
        }
    }

    /// What runs the session on the thread that loaded the addon, if that does.
    #[inline]
    pub(crate) fn caller(&self) -> Option<&CallerThread> {
        match self {
            Self::Thread(_, caller) => caller.as_deref(),
            Self::Process(_) => None,
        }
    }

    /// Kills the process, or leaves the thread behind; the first reason is the one that is reported.
    pub(crate) fn kill(&self, reason: Kill) {
        match self {
            Self::Process(process) => process.kill(reason),
            Self::Thread(thread, _) => thread.leave(reason),
        }
    }
}

/// The descriptor of a host process, and why it was killed.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    killed: Mutex<Option<Kill>>,
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
    pub(crate) fn kill(&self, reason: Kill) {
        if self.epoch != fork::epoch() {
            return;
        }
        let mut killed = lock(&self.killed);
        if killed.is_none() {
            *killed = Some(reason);
            // It fails only if the process has ended.
            let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
        }
    }

    pub(crate) fn killed(&self) -> Option<Kill> {
        lock(&self.killed).clone()
    }
}

/// A thread of this process that serves a session. It cannot be killed: it is left behind, and ends when
/// the native code that it runs returns.
#[derive(Debug, Default)]
pub(crate) struct SessionThread {
    left: Mutex<Option<Kill>>,
    is_left: Notify,
}

impl SessionThread {
    fn leave(&self, reason: Kill) {
        lock(&self.left).get_or_insert(reason);
        self.is_left.notify_one();
    }

    /// Why it was left behind, if it was.
    pub(crate) fn left(&self) -> Option<Kill> {
        lock(&self.left).clone()
    }

    /// Waits until it is left behind.
    pub(crate) async fn when_left(&self) {
        self.is_left.notified().await;
    }
}
