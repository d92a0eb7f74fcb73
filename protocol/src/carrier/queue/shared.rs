//! The queues of a session, which the threads of one side and its connection share, and one lane of
//! them as a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hostd_shm::{Interest, LANES, Leases};

use super::direction::Direction;
use crate::carrier::port::{Port, Terms};
use crate::carrier::waiting::{Idle, while_parked};
use crate::error::{ProtocolError, Result};
use crate::ids::LaneNumber;

/// The queues of a session, in both directions.
#[derive(Debug)]
pub struct Queues {
    pub(in crate::carrier) to_host: Direction,
    pub(in crate::carrier) to_client: Direction,
    cancels: [AtomicU32; LANES],
    pub(super) gone: AtomicBool,
    pub(in crate::carrier) leases: Leases,
    pub(in crate::carrier) terms: Terms,
}

/// A side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::carrier) enum Side {
    Client,
    Host,
}

impl Queues {
    pub(in crate::carrier) fn new(terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            to_host: Direction::new(),
            to_client: Direction::new(),
            cancels: std::array::from_fn(|_| AtomicU32::new(0)),
            gone: AtomicBool::new(false),
            leases: Leases::default(),
            terms,
        })
    }

    /// The queues that a side reads.
    pub(in crate::carrier) fn incoming(&self, side: Side) -> &Direction {
        match side {
            Side::Client => &self.to_client,
            Side::Host => &self.to_host,
        }
    }

    /// The queues that a side writes.
    pub(in crate::carrier) fn outgoing(&self, side: Side) -> &Direction {
        match side {
            Side::Client => &self.to_host,
            Side::Host => &self.to_client,
        }
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
        self.leases.wake_all();
    }

    pub(in crate::carrier) fn set_cancel(&self, lane: LaneNumber, word: u32) {
        self.cancels[lane.get()].store(word, Ordering::Release);
        self.to_host.notifier.mark_cancel(lane);
    }

    pub(in crate::carrier) fn cancel(&self, lane: LaneNumber) -> u32 {
        self.cancels[lane.get()].load(Ordering::Acquire)
    }
}

/// One lane of a side.
pub(in crate::carrier) struct QueuePort<'a> {
    pub(super) queues: &'a Queues,
    pub(super) side: Side,
    pub(super) lane: LaneNumber,
}

impl Port for QueuePort<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.queues.outgoing(self.side).push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        let (limit, mut at) = (target.len(), 0);
        let fill = |bytes: &[u8]| {
            target[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let incoming = self.queues.incoming(self.side);
        Ok(incoming.pull(self.lane, limit, fill))
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let append = |bytes: &[u8]| target.extend_from_slice(bytes);
        let incoming = self.queues.incoming(self.side);
        Ok(incoming.pull(self.lane, limit, append))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = match interest {
            Interest::Space => self.queues.outgoing(self.side),
            Interest::Data | Interest::Either => self.queues.incoming(self.side),
        };
        while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
            direction.wait(self.lane, interest, &self.queues.gone, idle)
        })
    }
}
