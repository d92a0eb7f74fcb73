//! The host's end of the queues, called by `carrier::host` on the JS thread. It behaves as the end over
//! shared-memory rings, but parks on a condition variable and never spins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_shm::{Interest, ReadyBitmap};

use super::direction::QUEUE_BYTES;
use super::shared::{QueuePort, Queues, Side};
use crate::carrier::port;
use crate::carrier::waiting::{Interrupted, Uninterruptible, Wake};
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneNumber};

/// The host's end.
#[derive(Debug)]
pub struct QueueHost {
    pub(in crate::carrier) queues: Arc<Queues>,
    ready: u64,
    /// The lane from which the next round begins.
    start: u8,
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
            start: 0,
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
            let has_something = self.ready != 0 || queues.is_gone();
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            let timeout = match left {
                _ if has_something => Duration::ZERO,
                left => left.unwrap_or(Duration::from_secs(60)),
            };
            let marks = notifier.wait(timeout);
            self.ready |= marks.ready;
            if marks.woken && !queues.is_gone() {
                return Ok(Wake::Woken);
            }
            if self.ready == 0 && left == Some(Duration::ZERO) && !queues.is_gone() {
                return Ok(Wake::TimedOut);
            }
            for lane in ReadyBitmap::new(self.ready, self.start) {
                if self.queues.to_host.held(lane) > 0 {
                    self.start = lane.number().wrapping_add(1) % 64;
                    return Ok(Wake::Lane(lane));
                }
                self.ready &= !lane.bit();
            }
            if self.queues.is_gone() {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    fn port(&self, lane: LaneNumber) -> QueuePort<'_> {
        QueuePort {
            queues: &self.queues,
            side: Side::Host,
            lane,
        }
    }

    pub(in crate::carrier) fn send(&mut self, lane: LaneNumber, frame: &[u8]) -> Result {
        self.queues.check()?;
        port::send(&mut self.port(lane), frame, &mut Uninterruptible)
    }

    pub(in crate::carrier) fn try_notice(&mut self, frame: &[u8]) -> bool {
        // Only this end writes, so what is free stays free.
        let queued = self.queues.to_client.held(HOME_LANE) + self.held.len();
        let fits = queued + frame.len() <= QUEUE_BYTES;
        if fits {
            self.held.extend_from_slice(frame);
        }
        fits
    }

    pub(in crate::carrier) fn wait_for(
        &mut self,
        lane: LaneNumber,
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

    pub(in crate::carrier) fn withdrawn(&self, other_than: LaneNumber) -> Option<LaneNumber> {
        LaneNumber::all().find(|&lane| {
            let is_cancelled = lane != other_than && self.queues.cancel(lane) != 0;
            is_cancelled && self.queues.to_host.held(lane) > 0
        })
    }

    pub(in crate::carrier) fn receive(
        &mut self,
        lane: LaneNumber,
        body: &mut Vec<u8>,
    ) -> Result<Header> {
        let terms = self.queues.terms;
        port::receive(&mut self.port(lane), body, &terms, &mut Uninterruptible)
    }
}
