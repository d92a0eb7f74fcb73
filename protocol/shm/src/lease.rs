//! Which lanes are leased, and the queue of threads that wait for one. Private to the client, whichever
//! way its frames travel.
//!
//! Upholds I-5.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hostd_wait::constants::PARK_MAX;

use crate::lane::{HOME_LANE, LaneNumber};
use crate::ready::ALL_LANES;
use crate::sync::{AcqRel, Acquire, AtomicU64, Condvar, Mutex, Relaxed, Release, lock};

/// The home lane is never free, so its bit says that a thread waits. While it is set, the fast
/// paths take no lane and all changes happen under the lock.
const WAITERS: u64 = 1;

/// The free list of the lanes.
#[derive(Debug)]
pub struct Leases {
    /// A bit for each lane for calls.
    free: AtomicU64,
    home_leased: AtomicBool,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
}

/// A thread that waits for a lane.
#[derive(Debug)]
struct Waiter {
    /// Its lock may be taken inside the queue's, not the other way round.
    slot: Mutex<Slot>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    /// The lane that was handed to it.
    lane: Option<LaneNumber>,
    /// The thread is to call its check.
    nudged: bool,
}

impl Default for Leases {
    /// All lanes are free.
    fn default() -> Self {
        Self {
            free: AtomicU64::new(ALL_LANES & !HOME_LANE.bit()),
            home_leased: AtomicBool::new(false),
            queue: Mutex::new(VecDeque::new()),
        }
    }
}

impl Leases {
    /// Takes the home lane; false if it is leased.
    pub fn try_lease_home(&self) -> bool {
        !self.home_leased.swap(true, Acquire)
    }

    /// Whether this lane is leased.
    pub fn is_leased(&self, lane: LaneNumber) -> bool {
        if lane == HOME_LANE {
            self.home_leased.load(Relaxed)
        } else {
            self.free.load(Relaxed) & lane.bit() == 0
        }
    }

    /// Takes a lane, `hint` if that is free. None if none is free, or threads wait for one.
    pub fn try_lease(&self, hint: Option<LaneNumber>) -> Option<LaneNumber> {
        let mut free = self.free.load(Relaxed);
        loop {
            if free & WAITERS != 0 {
                return None;
            }
            let lane = choose(free, hint)?;
            match self
                .free
                .compare_exchange_weak(free, free & !lane.bit(), Acquire, Relaxed)
            {
                Ok(_) => return Some(lane),
                Err(now) => free = now,
            }
        }
    }

    /// Returns a lane; if threads wait for one, the first of the queue gets it.
    pub fn give_back(&self, lane: LaneNumber) {
        if lane == HOME_LANE {
            return self.home_leased.store(false, Release);
        }
        let mut free = self.free.load(Relaxed);
        while free & WAITERS == 0 {
            match self
                .free
                .compare_exchange_weak(free, free | lane.bit(), AcqRel, Relaxed)
            {
                Ok(_) => return,
                Err(now) => free = now,
            }
        }
        self.hand_over(lane);
    }

    #[cold]
    fn hand_over(&self, lane: LaneNumber) {
        let mut queue = lock(&self.queue);
        match queue.pop_front() {
            Some(first) => {
                lock(&first.slot).lane = Some(lane);
                first.woken.notify_one();
            }
            None => {
                self.free.fetch_or(lane.bit(), AcqRel);
            }
        }
        self.settle(&queue);
    }

    /// Enables the fast paths again once the queue is empty.
    fn settle(&self, queue: &VecDeque<Arc<Waiter>>) {
        if queue.is_empty() {
            self.free.fetch_and(!WAITERS, AcqRel);
        }
    }

    /// Waits in the queue for a lane; none if `check` breaks. It is called before the first park, after
    /// each `PARK_MAX` and after [`wake_all`](Self::wake_all).
    #[cold]
    pub fn lease(
        &self,
        hint: Option<LaneNumber>,
        check: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<LaneNumber> {
        let waiter = match self.enqueue(hint) {
            Ok(lane) => return Some(lane),
            Err(waiter) => waiter,
        };
        loop {
            // No lock is held while foreign code runs.
            if check().is_break() {
                self.resign(&waiter);
                return None;
            }
            let mut slot = lock(&waiter.slot);
            if slot.lane.is_none() && !slot.nudged {
                let slept = waiter.woken.wait_timeout(slot, PARK_MAX);
                (slot, _) = slept.unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            slot.nudged = false;
            if slot.lane.is_some() {
                return slot.lane.take();
            }
        }
    }

    /// Takes a lane if one has become free, else joins the queue.
    fn enqueue(&self, hint: Option<LaneNumber>) -> Result<LaneNumber, Arc<Waiter>> {
        let mut queue = lock(&self.queue);
        let free = self.free.fetch_or(WAITERS, AcqRel);
        if let Some(lane) = choose(free & !WAITERS, hint) {
            // A lane that comes free goes to the queue first, so the queue is empty.
            self.free.fetch_and(!lane.bit(), AcqRel);
            self.settle(&queue);
            return Ok(lane);
        }
        let slot = Mutex::new(Slot::default());
        let waiter = Arc::new(Waiter {
            slot,
            woken: Condvar::new(),
        });
        queue.push_back(Arc::clone(&waiter));
        Err(waiter)
    }

    /// Leaves the queue, and returns a lane that was handed over meanwhile.
    fn resign(&self, waiter: &Arc<Waiter>) {
        let mut queue = lock(&self.queue);
        queue.retain(|other| !Arc::ptr_eq(other, waiter));
        self.settle(&queue);
        drop(queue);
        let lane = lock(&waiter.slot).lane.take();
        if let Some(lane) = lane {
            self.give_back(lane);
        }
    }

    /// In a forked child no thread waits, and the locks may be held by threads that do not exist there.
    #[cfg(not(loom))]
    pub(crate) fn forget_waiters(&self) {
        self.free.fetch_and(!WAITERS, AcqRel);
    }

    /// Has every waiting thread call its check.
    pub fn wake_all(&self) {
        for waiter in lock(&self.queue).iter() {
            lock(&waiter.slot).nudged = true;
            waiter.woken.notify_one();
        }
    }
}

/// The hinted lane if it is free, else the lowest: its memory is the likeliest to be warm.
fn choose(free: u64, hint: Option<LaneNumber>) -> Option<LaneNumber> {
    match hint {
        Some(lane) if free & lane.bit() != 0 => Some(lane),
        _ => LaneNumber::new(free.trailing_zeros() as usize),
    }
}
