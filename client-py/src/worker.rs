//! The worker of an addon: takes turns that no loop or waiting thread takes, reads notices, and sends
//! releases that no frame carries. The threads of `hostd_client` call it; `listener` has the events of
//! the hosts.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use hostd_client::lock;
use hostd_protocol::calls;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::background::{Background, FLUSH_RELEASES};
use crate::call::keep_thread_state;
use crate::exchange::Request;
use crate::jobs::Job;
use crate::notices;
use crate::output;
use crate::reserve;
use crate::threads;
use crate::turn;
use crate::turns::TurnCondition;

/// Queued releases wait this long for a frame that carries them.
const RELEASE_DELAY: Duration = Duration::from_millis(50);

/// Does the jobs of an addon, and outlives it to show its last output.
pub(crate) struct Worker {
    pub(crate) label: Arc<str>,
    pub(crate) addon: Weak<LoadedAddon>,
    pub(crate) background: Arc<Background>,
    /// When queued releases are to be sent.
    flush_at: Mutex<Option<Instant>>,
}

/// Starts a thread of the package that can do jobs.
pub(crate) fn spawn_thread(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    threads::start(name, move || keep_thread_state(work))
}

impl Worker {
    pub(crate) fn of(addon: &Arc<LoadedAddon>) -> Self {
        Self {
            label: Arc::clone(addon.label()),
            addon: Arc::downgrade(addon),
            background: Arc::clone(&addon.background),
            flush_at: Mutex::default(),
        }
    }

    /// Does what was left to the worker, and what is due. Returns when something is due the next time.
    pub(crate) fn do_what_is_due(&self) -> Option<Instant> {
        if self.background.is_stopped() || !self.work() {
            return None;
        }
        let next_flush = self.flush_if_due();
        let next_run = self.check_session();
        let next_check = self.check_turns();
        [next_flush, next_run, next_check]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends the queued releases if there are many, or have been for a while. Returns when to do that.
    fn flush_if_due(&self) -> Option<Instant> {
        let background = &*self.background;
        if background.is_owned_elsewhere() {
            // The next frame carries them.
            background.is_awake.store(false, Ordering::Release);
            return None;
        }
        let count = background.releases.load(Ordering::Acquire);
        if count > 0 {
            let now = Instant::now();
            let at = *lock(&self.flush_at).get_or_insert(now + RELEASE_DELAY);
            if count < FLUSH_RELEASES && now < at {
                return Some(at);
            }
            self.flush();
        }
        *lock(&self.flush_at) = None;
        background.is_awake.store(false, Ordering::Release);
        if background.releases.load(Ordering::Acquire) > 0 {
            // What was queued in between did not wake the worker.
            background.queue.wake();
        }
        None
    }

    /// Requests a turn for a session that runs on a thread of the program, if it has something to do.
    /// Returns when it will have.
    fn check_session(&self) -> Option<Instant> {
        self.background.owner?;
        let addon = self.addon.upgrade()?;
        let (is_due, next) = addon.client.get()?.take_due();
        if is_due {
            self.background.turns.request_turn();
        }
        next
    }

    /// Checks that a due turn is taken, if it is time to. Returns when that is the next time.
    fn check_turns(&self) -> Option<Instant> {
        let turns = &self.background.turns;
        if turns.timer()? <= Instant::now() {
            turns.deadline_passed();
        }
        turns.timer()
    }

    /// Does the queued jobs, unless another thread does. Returns false when the interpreter ends.
    pub(crate) fn work(&self) -> bool {
        let (background, queue) = (&*self.background, &self.background.queue);
        if background.is_owned_elsewhere() {
            if queue.has_jobs() {
                background.turns.request_turn();
            }
            return true;
        }
        let process = std::process::id();
        loop {
            let before = queue.active_in.swap(process, Ordering::AcqRel);
            if before == process {
                // The other thread checks the queue again after it has reset this.
                return true;
            }
            let mut goes_on = true;
            while goes_on && !background.is_stopped() {
                let Some(job) = queue.pop() else {
                    break;
                };
                goes_on = do_job(&self.addon, job);
            }
            queue.active_in.store(0, Ordering::Release);
            if !goes_on {
                return false;
            }
            if background.is_stopped() || !queue.has_jobs() {
                return true;
            }
        }
    }

    /// Sends the queued releases, if no frame has carried them meanwhile.
    fn flush(&self) {
        self.background.releases.store(0, Ordering::Release);
        let Some(addon) = self.addon.upgrade() else {
            return;
        };
        Python::try_attach(|py| {
            if let Some(generation) = addon.current()
                && generation.has_releases()
                && addon.is_current(&generation)
            {
                // If the host has died meanwhile, there is nothing to release.
                let _ = addon.request(py, calls::Release, Request::to(Some(&generation)), &());
            }
            drop(addon);
        });
    }
}

/// Does one job. Returns false when the interpreter or the addon ends.
pub(crate) fn do_job(addon: &Weak<LoadedAddon>, job: Job) -> bool {
    let Some(addon) = addon.upgrade() else {
        return false;
    };
    reserve::wait_for_thread_state();
    Python::try_attach(|py| {
        let done = match job {
            Job::Died(report) => {
                addon.finalize_generation(&report);
                Ok(())
            }
            Job::Turn => turn::give(&addon, py, TurnCondition::NoOwner),
            Job::Notice(header, body) => notices::read(py, &addon, header, &body),
        };
        if let Err(error) = done {
            // Errors of a host that is being closed are not shown.
            if !addon.is_closed() {
                output::trouble(py, addon.label(), error);
            }
        }
        drop(addon);
    })
    .is_some()
}
