//! The client's end of the queues.

use std::sync::Arc;

use super::Pipes;
use super::direction::fill;
use crate::carrier::port::{self, Interest, Port};
use crate::carrier::{Idle, at_rest};
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneIndex};

/// The client's end.
#[derive(Clone, Debug)]
pub(in crate::carrier) struct PipeClient {
    pub(in crate::carrier) pipes: Arc<Pipes>,
}

impl PipeClient {
    pub(in crate::carrier) fn lease(
        &self,
        hint: Option<LaneIndex>,
        idle: &mut dyn Idle,
    ) -> Result<PipeLane> {
        let lane = at_rest(idle, Err(ProtocolError::Interrupted), |idle| {
            self.pipes.leases.take(hint, &self.pipes, idle)
        })?;
        Ok(PipeLane {
            pipes: Arc::clone(&self.pipes),
            lane,
        })
    }

    pub(in crate::carrier) fn home(&self) -> Option<PipeLane> {
        self.pipes.leases.take_home().then(|| PipeLane {
            pipes: Arc::clone(&self.pipes),
            lane: HOME_LANE,
        })
    }
}

/// A leased lane of the client's end.
#[derive(Debug)]
pub(in crate::carrier) struct PipeLane {
    pipes: Arc<Pipes>,
    lane: LaneIndex,
}

impl PipeLane {
    pub(in crate::carrier) const fn index(&self) -> LaneIndex {
        self.lane
    }

    pub(in crate::carrier) fn set_cancel(&self, word: u32) {
        self.pipes.set_cancel(self.lane, word);
    }

    pub(in crate::carrier) fn try_take_top(&self) -> bool {
        self.pipes.try_take_top()
    }

    pub(in crate::carrier) fn send(&mut self, frame: &[u8], idle: &mut dyn Idle) -> Result {
        if self.pipes.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        port::send(self, frame, idle)
    }

    pub(in crate::carrier) fn receive(
        &mut self,
        body: &mut Vec<u8>,
        idle: &mut dyn Idle,
    ) -> Result<Header> {
        let terms = self.pipes.terms;
        port::receive(self, body, &terms, idle)
    }
}

impl Drop for PipeLane {
    fn drop(&mut self) {
        self.pipes.leases.give_back(self.lane);
    }
}

impl Port for PipeLane {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.pipes.to_host.push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.pipes.to_client, self.lane, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.pipes
            .to_client
            .pull(self.lane, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = match interest {
            Interest::Data => &self.pipes.to_client,
            Interest::Space => &self.pipes.to_host,
        };
        at_rest(idle, Err(ProtocolError::Interrupted), |idle| {
            direction.wait(self.lane, interest, &self.pipes.gone, idle)
        })
    }
}
