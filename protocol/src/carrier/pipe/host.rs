//! The host's end of the queues.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::direction::fill;
use super::{Pipes, QUEUE_BYTES, lock, wait_on};
use crate::carrier::port::{self, Interest, Port};
use crate::carrier::{Idle, Interrupted, Patient, Wake};
use crate::control::LANES;
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneIndex};

/// The host's end.
#[derive(Debug)]
pub(in crate::carrier) struct PipeHost {
    pub(in crate::carrier) pipes: Arc<Pipes>,
    ready: u64,
    last: u32,
    /// A turn was declined, and that was not told yet.
    declined: bool,
    /// Notices that the client hears of when the JS thread is at its top.
    held: Vec<u8>,
    on_idle: fn(Duration) -> bool,
}

impl PipeHost {
    pub(in crate::carrier) const fn new(pipes: Arc<Pipes>) -> Self {
        Self {
            pipes,
            ready: 0,
            last: 0,
            declined: false,
            held: Vec::new(),
            on_idle: |_| false,
        }
    }

    /// It does not look, it sleeps: nobody needs to be let.
    pub(in crate::carrier) fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        self.on_idle = hook;
    }

    pub(in crate::carrier) fn take_declined(&mut self) -> bool {
        std::mem::take(&mut self.declined)
    }

    pub(in crate::carrier) fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.pipes.at_top.store(1, Ordering::Release);
        if self.pipes.declined.swap(false, Ordering::AcqRel) {
            self.declined = true;
            self.pipes.at_top.store(0, Ordering::Release);
            return Ok(Wake::Rung);
        }
        if !self.held.is_empty() {
            self.pipes.to_client.push(HOME_LANE, &self.held)?;
            self.held.clear();
        }
        (self.on_idle)(Duration::MAX);
        let woken = self.wait_until(deadline);
        self.pipes.at_top.store(0, Ordering::Release);
        woken
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Wake> {
        let pipes = Arc::clone(&self.pipes);
        let bell = &pipes.to_host.bell;
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            {
                let mut marks = lock(&bell.state);
                if self.ready | marks.ready == 0 && !marks.rung && !self.pipes.is_gone() {
                    if left == Some(Duration::ZERO) {
                        return Ok(Wake::TimedOut);
                    }
                    marks = wait_on(
                        &bell.changed,
                        marks,
                        left.unwrap_or(Duration::from_secs(60)),
                    );
                }
                self.ready |= std::mem::take(&mut marks.ready);
                if std::mem::take(&mut marks.rung) && !self.pipes.is_gone() {
                    return Ok(Wake::Rung);
                }
            }
            while let Some(lane) = self.next_ready() {
                if self.pipes.to_host.has(lane) {
                    return Ok(Wake::Lane(lane));
                }
                self.ready &= !(1 << lane.0);
            }
            if self.pipes.is_gone() {
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
        if self.pipes.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        port::send(
            &mut HostPort {
                pipes: &self.pipes,
                lane,
            },
            frame,
            &mut Patient,
        )
    }

    pub(in crate::carrier) fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        let channel = self.pipes.to_client.channel(HOME_LANE)?;
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
        let pipes = &self.pipes;
        let waited = pipes
            .to_host
            .wait(lane, Interest::Data, &pipes.gone, &mut idle);
        match waited {
            Ok(()) => Ok(true),
            Err(ProtocolError::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(in crate::carrier) fn withdrawn(&self, other_than: LaneIndex) -> Option<LaneIndex> {
        let mut lanes = (1..LANES).map(LaneIndex);
        lanes.find(|&lane| {
            lane != other_than && self.pipes.cancel(lane) != 0 && self.pipes.to_host.has(lane)
        })
    }

    pub(in crate::carrier) fn receive(
        &mut self,
        lane: LaneIndex,
        body: &mut Vec<u8>,
    ) -> Result<Header> {
        let terms = self.pipes.terms;
        port::receive(
            &mut HostPort {
                pipes: &self.pipes,
                lane,
            },
            body,
            &terms,
            &mut Patient,
        )
    }
}

struct HostPort<'a> {
    pipes: &'a Pipes,
    lane: LaneIndex,
}

impl Port for HostPort<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.pipes.to_client.push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.pipes.to_host, self.lane, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.pipes
            .to_host
            .pull(self.lane, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = match interest {
            Interest::Data => &self.pipes.to_host,
            Interest::Space => &self.pipes.to_client,
        };
        direction.wait(self.lane, interest, &self.pipes.gone, idle)
    }
}
