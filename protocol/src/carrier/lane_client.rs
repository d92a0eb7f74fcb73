//! The client's end over shared-memory rings, called by `client`, and by the poller of the client for
//! the notices on the home lane.

use std::cell::Cell;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use hostd_shm::{ClientRings, Interest, Lease, Segment, SegmentClient, Waited};

use super::port::{self, Port, Terms};
use super::waiting::{Check, Idle, slice, wait_for_lease, while_parked};
use crate::direct::{CallbackState, DirectCall, DirectCallback};
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::LaneNumber;

/// How often the end of a session that ran on this thread is looked for.
const END_POLL_INTERVAL: Duration = Duration::from_micros(100);

/// The client's end.
#[derive(Clone, Debug)]
pub struct LaneClient {
    pub(super) segment: SegmentClient,
    terms: Terms,
    runner: Option<Arc<dyn HostRunner>>,
}

/// Runs a host whose JS thread is the calling thread.
pub trait HostRunner: fmt::Debug + Send + Sync {
    /// Runs the host until it waits: with a call that it is to make, if there is one, and a place for a
    /// callback that it makes, if the caller takes callbacks. False if it has ended.
    fn run(&self, call: Option<&mut DirectCall>, callback: Option<&mut DirectCallback>) -> bool;
}

impl LaneClient {
    pub(super) fn new(segment: Segment, terms: Terms) -> Self {
        Self {
            segment: segment.into_client(),
            terms,
            runner: None,
        }
    }

    pub(super) fn run_by(&mut self, runner: Arc<dyn HostRunner>) {
        self.runner = Some(runner);
    }

    #[inline]
    pub(super) fn lease(
        &self,
        hint: Option<LaneNumber>,
        idle: &mut dyn Idle,
    ) -> Result<LeasedLane> {
        if self.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        if let Some(lease) = self.segment.try_lease(hint) {
            return Ok(self.leased(lease));
        }
        let lease = |check: &mut Check<'_>| self.segment.lease(hint, check);
        let lease = wait_for_lease(|| self.is_gone(), idle, lease)?;
        Ok(self.leased(lease))
    }

    #[inline]
    fn leased(&self, lease: Lease) -> LeasedLane {
        LeasedLane {
            lease,
            terms: self.terms,
            runner: self.runner.clone(),
        }
    }

    pub(super) fn home(&self) -> Option<LeasedLane> {
        self.segment
            .try_lease_home()
            .map(|lease| self.leased(lease))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.segment.is_disconnected()
    }

    pub(super) fn disconnect(&self) {
        self.segment.disconnect();
    }
}

/// A leased lane of the client's end.
#[derive(Debug)]
pub struct LeasedLane {
    pub(super) lease: Lease,
    terms: Terms,
    runner: Option<Arc<dyn HostRunner>>,
}

impl LeasedLane {
    pub(super) fn index(&self) -> LaneNumber {
        self.lease.index()
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// Makes a call that takes no frame, or goes on with one, if the host runs on this thread and looks at
    /// it. It may make a callback.
    #[inline]
    pub(super) fn call_directly(&mut self, call: &mut DirectCall, callback: &mut DirectCallback) {
        if let Some(runner) = &self.runner {
            call.request.lane = self.lease.index().number();
            runner.run(Some(call), Some(callback));
            self.check_lane(callback);
        }
    }

    /// A callback belongs to the call on the same lane; others come as frames.
    #[inline]
    fn check_lane(&self, callback: &mut DirectCallback) {
        if callback.is_asked() && callback.lane != self.lease.index().number() {
            callback.state = CallbackState::Refused;
        }
    }

    /// Runs a host of this thread until a frame begins, or it makes a callback. Returns at once for other
    /// hosts.
    #[inline]
    pub(super) fn wait_for_callback(
        &mut self,
        callback: &mut DirectCallback,
        idle: &mut dyn Idle,
    ) -> Result {
        match self.runner.clone() {
            Some(runner)
                if callback.state == CallbackState::Refused || self.lease.readable()? == 0 =>
            {
                self.run_host(&*runner, Interest::Data, Some(callback), idle)
            }
            _ => Ok(()),
        }
    }

    /// Runs the host on this thread until there is what is waited for.
    fn run_host(
        &mut self,
        runner: &dyn HostRunner,
        interest: Interest,
        mut callback: Option<&mut DirectCallback>,
        idle: &mut dyn Idle,
    ) -> Result {
        loop {
            self.lease.notify();
            let is_running = runner.run(None, callback.as_deref_mut());
            if let Some(callback) = &mut callback {
                self.check_lane(callback);
                if callback.is_asked() {
                    return Ok(());
                }
            }
            let is_ready = match interest {
                Interest::Data => self.lease.readable()? > 0,
                Interest::Space => self.lease.writable()? > 0,
                Interest::Either => self.lease.readable()? > 0 || self.lease.writable()? > 0,
            };
            if is_ready {
                return Ok(());
            }
            if self.is_gone() {
                return Err(ProtocolError::Disconnected);
            }
            if !is_running {
                // How it ended is found out by another thread.
                thread::sleep(END_POLL_INTERVAL);
            }
            idle.check().map_err(|_| ProtocolError::Interrupted)?;
        }
    }

    fn wait_parked(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let (lane, gone) = self.lease.with_disconnected();
        let (mut has_parked, mut interrupted) = (false, false);
        let until = Cell::new(idle.until());
        let mut check = || {
            if gone.load(Ordering::Acquire) {
                return ControlFlow::Break(());
            }
            if std::mem::replace(&mut has_parked, true) {
                interrupted = idle.check().is_err();
                until.set(idle.until());
            }
            if interrupted {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let mut slice = || slice(until.get());
        match lane.wait_in_slices(interest, &mut slice, &mut check)? {
            Waited::Ready => Ok(()),
            Waited::Stopped if interrupted => Err(ProtocolError::Interrupted),
            Waited::Stopped => Err(ProtocolError::Disconnected),
        }
    }

    /// Receives a notice from the home lane if one is there, whose body replaces `body`; never waits.
    /// An error if the host is gone and there is none.
    pub fn try_notice(&mut self, body: &mut Vec<u8>) -> Result<Option<Header>> {
        let terms = self.terms.on(self.index());
        // The host is seen to be gone before the last look, so that what it sent before is read.
        let is_gone = self.is_gone();
        match port::try_receive_whole(self, body, &terms)? {
            None if is_gone => Err(ProtocolError::Disconnected),
            found => Ok(found),
        }
    }

    /// Whether the host is gone.
    pub fn is_gone(&self) -> bool {
        self.lease.is_disconnected()
    }
}

impl AsMut<ClientRings> for LeasedLane {
    fn as_mut(&mut self) -> &mut ClientRings {
        &mut self.lease
    }
}

impl Port for LeasedLane {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(self.lease.write(bytes)?)
    }

    #[inline]
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        Ok(self.lease.read(target)?)
    }

    #[inline]
    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        Ok(self.lease.read_onto(target, limit)?)
    }

    #[inline]
    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        if let Some(runner) = self.runner.clone() {
            return self.run_host(&*runner, interest, None, idle);
        }
        if idle.may_poll_briefly() && self.lease.poll_briefly(interest)? {
            return Ok(());
        }
        while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
            self.wait_parked(interest, idle)
        })
    }
}
