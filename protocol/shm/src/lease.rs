//! Which lanes are leased, and who waits for one. Private to the client.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::client::Verdict;
use crate::error::Stopped;
use crate::layout::{HOME_LANE, LaneIndex, SLICE};
use crate::ready::ALL_LANES;
use crate::sync::{AcqRel, Acquire, AtomicU64, Condvar, Mutex, Relaxed, lock};

/// The home lane is never free, so its bit says that somebody waits. While it is set, the fast
/// paths stand back and all changes happen under the lock.
const WAITERS: u64 = 1;

/// The free list of the lanes for calls: a bit for each.
#[derive(Debug)]
pub(crate) struct Leases {
    free: AtomicU64,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
}

/// Somebody who waits for a lane.
#[derive(Debug)]
struct Waiter {
    /// Its lock may be taken inside the queue's, not the other way round.
    slot: Mutex<Slot>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    /// The lane that was handed to it.
    lane: Option<LaneIndex>,
    /// It is to ask its check.
    nudged: bool,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            free: AtomicU64::new(ALL_LANES & !HOME_LANE.bit()),
            queue: Mutex::new(VecDeque::new()),
        }
    }

    /// Takes a lane, `hint` if that is free. None if none is free, or others wait for one.
    pub(crate) fn try_lease(&self, hint: Option<LaneIndex>) -> Option<LaneIndex> {
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

    /// Gives a lane back, to who has waited longest if anybody waits.
    pub(crate) fn give_back(&self, lane: LaneIndex) {
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
    fn hand_over(&self, lane: LaneIndex) {
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

    /// Lets the fast paths go on if nobody waits any more.
    fn settle(&self, queue: &VecDeque<Arc<Waiter>>) {
        if queue.is_empty() {
            self.free.fetch_and(!WAITERS, AcqRel);
        }
    }

    /// Waits in turn for a lane, for as long as `check` says, which is asked before the first
    /// sleep, after each slice and after [`wake_all`](Self::wake_all).
    #[cold]
    pub(crate) fn lease(
        &self,
        hint: Option<LaneIndex>,
        check: &mut dyn FnMut() -> Verdict,
    ) -> Result<LaneIndex, Stopped> {
        let waiter = match self.enqueue(hint) {
            Ok(lane) => return Ok(lane),
            Err(waiter) => waiter,
        };
        loop {
            // No lock is held while foreign code runs.
            if check() == Verdict::Stop {
                self.resign(&waiter);
                return Err(Stopped);
            }
            let mut slot = lock(&waiter.slot);
            if slot.lane.is_none() && !slot.nudged {
                let slept = waiter.woken.wait_timeout(slot, SLICE);
                (slot, _) = slept.unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            slot.nudged = false;
            if let Some(lane) = slot.lane.take() {
                return Ok(lane);
            }
        }
    }

    /// Takes a lane if one has become free and nobody waits, else joins the queue.
    fn enqueue(&self, hint: Option<LaneIndex>) -> Result<LaneIndex, Arc<Waiter>> {
        let mut queue = lock(&self.queue);
        let free = self.free.fetch_or(WAITERS, AcqRel);
        if let Some(lane) = choose(free & !WAITERS, hint) {
            // Whoever waits was served from what came free, so now nobody does.
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

    /// Leaves the queue, and passes on what may have come meanwhile.
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

    /// In a forked child nobody waits, and the locks may be held by threads that are not there.
    #[cfg(all(not(loom), target_os = "linux"))]
    pub(crate) fn forget_waiters(&self) {
        self.free.fetch_and(!WAITERS, AcqRel);
    }

    /// Makes everybody who waits ask its check.
    pub(crate) fn wake_all(&self) {
        for waiter in lock(&self.queue).iter() {
            lock(&waiter.slot).nudged = true;
            waiter.woken.notify_one();
        }
    }
}

/// The hinted lane if it is free, else the lowest: its memory is the likeliest to be warm.
fn choose(free: u64, hint: Option<LaneIndex>) -> Option<LaneIndex> {
    match hint {
        Some(lane) if free & lane.bit() != 0 => Some(lane),
        _ => LaneIndex::new(free.trailing_zeros() as usize),
    }
}
