//! Lanes as queues in one process: the memory carrier, and both ends of the socket carrier.

mod client;
mod direction;
mod host;
mod leases;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use client::{PipeClient, PipeLane};
pub(super) use direction::Direction;
pub(super) use host::PipeHost;
use leases::Leases;

use super::port::Terms;
use crate::control::LANES;
use crate::ids::LaneIndex;

/// A queue takes this many bytes before its writer waits.
const QUEUE_BYTES: usize = 256 << 10;

/// Between two checks of a waiting thread.
const SLICE: Duration = Duration::from_millis(100);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_on<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    condition
        .wait_timeout(guard, timeout)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

/// Where the word lies that says whether the JS thread is at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// In these queues: both ends use them.
    Here,
    /// In the other process.
    Elsewhere,
}

/// The queues of a session, in both directions.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) to_host: Direction,
    pub(super) to_client: Direction,
    cancels: [AtomicU32; LANES as usize],
    at_top: AtomicU32,
    /// A turn was wanted while the JS thread was not at its top.
    declined: AtomicBool,
    gone: AtomicBool,
    leases: Leases,
    terms: Terms,
    top: Top,
}

impl Pipes {
    pub(super) fn new(terms: Terms, top: Top) -> Arc<Self> {
        Arc::new(Self {
            to_host: Direction::new(),
            to_client: Direction::new(),
            cancels: std::array::from_fn(|_| AtomicU32::new(0)),
            at_top: AtomicU32::new(0),
            declined: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            leases: Leases::new(),
            terms,
            top,
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The other side is gone: every wait ends once its queue is empty.
    pub(super) fn disconnect(&self) {
        self.gone.store(true, Ordering::Release);
        self.to_host.disconnect();
        self.to_client.disconnect();
        self.leases.disconnect();
    }

    pub(super) fn set_cancel(&self, lane: LaneIndex, word: u32) {
        if let Some(cancel) = self.cancels.get(usize::from(lane.0)) {
            cancel.store(word, Ordering::Release);
            self.to_host.bell.mark_cancel(lane);
        }
    }

    pub(super) fn cancel(&self, lane: LaneIndex) -> u32 {
        self.cancels
            .get(usize::from(lane.0))
            .map_or(0, |cancel| cancel.load(Ordering::Acquire))
    }

    pub(super) fn sees_top(&self) -> bool {
        self.top == Top::Here
    }

    /// Takes the announcement that the JS thread is at its top.
    fn try_take_top(&self) -> bool {
        let taken = self.top == Top::Elsewhere
            || self
                .at_top
                .compare_exchange(1, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if !taken {
            self.declined.store(true, Ordering::Release);
        }
        taken
    }
}
