//! The client's end of the queues: leased lanes.

use std::sync::Arc;

use super::shared::{QueuePort, Queues, Side};
use crate::carrier::waiting::{Check, Idle, wait_for_lease};
use crate::error::Result;
use crate::ids::{HOME_LANE, LaneNumber};

/// A leased lane of the client's end.
#[derive(Debug)]
pub struct QueueLane {
    pub(in crate::carrier) queues: Arc<Queues>,
    pub(in crate::carrier) index: LaneNumber,
}

impl QueueLane {
    pub(in crate::carrier) fn lease(
        queues: &Arc<Queues>,
        hint: Option<LaneNumber>,
        idle: &mut dyn Idle,
    ) -> Result<Self> {
        queues.check()?;
        let leases = &queues.leases;
        let index = if let Some(index) = leases.try_lease(hint) {
            index
        } else {
            let lease = |check: &mut Check<'_>| leases.lease(hint, check);
            wait_for_lease(|| queues.is_gone(), idle, lease)?
        };
        let queues = Arc::clone(queues);
        Ok(Self { queues, index })
    }

    pub(in crate::carrier) fn home(queues: &Arc<Queues>) -> Option<Self> {
        queues.leases.try_lease_home().then(|| Self {
            queues: Arc::clone(queues),
            index: HOME_LANE,
        })
    }

    pub(in crate::carrier) fn port(&self) -> QueuePort<'_> {
        QueuePort {
            queues: &self.queues,
            side: Side::Client,
            lane: self.index,
        }
    }
}

impl Drop for QueueLane {
    fn drop(&mut self) {
        self.queues.leases.give_back(self.index);
    }
}
