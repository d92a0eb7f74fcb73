//! The worker thread of an addon: takes turns that no loop or waiting thread takes, reads notices,
//! and sends releases that no frame carries.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
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
use crate::turns::{TURN_OVERDUE_AFTER, TurnCondition};

/// Queued releases wait this long for a frame that carries them.
const RELEASE_DELAY: Duration = Duration::from_millis(50);
/// After this long without a request for a turn, the worker stops checking that turns are taken.
const TURN_WATCH_DURATION: Duration = Duration::from_secs(1);
/// The longest interval between two checks of a busy loop that owns the turns.
const TURN_CHECK_INTERVAL_MAX: Duration = Duration::from_millis(500);
/// The longest park of an idle worker, which then checks that the addon is still loaded.
const IDLE_PARK: Duration = Duration::from_secs(10);

/// A thread that does the jobs of an addon.
pub(crate) struct Worker {
    pub(crate) addon: Weak<LoadedAddon>,
    pub(crate) background: Arc<Background>,
}

/// Starts the worker thread, if this process has none for the addon yet.
pub(crate) fn start(addon: &Arc<LoadedAddon>) {
    addon.background.ensure_worker(|| {
        let worker = Worker::of(addon);
        threads::start("napi-python-owner", move || {
            keep_thread_state(|| worker.run());
        })
    });
}

impl Worker {
    pub(crate) fn of(addon: &Arc<LoadedAddon>) -> Self {
        Self {
            addon: Arc::downgrade(addon),
            background: Arc::clone(&addon.background),
        }
    }

    fn run(&self) {
        let background = &*self.background;
        let mut watched = Instant::now();
        while !background.is_stopped() {
            if !self.work() {
                return;
            }
            if background.releases.load(Ordering::Acquire) >= FLUSH_RELEASES {
                if !self.flush() {
                    return;
                }
            } else if background.releases.load(Ordering::Acquire) > 0 {
                thread::park_timeout(RELEASE_DELAY);
                if !background.has_jobs() && !self.flush() {
                    return;
                }
            } else if background.watches_turns.load(Ordering::Acquire) {
                let turns = &background.turns;
                match turns.overdue() {
                    Some(time) if time >= TURN_OVERDUE_AFTER => self.take_over(time),
                    Some(_) => watched = Instant::now(),
                    None if watched.elapsed() > TURN_WATCH_DURATION => {
                        background.watches_turns.store(false, Ordering::Release);
                        // A turn that was requested in between did not wake this thread.
                        if turns.overdue().is_some() {
                            background.watches_turns.store(true, Ordering::Release);
                        }
                        watched = Instant::now();
                    }
                    None => {}
                }
                let interval = turns.overdue().unwrap_or_default() / 2;
                thread::park_timeout(interval.clamp(TURN_OVERDUE_AFTER, TURN_CHECK_INTERVAL_MAX));
            } else {
                background.is_awake.store(false, Ordering::Release);
                let is_idle = background.releases.load(Ordering::Acquire) == 0;
                if is_idle && !background.watches_turns.load(Ordering::Acquire) {
                    if self.addon.strong_count() == 0 {
                        return;
                    }
                    thread::park_timeout(IDLE_PARK);
                    watched = Instant::now();
                }
            }
        }
    }

    /// A notified thread has not taken its turn. A loop that only is busy takes it later, as Node's
    /// does; one that does not run loses the turns.
    fn take_over(&self, overdue: Duration) {
        let turns = &self.background.turns;
        let is_free = !turns.is_owned()
            || Python::try_attach(|py| turns.dismiss_if_stalled(py, overdue)).unwrap_or(false);
        if is_free {
            self.background.push(Job::Turn);
        }
    }

    /// Does the queued jobs, unless another thread does. Returns false when the interpreter ends.
    pub(crate) fn work(&self) -> bool {
        let background = &*self.background;
        let process = std::process::id();
        loop {
            let before = background.active_in.swap(process, Ordering::AcqRel);
            if before == process {
                // The other thread checks the queue again after it has reset this.
                return true;
            }
            let mut goes_on = true;
            while goes_on && !background.is_stopped() {
                let Some(job) = background.pop() else {
                    break;
                };
                goes_on = do_job(&self.addon, job);
            }
            background.active_in.store(0, Ordering::Release);
            if !goes_on {
                return false;
            }
            if background.is_stopped() || !background.has_jobs() {
                return true;
            }
        }
    }

    /// Sends the queued releases, if no frame has carried them meanwhile. Returns false when the
    /// interpreter ends.
    fn flush(&self) -> bool {
        self.background.releases.store(0, Ordering::Release);
        let Some(addon) = self.addon.upgrade() else {
            return false;
        };
        Python::try_attach(|py| {
            if let Some(generation) = addon.current()
                && generation.has_releases()
                && addon.is_current(&generation)
            {
                // If the host has died meanwhile, there is nothing to release.
                let request = Request::at(CallKind::Release, &generation);
                let _ = addon.request(py, request, |_| Ok(()), |_| Ok(()));
            }
            drop(addon);
        })
        .is_some()
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
