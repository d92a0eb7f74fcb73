//! The client's end of a session, over either carrier: what `hostd-client` leases lanes from. It only
//! selects the carrier; `lane_client` and `queue` do the work, `port` moves the frames.

use std::sync::Arc;

use hostd_shm::ClientPipeWord;

use super::lane_client::{HostRunner, LaneClient, LeasedLane};
use super::port;
use super::queue::{QueueLane, Queues};
use super::waiting::Idle;
use crate::direct::{DirectCall, DirectCallback};
use crate::error::Result;
use crate::frame::Header;
use crate::ids::LaneNumber;

/// The client's end of a session. Cloning it is cheap; any thread may use it.
#[derive(Clone, Debug)]
pub enum ClientEnd {
    /// Over shared-memory rings.
    Lanes(LaneClient),
    /// Over queues.
    Queues(Arc<Queues>),
}

impl ClientEnd {
    /// Leases a lane for an outermost call, `hint` if that one is free; waits for one if none is,
    /// first come first served.
    #[inline]
    pub fn lease(&self, hint: Option<LaneNumber>, idle: &mut dyn Idle) -> Result<ClientLane> {
        Ok(match self {
            Self::Lanes(end) => ClientLane::Rings(end.lease(hint, idle)?),
            Self::Queues(queues) => ClientLane::Queue(QueueLane::lease(queues, hint, idle)?),
        })
    }

    /// Has waits on lanes run the host, on the thread that waits; only over shared-memory rings.
    pub fn run_by(&mut self, runner: Arc<dyn HostRunner>) {
        if let Self::Lanes(end) = self {
            end.run_by(runner);
        }
    }

    /// The home lane, on which notices come. None if it is leased already.
    pub fn home(&self) -> Option<ClientLane> {
        Some(match self {
            Self::Lanes(end) => ClientLane::Rings(end.home()?),
            Self::Queues(queues) => ClientLane::Queue(QueueLane::home(queues)?),
        })
    }

    /// The host is gone: every wait, on a lane or for one, ends with `Disconnected` once what had
    /// come before is read.
    pub fn disconnect(&self) {
        match self {
            Self::Lanes(end) => end.disconnect(),
            Self::Queues(queues) => queues.disconnect(),
        }
    }

    /// Whether [`Self::disconnect`] was called, or the carrier has lost the other end.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Lanes(end) => end.is_gone(),
            Self::Queues(queues) => queues.is_gone(),
        }
    }

    /// The word of this side's wake pipe; none over queues.
    pub fn pipe_word(&self) -> Option<ClientPipeWord> {
        match self {
            Self::Lanes(end) => Some(end.segment.pipe_word()),
            Self::Queues(_) => None,
        }
    }

    /// Whether this side sees when the JS thread is at its top. Over the socket it does not: then
    /// a turn may always be sent, and waits in the host.
    pub fn sees_top(&self) -> bool {
        matches!(self, Self::Lanes(_))
    }

    /// Sets the cancel word of a lane, also while another thread has leased it; zero clears it.
    pub fn set_cancel(&self, lane: LaneNumber, word: u32) {
        match self {
            Self::Lanes(end) => end.segment.set_cancel(lane, word),
            Self::Queues(queues) => queues.set_cancel(lane, word),
        }
    }

    /// To be called in a forked child, before it uses anything of this end.
    pub fn detach_forked(&self) {
        if let Self::Lanes(end) = self {
            // Only replacing a mapping can fail, which the child does not have.
            let _ = end.segment.detach_forked();
        }
    }

    /// The queues, to be moved over a socket.
    pub(super) fn queues(&self) -> Option<&Arc<Queues>> {
        match self {
            Self::Lanes(_) => None,
            Self::Queues(queues) => Some(queues),
        }
    }
}

/// A leased lane; returned when dropped.
#[derive(Debug)]
pub enum ClientLane {
    /// Shared-memory rings.
    Rings(LeasedLane),
    /// A pair of queues.
    Queue(QueueLane),
}

impl ClientLane {
    /// Makes a call that takes no frame, or goes on with one after a callback, if the host runs on this
    /// thread and looks at it.
    #[inline]
    pub fn call_directly(&mut self, call: &mut DirectCall, callback: &mut DirectCallback) {
        if let Self::Rings(lane) = self {
            lane.call_directly(call, callback);
        }
    }

    /// Waits for a frame or a callback of a host that runs on this thread; returns at once for other hosts.
    #[inline]
    pub fn wait_for_callback(
        &mut self,
        callback: &mut DirectCallback,
        idle: &mut dyn Idle,
    ) -> Result {
        match self {
            Self::Rings(lane) => lane.wait_for_callback(callback, idle),
            Self::Queue(_) => Ok(()),
        }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneNumber {
        match self {
            Self::Rings(lane) => lane.index(),
            Self::Queue(lane) => lane.index,
        }
    }

    /// Announces a turn on this lane, if the JS thread is at its top and no other turn is
    /// announced: then it is to be sent at once. Otherwise the host requests the turn again.
    pub fn try_take_top(&self) -> bool {
        match self {
            Self::Rings(lane) => lane.lease.try_take_top(),
            Self::Queue(_) => true,
        }
    }

    /// Sends a frame. If this is interrupted, a part of it may have been sent: then the lane can only
    /// be used to send the rest, and the session only for that.
    #[inline]
    pub fn send(&mut self, frame: &[u8], idle: &mut dyn Idle) -> Result {
        match self {
            Self::Rings(lane) => port::send(lane, frame, idle),
            Self::Queue(lane) => {
                lane.queues.check()?;
                port::send(&mut lane.port(), frame, idle)
            }
        }
    }

    /// Receives a frame, whose body replaces `body`. If this is interrupted, a part may have been
    /// read.
    #[inline]
    pub fn receive(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header> {
        match self {
            // The home lane is read by `receive_notice`.
            Self::Rings(lane) => {
                let terms = lane.terms();
                port::receive(lane, body, &terms, idle)
            }
            Self::Queue(lane) => {
                let terms = lane.queues.terms.on(lane.index);
                port::receive(&mut lane.port(), body, &terms, idle)
            }
        }
    }

    /// Receives a notice from the home lane, whose body replaces `body`. The host writes each at
    /// once; over the socket it may come in several packets, whose number the connection bounds.
    pub fn receive_notice(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header> {
        match self {
            Self::Rings(lane) => {
                let terms = lane.terms().on(lane.index());
                port::receive_whole(lane, body, &terms, idle)
            }
            Self::Queue(_) => self.receive(body, idle),
        }
    }

    /// Sets the lane's cancel word; zero clears it.
    pub fn set_cancel(&self, word: u32) {
        match self {
            Self::Rings(lane) => lane.lease.set_cancel(word),
            Self::Queue(lane) => lane.queues.set_cancel(lane.index, word),
        }
    }

    /// Wakes the host for what was sent; `receive` does this by itself.
    pub fn notify(&mut self) {
        if let Self::Rings(lane) = self {
            lane.lease.notify();
        }
    }
}
