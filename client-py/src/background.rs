//! The state of an addon's background work: turns of the host's event loop, notices, releases. It has
//! no pointer to the addon; `worker` does the work.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostd_client::{Attention, Client, hand_over};
use hostd_protocol::ids::Generation;

use crate::flood::Meter;
use crate::jobs::{Job, JobQueue};
use crate::preload::PreloadNotices;
use crate::turns::{TurnCondition, TurnWaiter, Turns, WorkerTask};

/// The number of queued releases that are sent without waiting for another frame.
pub(crate) const FLUSH_RELEASES: usize = 256;
/// The most CPU time that one turn refunds of what requests for turns were charged. Some requests are
/// declined, as when other threads call at the same time.
const TURN_REFUND_MAX: Duration = Duration::from_micros(200);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The background work of one addon.
pub(crate) struct Background {
    pub(crate) turns: Turns,
    jobs: Mutex<JobQueue>,
    /// The process in which a thread does the jobs, or 0.
    pub(crate) active_in: AtomicU32,
    /// Has the worker called.
    pub(crate) attention: Arc<Attention>,
    /// The length of the current generation's release queue.
    pub(crate) releases: AtomicUsize,
    /// The worker checks the releases soon, without being woken.
    pub(crate) is_awake: AtomicBool,
    pub(crate) preload: PreloadNotices,
    is_stopped: AtomicBool,
    /// The bytes of output that were dropped.
    pub(crate) dropped: AtomicU64,
    /// The CPU time that notices, and the turns that they request, take of this process.
    pub(crate) notices: Meter,
    /// What was charged for requests for turns since the last useful turn, in nanoseconds.
    refundable: AtomicU64,
    /// The CPU time that output and logs take of this process.
    pub(crate) prints: Arc<Meter>,
}

impl Background {
    pub(crate) fn new(unsolicited_cpu: f64) -> Self {
        Self {
            turns: Turns::new(),
            jobs: Mutex::default(),
            active_in: AtomicU32::new(0),
            attention: Arc::default(),
            releases: AtomicUsize::new(0),
            is_awake: AtomicBool::new(false),
            preload: PreloadNotices::default(),
            is_stopped: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            notices: Meter::new(unsolicited_cpu),
            refundable: AtomicU64::new(0),
            prints: Arc::new(Meter::new(unsolicited_cpu)),
        }
    }

    /// The number of bytes of output that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Ends the worker soon, and the loop's ownership of the turns.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.wake();
        let _ = self.turns.dismiss();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Wakes the worker.
    pub(crate) fn wake(&self) {
        self.attention.request();
    }

    /// Queues a job; false if there is no room for a notice.
    pub(crate) fn push(&self, job: Job) -> bool {
        locked(&self.jobs).push(job)
    }

    pub(crate) fn pop(&self) -> Option<Job> {
        locked(&self.jobs).pop()
    }

    pub(crate) fn has_jobs(&self) -> bool {
        !locked(&self.jobs).is_empty()
    }

    /// Releases were queued; called wherever Python drops an object.
    pub(crate) fn releases_queued(&self, count: usize) {
        self.releases.store(count, Ordering::Release);
        if count == FLUSH_RELEASES || !self.is_awake.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// A turn is due that the caller does not take: notifies its taker.
    pub(crate) fn request_turn(&self) {
        self.leave(self.turns.request_turn());
    }

    /// Leaves a task to the worker.
    pub(crate) fn leave(&self, task: WorkerTask) {
        let mut wakes = task.arms_timer;
        if task.runs_turn {
            self.push(Job::Turn);
            // A thread that does the jobs checks the queue again when it is done.
            wakes |= self.active_in.load(Ordering::Acquire) != std::process::id();
        }
        if wakes {
            self.wake();
        }
    }

    /// The host of this generation has loaded its addon: queues the notices that it sent before.
    pub(crate) fn generation_is_loaded(&self, generation: Generation) {
        let kept = self.preload.take(generation);
        let has_notices = !kept.notices.is_empty();
        for (header, body) in kept.notices {
            self.push(Job::Notice(header, body));
        }
        if has_notices {
            self.wake();
        }
        if kept.is_turn_requested {
            self.request_turn();
        }
    }

    /// Notes a charge for a request for a turn, for [`Self::refund_turn`].
    #[inline]
    pub(crate) fn note_refundable(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.refundable.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// A turn called Python or settled a promise: refunds what requests for turns were charged.
    #[inline]
    pub(crate) fn refund_turn(&self) {
        if self.refundable.load(Ordering::Relaxed) != 0 {
            let charged = Duration::from_nanos(self.refundable.swap(0, Ordering::Relaxed));
            self.notices.refund(charged.min(TURN_REFUND_MAX));
        }
    }

    /// While the result lives, this thread can be notified of turns.
    pub(crate) fn wait_for_turns(&self) -> TurnWait<'_> {
        // This thread may wait for what another one is to do.
        hand_over();
        let (waiter, task) = self.turns.add_waiter();
        self.leave(task);
        TurnWait {
            background: self,
            waiter,
        }
    }
}

/// A thread that waits for a promise and takes turns meanwhile.
pub(crate) struct TurnWait<'a> {
    background: &'a Background,
    waiter: Arc<TurnWaiter>,
}

impl TurnWait<'_> {
    /// Whether this thread is to take a turn now, and on which condition.
    pub(crate) fn turn(&self) -> Option<TurnCondition> {
        self.background.turns.turn_for(&self.waiter)
    }

    /// See [`Turns::poll_unowned`].
    pub(crate) fn poll_briefly(&self, client: &Client) -> bool {
        self.background.turns.poll_unowned(client)
    }
}

impl Drop for TurnWait<'_> {
    fn drop(&mut self) {
        let task = self.background.turns.remove_waiter(&self.waiter);
        self.background.leave(task);
    }
}
