//! The client's end of one lane.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Instant;

use super::{Verdict, Waited};
use crate::area::Area;
use crate::bell::{HostSleep, LaneSleep, publish_fence};
use crate::error::Violation;
use crate::layout::{Direction, Interest, LaneIndex, SLICE, SPIN_TIME};
use crate::ring::{Consumer, Producer};
use crate::seat::{self, Courtesy};
use crate::spin::Spin;
use crate::sync::{Acquire, Relaxed, Release, SeqCst, fence};
use crate::top::ClientTop;
use crate::uninit::{append, as_uninit};

/// The client's end of a lane: writes towards the host, reads what comes from it.
#[derive(Debug)]
pub struct ClientLane {
    area: Arc<Area>,
    index: LaneIndex,
    to_host: Producer,
    to_client: Consumer,
    /// What the host was not told yet: bits of an [`Interest`], as the host would have it.
    owed: u32,
    spin: Spin,
    /// How often the JS thread had moved when this end last looked.
    moves: u32,
    /// This end has woken the JS thread, on this CPU perhaps, since it last waited.
    has_woken: bool,
    courtesy: Courtesy,
}

impl ClientLane {
    pub(super) fn new(area: Arc<Area>, index: LaneIndex) -> Self {
        let (to_host, to_client) = (Producer::default(), Consumer::default());
        Self {
            area,
            index,
            to_host,
            to_client,
            owed: 0,
            spin: Spin::new(SPIN_TIME),
            moves: 0,
            has_woken: false,
            courtesy: Courtesy::default(),
        }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneIndex {
        self.index
    }

    /// Writes what fits into the ring towards the host and returns how much that was. Never
    /// blocks. Wakes nobody: see [`notify`](Self::notify).
    #[inline]
    pub fn write(&mut self, source: &[u8]) -> Result<usize, Violation> {
        let written = self
            .to_host
            .write(self.area.ring(self.index, Direction::ToHost), source)?;
        if written > 0 {
            self.owed |= Interest::DATA_BIT;
        }
        Ok(written)
    }

    /// Reads what has come from the host, at most `target` full, and returns how much that was.
    /// Never blocks.
    #[inline]
    pub fn read(&mut self, target: &mut [u8]) -> Result<usize, Violation> {
        self.read_uninit(as_uninit(target))
    }

    /// Appends at most `limit` bytes of what has come from the host to `target`, and returns how
    /// many that were. Never blocks.
    #[inline]
    pub fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize, Violation> {
        let limit = limit.min(self.readable()?);
        append(target, limit, |spare| self.read_uninit(spare))
    }

    fn read_uninit(&mut self, target: &mut [MaybeUninit<u8>]) -> Result<usize, Violation> {
        let ring = self.area.ring(self.index, Direction::ToClient);
        let read = self.to_client.read(ring, target)?;
        if self.to_client.take_untold() {
            self.owed |= Interest::SPACE_BIT;
        }
        Ok(read)
    }

    /// How many bytes can be read now.
    #[inline]
    pub fn readable(&mut self) -> Result<usize, Violation> {
        self.to_client
            .readable(self.area.ring(self.index, Direction::ToClient))
    }

    /// How many bytes can be written now.
    #[inline]
    pub fn writable(&mut self) -> Result<usize, Violation> {
        self.to_host
            .writable(self.area.ring(self.index, Direction::ToHost))
    }

    /// Tells the host, if it sleeps, of what was written and read since the last time. Waits do
    /// this by themselves.
    #[inline]
    pub fn notify(&mut self) {
        if self.owed != 0 {
            let owed = std::mem::take(&mut self.owed);
            self.has_woken |= tell_host(&self.area, self.index, owed);
        }
    }

    /// Waits until there is something to read or room to write, as `interest` says, or `check`
    /// says to stop. Spins before it sleeps; sleeps in slices.
    #[inline]
    pub fn wait(
        &mut self,
        interest: Interest,
        check: &mut dyn FnMut() -> Verdict,
    ) -> Result<Waited, Violation> {
        self.notify();
        let has_woken = std::mem::take(&mut self.has_woken);
        let found = if self.is_left() || has_woken {
            self.spin_aside(interest)
        } else {
            self.spin(interest)
        };
        match found {
            Some(found) => found.map(|()| Waited::Ready),
            None => self.wait_asleep(interest, check),
        }
    }

    /// Whether there is something to read or room to write, as `interest` says, within a moment: 3 us
    /// at most, and a look where spinning does not pay. Never sleeps.
    #[inline]
    pub fn glance(&mut self, interest: Interest) -> Result<bool, Violation> {
        self.notify();
        if self.has_woken {
            // It does not come that soon.
            return self.look(interest).map(|found| found.is_some());
        }
        let mut spin = self.spin;
        let found = spin.briefly(|| self.look(interest).transpose());
        self.spin = spin;
        found.transpose().map(|found| found.is_some())
    }

    #[inline]
    fn spin(&mut self, interest: Interest) -> Option<Result<(), Violation>> {
        let mut spin = self.spin;
        let found = spin.until(|| self.look(interest).transpose());
        self.spin = spin;
        found
    }

    /// The same while the JS thread is on its way, or has yet to set out, perhaps on this CPU.
    #[cold]
    fn spin_aside(&mut self, interest: Interest) -> Option<Result<(), Violation>> {
        let (mut spin, mut courtesy) = (self.spin, self.courtesy);
        let look = || self.look(interest).transpose();
        let found = spin.until_between(look, |_| courtesy.step_aside());
        (self.spin, self.courtesy) = (spin, courtesy);
        found
    }

    /// Whether the JS thread leaves this end's CPU, or has left it since this was asked last: then it
    /// pays to spin until it has arrived.
    #[inline]
    fn is_left(&mut self) -> bool {
        let moves = self.area.header().host.0.moves.load(Relaxed);
        let is_left = moves != self.moves;
        if is_left {
            self.moves = moves;
            self.spin = self.spin.renewed();
        }
        is_left
    }

    #[cold]
    fn wait_asleep(
        &mut self,
        interest: Interest,
        check: &mut dyn FnMut() -> Verdict,
    ) -> Result<Waited, Violation> {
        if self.is_left()
            && let Some(found) = self.spin_aside(interest)
        {
            return found.map(|()| Waited::Ready);
        }
        let area = Arc::clone(&self.area);
        let bell = &area.lane(self.index).bell.0;
        let start = Instant::now();
        let mut outcome = None;
        loop {
            let announcement = LaneSleep::encode(interest, seat::here());
            bell.sleep(announcement, Some(SLICE), || {
                outcome = match self.look(interest).transpose() {
                    Some(found) => Some(found.map(|()| Waited::Ready)),
                    None if check() == Verdict::Stop => Some(Ok(Waited::Stopped)),
                    None => None,
                };
                outcome.is_some()
            });
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            if let Some(found) = self.look(interest).transpose() {
                if area.header().host.0.is_elsewhere(seat::here()) {
                    self.spin.slept(start.elapsed());
                }
                return found.map(|()| Waited::Ready);
            }
        }
    }

    /// `Some` if what `interest` names is there.
    #[inline]
    fn look(&mut self, interest: Interest) -> Result<Option<()>, Violation> {
        let ready =
            (interest.data() && self.readable()? > 0) || (interest.space() && self.writable()? > 0);
        Ok(ready.then_some(()))
    }

    /// Never spin on this lane again (for measurements).
    pub fn disable_spin(&mut self) {
        self.spin = Spin::never();
    }

    /// A handle that other threads may use while this one waits.
    pub fn handle(&self) -> LaneHandle {
        LaneHandle::new(Arc::clone(&self.area), self.index)
    }

    /// Announces a turn on this lane: see [`ClientTop::try_take`].
    pub fn try_take_top(&self) -> bool {
        ClientTop(Arc::clone(&self.area)).try_take(self.index)
    }

    /// Sets the cancel word: see [`LaneHandle::set_cancel`].
    pub fn set_cancel(&self, word: u32) {
        set_cancel(&self.area, self.index, word);
    }
}

/// What other threads may do to a lane that is leased.
#[derive(Debug, Clone)]
pub struct LaneHandle {
    area: Arc<Area>,
    index: LaneIndex,
}

impl LaneHandle {
    pub(super) fn new(area: Arc<Area>, index: LaneIndex) -> Self {
        Self { area, index }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneIndex {
        self.index
    }

    /// Wakes the thread of this process that waits on the lane, so that it asks its check.
    pub fn wake(&self) {
        self.area.lane(self.index).bell.0.ring();
    }

    /// Sets the cancel word, which the host reads with
    /// [`HostLane::cancel`](crate::HostLane::cancel), and wakes the host if it waits on this lane.
    /// Zero takes it back; what other values mean is up to the two sides.
    pub fn set_cancel(&self, word: u32) {
        set_cancel(&self.area, self.index, word);
    }
}

fn set_cancel(area: &Area, index: LaneIndex, word: u32) {
    area.lane(index).cancel.0.store(word, Release);
    if word != 0 {
        publish_fence();
        let either = Interest::Either.bits();
        let concerns = |announced| HostSleep::concerns(announced, index, either);
        area.header().host.0.bell.wake_if(concerns);
    }
}

/// The cancel word of a lane.
pub(crate) fn cancel_word(area: &Area, index: LaneIndex) -> u32 {
    area.lane(index).cancel.0.load(Acquire)
}

/// The waker's half of the sleeping protocol, towards the JS thread. Whether that was woken.
#[inline]
fn tell_host(area: &Area, index: LaneIndex, owed: u32) -> bool {
    let host = &area.header().host.0;
    publish_fence();
    // A bit that is set need not be set again: the host clears it before it looks at the ring for
    // the last time, so with the fences in between either it sees our bytes or we see it cleared.
    if owed & Interest::DATA_BIT != 0 && host.ready.load(Relaxed) & index.bit() == 0 {
        host.ready.fetch_or(index.bit(), SeqCst);
        fence(SeqCst);
    }
    host.bell.wake_if(|announced| {
        let concerns = HostSleep::concerns(announced, index, owed);
        if concerns {
            host.wakes_from(seat::here());
        }
        concerns
    })
}
