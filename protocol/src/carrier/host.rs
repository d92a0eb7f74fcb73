//! The host's end of a session, over either carrier: what `hostd-session` serves, on the JS thread. It
//! only selects the carrier; `lane_host` and `queue` do the work, `port` moves the frames.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostd_shm::{CancelWord, FutexWaker, Switch};

use super::lane_host::LaneHost;
use super::queue::{QueueHost, Queues};
use super::waiting::Wake;
use super::wake_pipe::HostWakePipe;
use crate::error::Result;
use crate::frame::Header;
use crate::ids::LaneNumber;

/// The host's end of a session: belongs to the JS thread.
#[derive(Debug)]
pub enum HostEnd {
    /// Over shared-memory rings.
    Lanes(LaneHost),
    /// Over queues.
    Queues(QueueHost),
}

impl HostEnd {
    /// At the JS thread's top: waits until a lane has something to read, a waker wakes the thread, or
    /// `timeout` expires. Lanes are returned round robin, one at a time.
    #[inline]
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        match self {
            Self::Lanes(end) => end.wait(timeout),
            Self::Queues(end) => end.wait(timeout),
        }
    }

    /// At the JS thread's top, where the client runs on the same thread: lets it run, and returns whether
    /// it makes a call without a frame. None if [`Self::wait`] is to be called instead, since there may be
    /// something else to do.
    #[inline]
    pub fn wait_for_direct(&mut self) -> Option<bool> {
        match self {
            Self::Lanes(end) => end.wait_for_direct(),
            Self::Queues(_) => None,
        }
    }

    /// Has `hook` called when the JS thread is idle: while it spins, with the time since it began, and
    /// with the maximum before it parks. It returns whether other threads of this process need a CPU:
    /// then the JS thread yields between polls.
    pub fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        match self {
            Self::Lanes(end) => end.segment.waiter.on_idle(hook),
            Self::Queues(end) => end.on_idle = hook,
        }
    }

    /// Has every wait over shared-memory rings call `switch`: see [`hostd_shm::HostWaiter::on_wait`].
    pub fn on_wait(&mut self, switch: Box<Switch>) {
        if let Self::Lanes(end) = self {
            end.segment.waiter.on_wait(switch);
        }
    }

    /// Receives a frame from this lane, whose body replaces `body`. Waits for it, serving this
    /// lane exclusively; a wake-up meanwhile is returned by the next [`Self::wait`].
    #[inline]
    pub fn receive(&mut self, lane: LaneNumber, body: &mut Vec<u8>) -> Result<Header> {
        match self {
            Self::Lanes(end) => end.receive(lane, body),
            Self::Queues(end) => end.receive(lane, body),
        }
    }

    /// Waits until there is something to receive on this lane, serving it exclusively; false if
    /// nothing came for `timeout`, or for as long as this carrier waits at a time.
    #[inline]
    pub fn wait_for(&mut self, lane: LaneNumber, timeout: Duration) -> Result<bool> {
        match self {
            Self::Lanes(end) => end.wait_for(lane, timeout),
            Self::Queues(end) => end.wait_for(lane, timeout),
        }
    }

    /// A lane other than this one that has something to receive although its client has cancelled
    /// it: the call is withdrawn.
    pub fn withdrawn(&mut self, other_than: LaneNumber) -> Result<Option<LaneNumber>> {
        match self {
            Self::Lanes(end) => end.withdrawn(other_than),
            Self::Queues(end) => Ok(end.withdrawn(other_than)),
        }
    }

    /// Sends a frame on this lane, and wakes its reader. Waits while there is no space.
    #[inline]
    pub fn send(&mut self, lane: LaneNumber, frame: &[u8]) -> Result {
        match self {
            Self::Lanes(end) => end.send(lane, frame),
            Self::Queues(end) => end.send(lane, frame),
        }
    }

    /// Sends a notice on the home lane if there is space for all of it; never waits. The next wait
    /// notifies the client, when a turn can be given.
    pub fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        match self {
            Self::Lanes(end) => end.try_notice(frame),
            Self::Queues(end) => Ok(end.try_notice(frame)),
        }
    }

    fn lanes(&mut self) -> Option<&mut LaneHost> {
        match self {
            Self::Lanes(end) => Some(end),
            Self::Queues(_) => None,
        }
    }

    /// Gives this end the client's wake pipe; none over queues.
    pub fn attach_wake_pipe(&mut self, pipe: File) -> Option<Arc<HostWakePipe>> {
        self.lanes().map(|end| end.attach_wake_pipe(pipe))
    }

    /// Has the client's loop notified through the wake pipe by the next wait, when a turn can be given.
    /// False if there is none, or no loop watches it: then the client is to be sent a notice.
    pub fn request_notify(&mut self) -> bool {
        self.lanes().is_some_and(LaneHost::request_notify)
    }

    /// Whether a notification was missed since the last call: no loop watched the wake pipe any more.
    pub fn take_missed(&mut self) -> bool {
        self.lanes().is_some_and(LaneHost::take_missed)
    }

    /// Whether a turn was declined since the last call, because the JS thread was not at its top: it
    /// is to be requested again.
    pub fn take_declined(&mut self) -> bool {
        self.lanes().is_some_and(LaneHost::take_declined)
    }

    /// Reads the lane's cancel word, for the engine's interrupt handler.
    pub fn cancel_flag(&self, lane: LaneNumber) -> CancelFlag {
        match self {
            Self::Lanes(end) => CancelFlag::Rings(end.segment.lanes[lane.get()].cancel_word()),
            Self::Queues(end) => CancelFlag::Queue(Arc::clone(&end.queues), lane),
        }
    }

    /// Wakes the JS thread from other threads.
    pub fn waker(&self) -> HostWaker {
        match self {
            Self::Lanes(end) => HostWaker::Lanes(end.segment.waker.clone(), Arc::clone(&end.gone)),
            Self::Queues(end) => HostWaker::Queues(Arc::clone(&end.queues)),
        }
    }

    /// The queues, to be moved over a socket.
    pub(super) fn queues(&self) -> Option<&Arc<Queues>> {
        match self {
            Self::Lanes(_) => None,
            Self::Queues(end) => Some(&end.queues),
        }
    }
}

/// Reads the cancel word of a lane.
#[derive(Clone, Debug)]
pub enum CancelFlag {
    /// Of shared-memory rings.
    Rings(CancelWord),
    /// Of a pair of queues.
    Queue(Arc<Queues>, LaneNumber),
}

impl CancelFlag {
    /// The word as the client set it; zero means that nothing is cancelled.
    #[inline]
    pub fn get(&self) -> u32 {
        match self {
            Self::Rings(word) => word.get(),
            Self::Queue(queues, lane) => queues.cancel(*lane),
        }
    }
}

/// Wakes the JS thread, from any thread of the host.
#[derive(Clone, Debug)]
pub enum HostWaker {
    /// Over shared-memory rings, and the flag that the client is gone.
    Lanes(FutexWaker, Arc<AtomicBool>),
    /// Over queues.
    Queues(Arc<Queues>),
}

impl HostWaker {
    /// Has the JS thread's next [`HostEnd::wait`] return [`Wake::Woken`].
    pub fn wake(&self) {
        match self {
            Self::Lanes(waker, _) => waker.wake(),
            Self::Queues(queues) => queues.to_host.notifier.wake(),
        }
    }

    /// Whether [`Self::disconnect`] was called. Cheap.
    pub fn is_disconnected(&self) -> bool {
        match self {
            Self::Lanes(_, gone) => gone.load(Ordering::Relaxed),
            Self::Queues(queues) => queues.is_gone(),
        }
    }

    /// The client is gone: every wait of the JS thread ends with `Disconnected`.
    pub fn disconnect(&self) {
        match self {
            Self::Lanes(waker, gone) => {
                gone.store(true, Ordering::Release);
                waker.wake();
            }
            Self::Queues(queues) => queues.disconnect(),
        }
    }
}
