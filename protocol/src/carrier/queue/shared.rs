//! The state of the queues that both ends share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::direction::Direction;
use super::leases::Leases;
use crate::carrier::port::Terms;
use crate::control::LANES;
use crate::error::{ProtocolError, Result};
use crate::ids::LaneIndex;

/// The queues of a session, in both directions.
#[derive(Debug)]
pub struct Queues {
    pub(in crate::carrier) to_host: Direction,
    pub(in crate::carrier) to_client: Direction,
    cancels: [AtomicU32; LANES as usize],
    pub(super) gone: AtomicBool,
    pub(super) leases: Leases,
    pub(in crate::carrier) terms: Terms,
}

impl Queues {
    pub(in crate::carrier) fn new(terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            to_host: Direction::new(),
            to_client: Direction::new(),
            cancels: std::array::from_fn(|_| AtomicU32::new(0)),
            gone: AtomicBool::new(false),
            leases: Leases::new(),
            terms,
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
}
