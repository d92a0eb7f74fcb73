//! The state of the queues that both ends share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::direction::Direction;
use super::leases::Leases;
use crate::carrier::port::Terms;
use crate::control::LANES;
use crate::error::{ProtocolError, Result};
use crate::ids::LaneIndex;

/// Where the word is that says whether the JS thread is at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::carrier) enum TopWord {
    /// In these queues: both ends use them.
    Here,
    /// In the other process.
    Elsewhere,
}

/// The queues of a session, in both directions.
#[derive(Debug)]
pub struct Queues {
    pub(in crate::carrier) to_host: Direction,
    pub(in crate::carrier) to_client: Direction,
    cancels: [AtomicU32; LANES as usize],
    pub(super) at_top: AtomicU32,
    /// A turn was declined while the JS thread was not at its top.
    pub(super) declined: AtomicBool,
    pub(super) gone: AtomicBool,
    pub(super) leases: Leases,
    pub(in crate::carrier) terms: Terms,
    top: TopWord,
}

impl Queues {
    pub(in crate::carrier) fn new(terms: Terms, top: TopWord) -> Arc<Self> {
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

    pub(in crate::carrier) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// An error if the other side is gone.
    pub(in crate::carrier) fn check(&self) -> Result {
        if self.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        Ok(())
    }

    /// The other side is gone: every wait ends once its queue is empty.
    pub(in crate::carrier) fn disconnect(&self) {
        self.gone.store(true, Ordering::Release);
        self.to_host.disconnect();
        self.to_client.disconnect();
        self.leases.disconnect();
    }

    pub(in crate::carrier) fn set_cancel(&self, lane: LaneIndex, word: u32) {
        if let Some(cancel) = self.cancels.get(usize::from(lane.0)) {
            cancel.store(word, Ordering::Release);
            self.to_host.notifier.mark_cancel(lane);
        }
    }

    pub(in crate::carrier) fn cancel(&self, lane: LaneIndex) -> u32 {
        self.cancels
            .get(usize::from(lane.0))
            .map_or(0, |cancel| cancel.load(Ordering::Acquire))
    }

    pub(in crate::carrier) fn is_leased(&self, lane: LaneIndex) -> bool {
        self.leases.is_leased(lane)
    }

    pub(in crate::carrier) fn sees_top(&self) -> bool {
        self.top == TopWord::Here
    }

    /// Announces a turn if the JS thread is at its top.
    pub(in crate::carrier) fn try_take_top(&self) -> bool {
        let taken = self.top == TopWord::Elsewhere
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
