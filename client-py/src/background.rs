//! The state of an addon's background work: turns of the host's event loop, notices, releases. It has
//! no pointer to the addon; `worker` does the work.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use hostd_client::lock;
use hostd_protocol::ids::Generation;
use pyo3::prelude::*;

use crate::flood::Meter;
use crate::jobs::Job;
use crate::preload::PreloadNotices;
use crate::turns::Turns;
use crate::worker_queue::WorkerQueue;

/// The number of queued releases that are sent without waiting for another frame.
pub(crate) const FLUSH_RELEASES: usize = 256;
/// The most CPU time that one turn refunds of what requests for turns were charged. Some requests are
/// declined, as when other threads call at the same time.
const TURN_REFUND_MAX: Duration = Duration::from_micros(200);

pub(crate) struct Background {
    pub(crate) turns: Turns,
    pub(crate) queue: Arc<WorkerQueue>,
    /// The thread that does the jobs of the worker in its turns; none if the worker does them.
    pub(crate) owner: Option<ThreadId>,
    /// Python functions that are to be called on that thread.
    pub(crate) deferred: Mutex<VecDeque<Py<PyAny>>>,
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
    pub(crate) fn new(unsolicited_cpu: f64, owner: Option<ThreadId>) -> Self {
        let queue = Arc::<WorkerQueue>::default();
        Self {
            turns: Turns::new(Arc::clone(&queue), owner.is_none()),
            queue,
            owner,
            deferred: Mutex::default(),
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

    /// Counts bytes of output that were dropped.
    pub(crate) fn add_dropped(&self, bytes: u64) {
        self.dropped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether another thread than this one does the jobs.
    pub(crate) fn is_owned_elsewhere(&self) -> bool {
        self.owner
            .is_some_and(|owner| owner != thread::current().id())
    }

    /// Has a function called on the thread that does the jobs, if that is a thread of the program.
    pub(crate) fn defer(&self, function: &Bound<'_, PyAny>) -> bool {
        if self.owner.is_none() {
            return false;
        }
        lock(&self.deferred).push_back(function.clone().unbind());
        self.turns.request_turn();
        true
    }

    /// Ends the worker soon, and the loop's ownership of the turns.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.queue.wake();
        self.turns.dismiss();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Releases were queued; called wherever Python drops an object.
    pub(crate) fn releases_queued(&self, count: usize) {
        self.releases.store(count, Ordering::Release);
        if count == FLUSH_RELEASES || !self.is_awake.swap(true, Ordering::AcqRel) {
            self.queue.wake();
        }
    }

    /// The host of this generation has loaded its addon: queues the notices that it sent before.
    pub(crate) fn generation_is_loaded(&self, generation: Generation) {
        let kept = self.preload.take(generation);
        let has_notices = !kept.notices.is_empty();
        for (header, body) in kept.notices {
            self.queue.push(Job::Notice(header, body));
        }
        if has_notices {
            self.queue.wake();
        }
        if kept.is_turn_requested {
            self.turns.request_turn();
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
}
