//! The host's end over shared-memory rings, called by `host` on the JS thread. It also keeps the order
//! of the turns: one that was announced is served first, and the wake pipe is notified only while the
//! JS thread is at its top.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostd_shm::{HostRings, HostWait, Interest, ReadyBitmap, Segment, SegmentHost, Top, TopState};
use hostd_wait::constants::ANNOUNCED_TURN_TIMEOUT;

use super::port::{self, Port, Terms};
use super::waiting::{Idle, Uninterruptible, Wake};
use super::wake_pipe::HostWakePipe;
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneNumber};

/// The host's end.
#[derive(Debug)]
pub struct LaneHost {
    pub(super) segment: SegmentHost,
    pub(super) gone: Arc<AtomicBool>,
    terms: Terms,
    /// Lanes that were found ready and not returned yet.
    ready: Option<ReadyBitmap>,
    /// A waker woke the thread while one lane was served exclusively.
    woken: bool,
    /// The lane on which a turn was announced that was not served yet.
    announced: Option<LaneNumber>,
    /// A turn was declined while the JS thread was not at its top.
    declined: bool,
    pipe: Option<Arc<HostWakePipe>>,
    notification: Notification,
}

/// Whether a loop is to be notified through the wake pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Notification {
    #[default]
    None,
    /// As soon as a turn can be given.
    Due,
    /// It was due, and no loop watched the pipe any more.
    Missed,
}

impl LaneHost {
    pub(super) fn new(segment: Segment, terms: Terms) -> Self {
        Self {
            segment: segment.into_host(),
            gone: Arc::default(),
            terms,
            ready: None,
            woken: false,
            announced: None,
            declined: false,
            pipe: None,
            notification: Notification::None,
        }
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        loop {
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            if let Some(lane) = self.announced.take()
                && self.turn_arrives(lane)?
            {
                return Ok(self.serving(lane));
            }
            if std::mem::take(&mut self.woken) {
                return Ok(Wake::Woken);
            }
            if let Some(lane) = self.next_ready()? {
                return Ok(self.serving(lane));
            }
            let before = self.segment.top.arrive();
            if before.declined {
                self.note_top(before);
                return Ok(Wake::Woken);
            }
            if self.notification == Notification::Due {
                self.notify();
                if self.notification == Notification::Missed {
                    let top = self.segment.top.leave();
                    self.note_top(top);
                    return Ok(Wake::Woken);
                }
                self.segment.waiter.expect_answer();
            }
            let found = self.segment.waiter.wait(timeout);
            let top = self.segment.top.leave();
            if top.state != TopState::AtTop || top.declined {
                self.note_top(top);
            }
            let found = found?;
            if found.is_empty() {
                return Ok(Wake::TimedOut);
            }
            self.woken = found.woken;
            self.ready = Some(found.lanes);
        }
    }

    /// As [`Self::wait`] without a limit, where the client runs on the same thread and nothing is to be
    /// done but what the client asks for in place: whether it asks. None, and nothing is waited for, if
    /// there may be something else.
    #[inline]
    pub(super) fn wait_for_direct(&mut self) -> Option<bool> {
        let is_quiet = self.announced.is_none()
            && self.notification == Notification::None
            && !(self.woken || self.declined || self.gone.load(Ordering::Acquire));
        if !is_quiet || self.ready.as_ref().is_some_and(|ready| !ready.is_empty()) {
            return None;
        }
        let before = self.segment.top.arrive();
        if before.declined {
            self.note_top(before);
            return None;
        }
        let found = self.segment.waiter.switch_once();
        let top = self.segment.top.leave();
        if top.state != TopState::AtTop || top.declined {
            self.note_top(top);
            // The next wait reports it.
            self.woken |= self.declined;
        }
        found
    }

    /// A lane is served before the next wait: what is due to be notified is notified now, and not
    /// after the lane was served.
    #[inline]
    fn serving(&mut self, lane: LaneNumber) -> Wake {
        if let Some(home) = self.segment.lanes.first_mut() {
            home.notify();
        }
        if self.notification == Notification::Due {
            self.notify();
        }
        Wake::Lane(lane)
    }

    /// Notes the turns that were announced or declined while the JS thread was at its top or on its
    /// way there.
    #[cold]
    fn note_top(&mut self, found: Top) {
        let now = if found.state == TopState::Busy {
            self.segment.top.leave()
        } else {
            found
        };
        self.declined |= found.declined | now.declined;
        if let TopState::Taken(lane) = now.state {
            self.announced = Some(lane);
        }
    }

    /// Waits for the turn that was announced on a lane. No other lane is served before it: its sender
    /// would wait for that. False if it does not come.
    fn turn_arrives(&mut self, index: LaneNumber) -> Result<bool> {
        let end = Instant::now() + ANNOUNCED_TURN_TIMEOUT;
        let lane = &mut self.segment.lanes[index.get()];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let cancel = lane.cancel();
            match lane.wait(Interest::Data, cancel, Some(left))? {
                HostWait::Ready => return Ok(true),
                HostWait::Woken => self.woken = true,
                HostWait::Cancelled => {}
                HostWait::TimedOut => return Ok(false),
            }
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    /// Has the loop notified by the next wait, when a turn can be given. False if no loop watches the
    /// wake pipe.
    pub(super) fn request_notify(&mut self) -> bool {
        let is_watched = self.pipe.as_ref().is_some_and(|pipe| pipe.is_watched());
        if is_watched {
            self.notification = Notification::Due;
        }
        is_watched
    }

    /// Whether a notification that was due was missed, since the last call.
    pub(super) fn take_missed(&mut self) -> bool {
        let is_missed = self.notification == Notification::Missed;
        if is_missed {
            self.notification = Notification::None;
        }
        is_missed
    }

    fn notify(&mut self) {
        let is_received = self.pipe.as_ref().is_some_and(|pipe| pipe.notify());
        self.notification = if is_received {
            Notification::None
        } else {
            Notification::Missed
        };
    }

    pub(super) fn attach_wake_pipe(&mut self, pipe: File) -> Arc<HostWakePipe> {
        let pipe = Arc::new(HostWakePipe::new(self.segment.pipe.clone(), pipe));
        self.pipe = Some(Arc::clone(&pipe));
        pipe
    }

    pub(super) fn take_declined(&mut self) -> bool {
        std::mem::take(&mut self.declined)
    }

    fn next_ready(&mut self) -> Result<Option<LaneNumber>> {
        while let Some(lane) = self.ready.as_mut().and_then(Iterator::next) {
            // A conversation may have read it since.
            if self.segment.lanes[lane.get()].readable()? > 0 {
                return Ok(Some(lane));
            }
        }
        self.ready = None;
        Ok(None)
    }

    #[inline]
    pub(super) fn send(&mut self, lane: LaneNumber, frame: &[u8]) -> Result {
        let mut port = self.port(lane);
        port::send(&mut port, frame, &mut Uninterruptible)?;
        port.lane.notify();
        Ok(())
    }

    pub(super) fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        let port = self.port(HOME_LANE);
        if port.lane.writable()? < frame.len() {
            return Ok(false);
        }
        port.lane.write(frame)?;
        // The next wait notifies the client, after the state word says that the JS thread is at its
        // top: a client that is woken before, as where both share a CPU, would have its turn declined.
        Ok(true)
    }

    #[inline]
    pub(super) fn receive(&mut self, lane: LaneNumber, body: &mut Vec<u8>) -> Result<Header> {
        let terms = self.terms;
        port::receive(&mut self.port(lane), body, &terms, &mut Uninterruptible)
    }

    #[inline]
    pub(super) fn wait_for(&mut self, lane: LaneNumber, timeout: Duration) -> Result<bool> {
        self.port(lane).wait_at_most(Interest::Data, Some(timeout))
    }

    #[cold]
    pub(super) fn withdrawn(&mut self, other_than: LaneNumber) -> Result<Option<LaneNumber>> {
        for lane in &mut self.segment.lanes {
            let index = lane.index();
            if index != other_than && lane.cancel() != 0 && lane.readable()? > 0 {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    #[inline]
    fn port(&mut self, lane: LaneNumber) -> HostPort<'_> {
        HostPort {
            lane: &mut self.segment.lanes[lane.get()],
            gone: &self.gone,
            woken: &mut self.woken,
        }
    }
}

struct HostPort<'a> {
    lane: &'a mut HostRings,
    gone: &'a AtomicBool,
    woken: &'a mut bool,
}

impl Port for HostPort<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(self.lane.write(bytes)?)
    }

    #[inline]
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        Ok(self.lane.read(target)?)
    }

    #[inline]
    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        Ok(self.lane.read_onto(target, limit)?)
    }

    fn wait(&mut self, interest: Interest, _: &mut dyn Idle) -> Result {
        while !self.wait_at_most(interest, None)? {}
        Ok(())
    }
}

impl HostPort<'_> {
    /// Waits; false if the timeout expired.
    fn wait_at_most(&mut self, interest: Interest, timeout: Option<Duration>) -> Result<bool> {
        loop {
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            // A cancelled call still ends with its reply: only a change of the cancel word ends this
            // wait, which then begins again.
            let cancel = self.lane.cancel();
            match self.lane.wait(interest, cancel, timeout)? {
                HostWait::Ready => return Ok(true),
                HostWait::Woken => *self.woken = true,
                HostWait::Cancelled => {}
                HostWait::TimedOut => return Ok(false),
            }
        }
    }
}
