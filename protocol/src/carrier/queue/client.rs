//! The client's end of the queues.

use std::sync::Arc;

use hostd_shm::Interest;

use super::direction::fill;
use super::shared::Queues;
use crate::carrier::port::Port;
use crate::carrier::waiting::{Idle, while_parked};
use crate::error::{ProtocolError, Result};
use crate::ids::{HOME_LANE, LaneIndex};

/// The client's end.
#[derive(Clone, Debug)]
pub struct QueueClient {
    pub(in crate::carrier) queues: Arc<Queues>,
}

impl QueueClient {
    pub(in crate::carrier) fn new(queues: Arc<Queues>) -> Self {
        Self { queues }
    }

    pub(in crate::carrier) fn lease(
        &self,
        hint: Option<LaneIndex>,
        idle: &mut dyn Idle,
    ) -> Result<QueueLane> {
        let queues = Arc::clone(&self.queues);
        let index = while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
            queues.leases.take(hint, &queues.gone, idle)
        })?;
        Ok(QueueLane { queues, index })
    }

    pub(in crate::carrier) fn home(&self) -> Option<QueueLane> {
        self.queues.leases.take_home().then(|| QueueLane {
            queues: Arc::clone(&self.queues),
            index: HOME_LANE,
        })
    }
}

/// A leased lane of the client's end.
#[derive(Debug)]
pub struct QueueLane {
    pub(in crate::carrier) queues: Arc<Queues>,
    pub(in crate::carrier) index: LaneIndex,
}

impl Drop for QueueLane {
    fn drop(&mut self) {
        self.queues.leases.give_back(self.index);
    }
}

impl Port for QueueLane {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.queues.to_host.push(self.index, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.queues.to_client, self.index, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.queues
            .to_client
            .pull(self.index, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = if interest == Interest::Space {
            &self.queues.to_host
        } else {
            &self.queues.to_client
        };
        while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
            direction.wait(self.index, interest, &self.queues.gone, idle)
        })
    }
}
