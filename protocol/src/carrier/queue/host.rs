//! The host's end of the queues.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_shm::Interest;

use super::direction::{QUEUE_BYTES, fill};
use super::shared::Queues;
use super::sync::{lock, wait_on};
use crate::carrier::port::{self, Port};
use crate::carrier::waiting::{Idle, Interrupted, Uninterruptible, Wake};
use crate::control::LANES;
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneIndex};

/// The host's end.
#[derive(Debug)]
pub struct QueueHost {
    pub(in crate::carrier) queues: Arc<Queues>,
    ready: u64,
    last: u32,
    /// Notices that are sent when the JS thread is at its top.
    held: Vec<u8>,
    /// Called before each park; this end never spins, so what it returns has no effect.
    pub(in crate::carrier) on_idle: fn(Duration) -> bool,
}

impl QueueHost {
    pub(in crate::carrier) const fn new(queues: Arc<Queues>) -> Self {
        Self {
            queues,
            ready: 0,
            last: 0,
            held: Vec::new(),
            on_idle: |_| false,
        }
    }

    pub(in crate::carrier) fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !self.held.is_empty() {
            self.queues.to_client.push(HOME_LANE, &self.held)?;
            self.held.clear();
        }
        (self.on_idle)(Duration::MAX);
        let queues = Arc::clone(&self.queues);
        let notifier = &queues.to_host.notifier;
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            {
                let mut marks = lock(&notifier.state);
                if self.ready | marks.ready == 0 && !marks.woken && !self.queues.is_gone() {
                    if left == Some(Duration::ZERO) {
                        return Ok(Wake::TimedOut);
                    }
                    marks = wait_on(
                        &notifier.changed,
                        marks,
                        left.unwrap_or(Duration::from_secs(60)),
                    );
                }
                self.ready |= std::mem::take(&mut marks.ready);
                if std::mem::take(&mut marks.woken) && !self.queues.is_gone() {
                    return Ok(Wake::Woken);
                }
            }
            while let Some(lane) = self.next_ready() {
                if self.queues.to_host.has(lane) {
                    return Ok(Wake::Lane(lane));
                }
                self.ready &= !(1 << lane.0);
            }
            if self.queues.is_gone() {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    /// Round robin: the first lane after the last one.
    fn next_ready(&mut self) -> Option<LaneIndex> {
        if self.ready == 0 {
            return None;
        }
        let start = (self.last + 1) % 64;
        self.last = (start + self.ready.rotate_right(start).trailing_zeros()) % 64;
        Some(LaneIndex(u16::try_from(self.last).unwrap_or(0)))
    }

    pub(in crate::carrier) fn send(&mut self, lane: LaneIndex, frame: &[u8]) -> Result {
        self.queues.check()?;
        let queues = &self.queues;
        port::send(&mut HostPort { queues, lane }, frame, &mut Uninterruptible)
    }

    pub(in crate::carrier) fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        let channel = self.queues.to_client.channel(HOME_LANE)?;
        // Only this end writes, so what is free stays free.
        let queued = lock(&channel.queue).len() + self.held.len();
        let fits = queued + frame.len() <= QUEUE_BYTES;
        if fits {
            self.held.extend_from_slice(frame);
        }
        Ok(fits)
    }

    pub(in crate::carrier) fn wait_for(
        &mut self,
        lane: LaneIndex,
        timeout: Duration,
    ) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        let mut idle = || match deadline {
            Some(deadline) if deadline <= Instant::now() => Err(Interrupted),
            _ => Ok(()),
        };
        let queues = &self.queues;
        let waited = queues
            .to_host
            .wait(lane, Interest::Data, &queues.gone, &mut idle);
        match waited {
            Ok(()) => Ok(true),
            Err(ProtocolError::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(in crate::carrier) fn withdrawn(&self, other_than: LaneIndex) -> Option<LaneIndex> {
        let mut lanes = (1..LANES).map(LaneIndex);
        lanes.find(|&lane| {
            lane != other_than && self.queues.cancel(lane) != 0 && self.queues.to_host.has(lane)
        })
    }

    pub(in crate::carrier) fn receive(
        &mut self,
        lane: LaneIndex,
        body: &mut Vec<u8>,
    ) -> Result<Header> {
        let queues = &self.queues;
        let mut port = HostPort { queues, lane };
        port::receive(&mut port, body, &queues.terms, &mut Uninterruptible)
    }
}

struct HostPort<'a> {
    queues: &'a Queues,
    lane: LaneIndex,
}

impl Port for HostPort<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.queues.to_client.push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.queues.to_host, self.lane, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.queues
            .to_host
            .pull(self.lane, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = if interest == Interest::Space {
            &self.queues.to_client
        } else {
            &self.queues.to_host
        };
        direction.wait(self.lane, interest, &self.queues.gone, idle)
    }
}
