//! The two ends of a session, whichever carrier it has.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::lane::{LaneClient, LaneHost, LeasedLane, shm_index};
use super::pipe::{PipeClient, PipeHost, PipeLane, Pipes};
use super::{HostCord, Idle};
use hostd_shm::ClientCord;

use crate::error::Result;
use crate::frame::Header;
use crate::ids::LaneIndex;

/// The client's end of a session. Cloning it is cheap; any thread may use it.
#[derive(Clone, Debug)]
pub struct ClientEnd(Client);

#[derive(Clone, Debug)]
enum Client {
    Lanes(LaneClient),
    Pipes(PipeClient),
}

impl ClientEnd {
    pub(super) const fn lanes(end: LaneClient) -> Self {
        Self(Client::Lanes(end))
    }

    pub(super) const fn pipes(end: PipeClient) -> Self {
        Self(Client::Pipes(end))
    }

    /// Leases a lane for an outermost call, `hint` if that one is free; waits for one if none is,
    /// first come first served.
    #[inline]
    pub fn lease(&self, hint: Option<LaneIndex>, idle: &mut dyn Idle) -> Result<ClientLane> {
        Ok(ClientLane(match &self.0 {
            Client::Lanes(end) => Leased::Lane(end.lease(hint, idle)?),
            Client::Pipes(end) => Leased::Pipe(end.lease(hint, idle)?),
        }))
    }

    /// The home lane, on which notices come. None if it is leased already.
    pub fn home(&self) -> Option<ClientLane> {
        Some(ClientLane(match &self.0 {
            Client::Lanes(end) => Leased::Lane(end.home()?),
            Client::Pipes(end) => Leased::Pipe(end.home()?),
        }))
    }

    /// The host is gone: every wait, on a lane or for one, ends with `Disconnected` once what had
    /// come before is read.
    pub fn disconnect(&self) {
        match &self.0 {
            Client::Lanes(end) => end.disconnect(),
            Client::Pipes(end) => end.pipes.disconnect(),
        }
    }

    /// Whether [`Self::disconnect`] was called, or the carrier saw the other end go.
    pub fn is_gone(&self) -> bool {
        match &self.0 {
            Client::Lanes(end) => end.is_gone(),
            Client::Pipes(end) => end.pipes.is_gone(),
        }
    }

    /// The word that says whether this side's cord is watched, where there can be one.
    pub fn cord(&self) -> Option<ClientCord> {
        match &self.0 {
            Client::Lanes(end) => Some(end.shared.cord()),
            Client::Pipes(_) => None,
        }
    }

    /// Whether this side sees when the JS thread is at its top. Over the socket it does not: then
    /// a turn may always be sent, and waits in the host.
    pub fn sees_top(&self) -> bool {
        match &self.0 {
            Client::Lanes(_) => true,
            Client::Pipes(end) => end.pipes.sees_top(),
        }
    }

    /// Sets the cancel word of a lane while whoever has leased it uses it.
    pub fn canceller(&self, lane: LaneIndex) -> Result<Canceller> {
        Ok(Canceller(match &self.0 {
            Client::Lanes(end) => Cancels::Lane(end.shared.handle(shm_index(lane)?)),
            Client::Pipes(end) => Cancels::Pipe(Arc::clone(&end.pipes), lane),
        }))
    }

    /// To be called in a forked child, before it uses anything of this end.
    #[cfg(target_os = "linux")]
    pub fn detach_forked(&self) {
        if let Client::Lanes(end) = &self.0 {
            // What can fail is replacing a mapping that the child does not have.
            let _ = end.shared.detach_forked();
        }
    }

    /// The queues, for whoever carries them over a socket.
    pub(super) fn queues(&self) -> Option<&Arc<Pipes>> {
        match &self.0 {
            Client::Lanes(_) => None,
            Client::Pipes(end) => Some(&end.pipes),
        }
    }
}

/// A leased lane; given back when dropped.
#[derive(Debug)]
pub struct ClientLane(Leased);

#[derive(Debug)]
enum Leased {
    Lane(LeasedLane),
    Pipe(PipeLane),
}

impl ClientLane {
    /// The lane's number.
    pub fn index(&self) -> LaneIndex {
        match &self.0 {
            Leased::Lane(lane) => lane.index(),
            Leased::Pipe(lane) => lane.index(),
        }
    }

    /// Announces a turn on this lane, if the JS thread is at its top and no other turn is
    /// announced: then it is to be sent at once. Else the host rings again.
    pub fn try_take_top(&self) -> bool {
        match &self.0 {
            Leased::Lane(lane) => lane.try_take_top(),
            Leased::Pipe(lane) => lane.try_take_top(),
        }
    }

    /// Sends a frame. If this is interrupted, a part of it may be on its way: the lane is then
    /// only good for sending the rest, and the session with it.
    #[inline]
    pub fn send(&mut self, frame: &[u8], idle: &mut dyn Idle) -> Result {
        match &mut self.0 {
            Leased::Lane(lane) => lane.send(frame, idle),
            Leased::Pipe(lane) => lane.send(frame, idle),
        }
    }

    /// Receives a frame, whose body replaces `body`. If this is interrupted, a part may have been
    /// read.
    #[inline]
    pub fn receive(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header> {
        match &mut self.0 {
            Leased::Lane(lane) => lane.receive(body, idle),
            Leased::Pipe(lane) => lane.receive(body, idle),
        }
    }

    /// Sets the lane's cancel word; zero takes it back.
    pub fn set_cancel(&self, word: u32) {
        match &self.0 {
            Leased::Lane(lane) => lane.set_cancel(word),
            Leased::Pipe(lane) => lane.set_cancel(word),
        }
    }

    /// Lets the host know at once of what was sent; a `receive` does so by itself.
    pub fn notify(&mut self) {
        match &mut self.0 {
            Leased::Lane(lane) => lane.notify(),
            Leased::Pipe(_) => {}
        }
    }
}

/// Sets the cancel word of a lane, from any thread.
#[derive(Clone, Debug)]
pub struct Canceller(Cancels);

#[derive(Clone, Debug)]
enum Cancels {
    Lane(hostd_shm::LaneHandle),
    Pipe(Arc<Pipes>, LaneIndex),
}

impl Canceller {
    /// Sets the word; zero takes it back.
    pub fn set(&self, word: u32) {
        match &self.0 {
            Cancels::Lane(lane) => lane.set_cancel(word),
            Cancels::Pipe(pipes, lane) => pipes.set_cancel(*lane, word),
        }
    }
}

/// Why the JS thread was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This lane has something to read.
    Lane(LaneIndex),
    /// A [`HostWaker`] rang; what it rang for is to be looked at now.
    Rung,
    /// The time was over.
    TimedOut,
}

/// The host's end of a session: belongs to the JS thread.
#[derive(Debug)]
pub struct HostEnd(Host);

#[derive(Debug)]
enum Host {
    Lanes(LaneHost),
    Pipes(PipeHost),
}

impl HostEnd {
    pub(super) const fn lanes(end: LaneHost) -> Self {
        Self(Host::Lanes(end))
    }

    pub(super) const fn pipes(end: PipeHost) -> Self {
        Self(Host::Pipes(end))
    }

    /// At the JS thread's top: waits until a lane has something to read or a waker rings, at most
    /// for `timeout`. Lanes are told round robin, one at a time.
    #[inline]
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        match &mut self.0 {
            Host::Lanes(end) => end.wait(timeout),
            Host::Pipes(end) => end.wait(timeout),
        }
    }

    /// Has this called when the JS thread has nothing to do: now and then while it looks for
    /// something, with the time that this has lasted, and with the longest there is before it sleeps.
    /// It answers whether other threads of this process want a CPU: then they are let, between two
    /// looks.
    pub fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        match &mut self.0 {
            Host::Lanes(end) => end.on_idle(hook),
            Host::Pipes(end) => end.on_idle(hook),
        }
    }

    /// Receives a frame from this lane, whose body replaces `body`. Waits for it, serving this
    /// lane exclusively; a ring meanwhile is told by the next [`Self::wait`].
    #[inline]
    pub fn receive(&mut self, lane: LaneIndex, body: &mut Vec<u8>) -> Result<Header> {
        match &mut self.0 {
            Host::Lanes(end) => end.receive(lane, body),
            Host::Pipes(end) => end.receive(lane, body),
        }
    }

    /// Waits until there is something to receive on this lane, serving it exclusively; false if
    /// nothing came for `timeout`, or for as long as this carrier waits at a time.
    #[inline]
    pub fn wait_for(&mut self, lane: LaneIndex, timeout: Duration) -> Result<bool> {
        match &mut self.0 {
            Host::Lanes(end) => end.wait_for(lane, timeout),
            Host::Pipes(end) => end.wait_for(lane, timeout),
        }
    }

    /// A lane other than this one that has something to receive although its client has cancelled
    /// it: the call is not wanted any more.
    pub fn withdrawn(&mut self, other_than: LaneIndex) -> Result<Option<LaneIndex>> {
        match &mut self.0 {
            Host::Lanes(end) => end.withdrawn(other_than),
            Host::Pipes(end) => Ok(end.withdrawn(other_than)),
        }
    }

    /// Sends a frame on this lane, and wakes its reader. Waits while there is no room.
    #[inline]
    pub fn send(&mut self, lane: LaneIndex, frame: &[u8]) -> Result {
        match &mut self.0 {
            Host::Lanes(end) => end.send(lane, frame),
            Host::Pipes(end) => end.send(lane, frame),
        }
    }

    /// Sends a notice on the home lane if there is room for all of it; never waits. The client hears of
    /// it with the next wait, when a turn can be given.
    pub fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        match &mut self.0 {
            Host::Lanes(end) => end.try_notice(frame),
            Host::Pipes(end) => end.try_notice(frame),
        }
    }

    /// Gives this end the client's cord; none if this carrier knows no such thing.
    pub fn hang_cord(&mut self, pipe: File) -> Option<Arc<HostCord>> {
        match &mut self.0 {
            Host::Lanes(end) => Some(end.hang_cord(pipe)),
            Host::Pipes(_) => None,
        }
    }

    /// Has the cord pulled with the next wait, when a turn can be given. False if there is none, or
    /// nobody watches it: then the client is to be told on the home lane.
    pub fn owe_pull(&mut self) -> bool {
        match &mut self.0 {
            Host::Lanes(end) => end.owe_pull(),
            Host::Pipes(_) => false,
        }
    }

    /// Whether a cord was pulled, since this was asked last, that nobody watched any more.
    pub fn take_unheard(&mut self) -> bool {
        match &mut self.0 {
            Host::Lanes(end) => end.take_unheard(),
            Host::Pipes(_) => false,
        }
    }

    /// Whether a turn was declined since this was asked last, because the JS thread was not at its
    /// top: it is to be rung for again.
    pub fn take_declined(&mut self) -> bool {
        match &mut self.0 {
            Host::Lanes(end) => end.take_declined(),
            Host::Pipes(end) => end.take_declined(),
        }
    }

    /// Reads the lane's cancel word, for the engine's interrupt handler.
    pub fn cancel_flag(&self, lane: LaneIndex) -> Result<CancelFlag> {
        Ok(CancelFlag(match &self.0 {
            Host::Lanes(end) => Flag::Lane(end.parts.lanes[shm_index(lane)?.get()].cancel_flag()),
            Host::Pipes(end) => Flag::Pipe(Arc::clone(&end.pipes), lane),
        }))
    }

    /// Wakes the JS thread from other threads.
    pub fn waker(&self) -> HostWaker {
        HostWaker(match &self.0 {
            Host::Lanes(end) => Waker::Lanes(end.parts.waker.clone(), Arc::clone(&end.gone)),
            Host::Pipes(end) => Waker::Pipes(Arc::clone(&end.pipes)),
        })
    }

    /// The queues, for whoever carries them over a socket.
    pub(super) fn queues(&self) -> Option<&Arc<Pipes>> {
        match &self.0 {
            Host::Lanes(_) => None,
            Host::Pipes(end) => Some(&end.pipes),
        }
    }
}

/// Reads the cancel word of a lane.
#[derive(Clone, Debug)]
pub struct CancelFlag(Flag);

#[derive(Clone, Debug)]
enum Flag {
    Lane(hostd_shm::CancelFlag),
    Pipe(Arc<Pipes>, LaneIndex),
}

impl CancelFlag {
    /// The word as the client set it; zero means that nothing is cancelled.
    #[inline]
    pub fn get(&self) -> u32 {
        match &self.0 {
            Flag::Lane(flag) => flag.get(),
            Flag::Pipe(pipes, lane) => pipes.cancel(*lane),
        }
    }
}

/// Wakes the JS thread, from any thread of the host.
#[derive(Clone, Debug)]
pub struct HostWaker(Waker);

#[derive(Clone, Debug)]
enum Waker {
    Lanes(hostd_shm::HostWaker, Arc<AtomicBool>),
    Pipes(Arc<Pipes>),
}

impl HostWaker {
    /// Makes the JS thread's next [`HostEnd::wait`] say [`Wake::Rung`].
    pub fn wake(&self) {
        match &self.0 {
            Waker::Lanes(waker, _) => waker.wake(),
            Waker::Pipes(pipes) => pipes.to_host.bell.ring(),
        }
    }

    /// The client is gone: every wait of the JS thread ends with `Disconnected`.
    pub fn disconnect(&self) {
        match &self.0 {
            Waker::Lanes(waker, gone) => {
                gone.store(true, Ordering::Release);
                waker.wake();
            }
            Waker::Pipes(pipes) => pipes.disconnect(),
        }
    }
}
