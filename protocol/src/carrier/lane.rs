//! The shared-memory carrier: frames through the rings of `hostd-shm`.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostd_shm::{
    HostWait, Interest as Wanted, Lease, ReadyBitmap, Top, TopState, Verdict, Violation, Waited,
};

use super::port::{self, Interest, Port, Terms};
use super::{ClientEnd, HostCord, HostEnd, Idle, Wake, at_rest};
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{Generation, HOME_LANE, LaneIndex};
use crate::limits::Limits;

pub use hostd_shm::{Segment, SegmentError};

/// The client's end of a segment that it made.
pub fn client(segment: Segment, generation: Generation, limits: Limits) -> ClientEnd {
    let session = Arc::new(Session {
        gone: AtomicBool::new(false),
        terms: Terms { generation, limits },
    });
    ClientEnd::lanes(LaneClient {
        shared: segment.into_client(),
        session,
    })
}

/// The host's end of the client's segment; stays on the JS thread.
pub fn host(segment: Segment, generation: Generation, limits: Limits) -> HostEnd {
    HostEnd::lanes(LaneHost {
        parts: segment.into_host(),
        gone: Arc::new(AtomicBool::new(false)),
        terms: Terms { generation, limits },
        ready: None,
        rung: false,
        announced: None,
        declined: false,
        cord: None,
        pull: Pull::None,
    })
}

impl From<Violation> for ProtocolError {
    fn from(_: Violation) -> Self {
        Self::violation("corrupt shared-memory ring index")
    }
}

const fn wanted(interest: Interest) -> Wanted {
    match interest {
        Interest::Data => Wanted::Data,
        Interest::Space => Wanted::Space,
    }
}

pub(super) fn shm_index(lane: LaneIndex) -> Result<hostd_shm::LaneIndex> {
    hostd_shm::LaneIndex::new(usize::from(lane.0))
        .ok_or(ProtocolError::violation("a lane that does not exist"))
}

fn our_index(lane: hostd_shm::LaneIndex) -> LaneIndex {
    // There are 64 of them.
    LaneIndex(u16::try_from(lane.get()).unwrap_or(0))
}

#[derive(Debug)]
struct Session {
    gone: AtomicBool,
    terms: Terms,
}

#[derive(Clone, Debug)]
pub(super) struct LaneClient {
    pub(super) shared: hostd_shm::Client,
    session: Arc<Session>,
}

impl LaneClient {
    #[inline]
    pub(super) fn lease(&self, hint: Option<LaneIndex>, idle: &mut dyn Idle) -> Result<LeasedLane> {
        let hint = hint.and_then(|lane| shm_index(lane).ok());
        if self.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        let lease = match self.shared.try_lease(hint) {
            Some(lease) => lease,
            None => self.wait_for_lease(hint, idle)?,
        };
        Ok(LeasedLane {
            lease,
            session: Arc::clone(&self.session),
        })
    }

    #[cold]
    fn wait_for_lease(
        &self,
        hint: Option<hostd_shm::LaneIndex>,
        idle: &mut dyn Idle,
    ) -> Result<Lease> {
        at_rest(idle, Err(ProtocolError::Interrupted), |idle| {
            let mut gone = false;
            let mut check = || {
                gone = self.is_gone();
                if gone || idle.check().is_err() {
                    Verdict::Stop
                } else {
                    Verdict::Continue
                }
            };
            let lease = self.shared.lease(hint, &mut check);
            lease.map_err(|_| {
                if gone {
                    ProtocolError::Disconnected
                } else {
                    ProtocolError::Interrupted
                }
            })
        })
    }

    pub(super) fn home(&self) -> Option<LeasedLane> {
        let lease = self.shared.try_lease_home()?;
        Some(LeasedLane {
            lease,
            session: Arc::clone(&self.session),
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.session.gone.load(Ordering::Acquire)
    }

    pub(super) fn disconnect(&self) {
        self.session.gone.store(true, Ordering::Release);
        self.shared.wake_all();
    }
}

#[derive(Debug)]
pub(super) struct LeasedLane {
    lease: Lease,
    session: Arc<Session>,
}

impl LeasedLane {
    pub(super) fn index(&self) -> LaneIndex {
        our_index(self.lease.index())
    }

    pub(super) fn set_cancel(&self, word: u32) {
        self.lease.set_cancel(word);
    }

    pub(super) fn try_take_top(&self) -> bool {
        self.lease.try_take_top()
    }

    #[inline]
    pub(super) fn send(&mut self, frame: &[u8], idle: &mut dyn Idle) -> Result {
        port::send(self, frame, idle)
    }

    #[inline]
    pub(super) fn receive(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header> {
        let terms = self.session.terms;
        port::receive(self, body, &terms, idle)
    }

    pub(super) fn notify(&mut self) {
        self.lease.notify();
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
        if idle.may_stay() && self.lease.glance(wanted(interest))? {
            return Ok(());
        }
        at_rest(idle, Err(ProtocolError::Interrupted), |idle| {
            self.wait_long(interest, idle)
        })
    }
}

impl LeasedLane {
    fn wait_long(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let gone = &self.session.gone;
        let (mut asked, mut interrupted) = (false, false);
        let mut check = || {
            if gone.load(Ordering::Acquire) {
                return Verdict::Stop;
            }
            interrupted = std::mem::replace(&mut asked, true) && idle.check().is_err();
            if interrupted {
                Verdict::Stop
            } else {
                Verdict::Continue
            }
        };
        match self.lease.wait(wanted(interest), &mut check)? {
            Waited::Ready => Ok(()),
            Waited::Stopped if interrupted => Err(ProtocolError::Interrupted),
            Waited::Stopped => Err(ProtocolError::Disconnected),
        }
    }
}

#[derive(Debug)]
pub(super) struct LaneHost {
    pub(super) parts: hostd_shm::Host,
    pub(super) gone: Arc<AtomicBool>,
    terms: Terms,
    /// Lanes that were found ready and not told yet.
    ready: Option<ReadyBitmap>,
    /// A ring that came while one lane was served exclusively.
    rung: bool,
    /// The lane on which a turn was announced that was not served yet.
    announced: Option<hostd_shm::LaneIndex>,
    /// Somebody wanted to give a turn while the JS thread was not at its top.
    declined: bool,
    /// What rings a loop of the client's, if the client gave one.
    cord: Option<Arc<HostCord>>,
    pull: Pull,
}

/// Whether the cord is to be pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pull {
    #[default]
    None,
    /// As soon as a turn can be given.
    Owed,
    /// It was to be pulled, and nobody watched it any more.
    Unheard,
}

/// What was announced comes at once, unless its sender died in between.
const AT_ONCE: Duration = Duration::from_millis(50);

impl LaneHost {
    pub(super) fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        self.parts.waiter.on_idle(hook);
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        loop {
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            if let Some(lane) = self.announced.take()
                && self.is_kept(lane)?
            {
                return Ok(self.serving(our_index(lane)));
            }
            if std::mem::take(&mut self.rung) {
                return Ok(Wake::Rung);
            }
            if let Some(lane) = self.next_ready()? {
                return Ok(self.serving(lane));
            }
            let before = self.parts.top.arrive();
            if before.declined {
                self.left(before);
                return Ok(Wake::Rung);
            }
            if self.pull == Pull::Owed {
                self.pull();
                if self.pull == Pull::Unheard {
                    let top = self.parts.top.leave();
                    self.left(top);
                    return Ok(Wake::Rung);
                }
                self.parts.waiter.expect_answer();
            }
            let found = self.parts.waiter.wait(timeout);
            let top = self.parts.top.leave();
            if top.state != TopState::AtTop || top.declined {
                self.left(top);
            }
            let found = found?;
            if found.is_empty() {
                return Ok(Wake::TimedOut);
            }
            self.rung = found.rung;
            self.ready = Some(found.lanes);
        }
    }

    /// A lane is served before the next wait: whoever was not told of a notice yet is told now, and
    /// not when that has come to its end.
    #[inline]
    fn serving(&mut self, lane: LaneIndex) -> Wake {
        if let Some(home) = self.parts.lanes.first_mut() {
            home.notify();
        }
        if self.pull == Pull::Owed {
            self.pull();
        }
        Wake::Lane(lane)
    }

    /// Notes what was said of turns while the JS thread was at its top or on its way there.
    #[cold]
    fn left(&mut self, found: Top) {
        let now = if found.state == TopState::Busy {
            self.parts.top.leave()
        } else {
            found
        };
        self.declined |= found.declined | now.declined;
        if let TopState::Taken(lane) = now.state {
            self.announced = Some(lane);
        }
    }

    /// Waits for the turn that was announced on a lane: nothing of another lane comes before it,
    /// or who gives it would wait for that.
    fn is_kept(&mut self, index: hostd_shm::LaneIndex) -> Result<bool> {
        let end = Instant::now() + AT_ONCE;
        let lane = &mut self.parts.lanes[index.get()];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let cancel = lane.cancel();
            match lane.wait(Wanted::Data, cancel, Some(left))? {
                HostWait::Ready => return Ok(true),
                HostWait::Rung => self.rung = true,
                HostWait::Cancelled => {}
                HostWait::TimedOut => return Ok(false),
            }
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    /// Has the cord pulled with the next wait, when a turn can be given. False if nobody watches it.
    pub(super) fn owe_pull(&mut self) -> bool {
        let is_watched = self.cord.as_ref().is_some_and(|cord| cord.is_watched());
        if is_watched {
            self.pull = Pull::Owed;
        }
        is_watched
    }

    /// Whether nobody heard the cord that was to be pulled.
    pub(super) fn take_unheard(&mut self) -> bool {
        let is_unheard = self.pull == Pull::Unheard;
        if is_unheard {
            self.pull = Pull::None;
        }
        is_unheard
    }

    fn pull(&mut self) {
        let is_heard = self.cord.as_ref().is_some_and(|cord| cord.pull());
        self.pull = if is_heard { Pull::None } else { Pull::Unheard };
    }

    pub(super) fn hang_cord(&mut self, pipe: File) -> Arc<HostCord> {
        let cord = Arc::new(HostCord::new(self.parts.cord.clone(), pipe));
        self.cord = Some(Arc::clone(&cord));
        cord
    }

    /// Whether a turn was declined since this was asked last.
    pub(super) fn take_declined(&mut self) -> bool {
        std::mem::take(&mut self.declined)
    }

    fn next_ready(&mut self) -> Result<Option<LaneIndex>> {
        while let Some(lane) = self.ready.as_mut().and_then(Iterator::next) {
            // A conversation may have read it meanwhile.
            if self.parts.lanes[lane.get()].readable()? > 0 {
                return Ok(Some(our_index(lane)));
            }
        }
        self.ready = None;
        Ok(None)
    }

    #[inline]
    pub(super) fn send(&mut self, lane: LaneIndex, frame: &[u8]) -> Result {
        let mut port = self.port(lane)?;
        port::send(&mut port, frame, &mut super::Patient)?;
        port.lane.notify();
        Ok(())
    }

    pub(super) fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        let port = self.port(HOME_LANE)?;
        if port.lane.writable()? < frame.len() {
            return Ok(false);
        }
        port.lane.write(frame)?;
        // The next wait tells of it, when the state word says that the JS thread is at its top: who
        // hears of a ring while it does not, as where there is no CPU for both, takes no turn.
        Ok(true)
    }

    #[inline]
    pub(super) fn receive(&mut self, lane: LaneIndex, body: &mut Vec<u8>) -> Result<Header> {
        let terms = self.terms;
        port::receive(&mut self.port(lane)?, body, &terms, &mut super::Patient)
    }

    #[inline]
    pub(super) fn wait_for(&mut self, lane: LaneIndex, timeout: Duration) -> Result<bool> {
        self.port(lane)?.wait_at_most(Wanted::Data, Some(timeout))
    }

    #[cold]
    pub(super) fn withdrawn(&mut self, other_than: LaneIndex) -> Result<Option<LaneIndex>> {
        for lane in &mut self.parts.lanes {
            let index = our_index(lane.index());
            if index != other_than && lane.cancel() != 0 && lane.readable()? > 0 {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    #[inline]
    fn port(&mut self, lane: LaneIndex) -> Result<HostPort<'_>> {
        let lane = self
            .parts
            .lanes
            .get_mut(usize::from(lane.0))
            .ok_or(ProtocolError::violation("a lane that does not exist"))?;
        Ok(HostPort {
            lane,
            gone: &self.gone,
            rung: &mut self.rung,
        })
    }
}

struct HostPort<'a> {
    lane: &'a mut hostd_shm::HostLane,
    gone: &'a AtomicBool,
    rung: &'a mut bool,
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
        while !self.wait_at_most(wanted(interest), None)? {}
        Ok(())
    }
}

impl HostPort<'_> {
    /// Waits; false if the time was over.
    fn wait_at_most(&mut self, interest: Wanted, timeout: Option<Duration>) -> Result<bool> {
        loop {
            if self.gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            // A cancelled call still ends with its reply: only other values than the present one
            // would end this wait, and then it is begun again.
            let cancel = self.lane.cancel();
            match self.lane.wait(interest, cancel, timeout)? {
                HostWait::Ready => return Ok(true),
                HostWait::Rung => *self.rung = true,
                HostWait::Cancelled => {}
                HostWait::TimedOut => return Ok(false),
            }
        }
    }
}
