//! The client's end of one lane: writing, reading, notifying the host, and the wait for it, which spins,
//! yields and parks. Used by the thread that has leased the lane; `set_cancel` by any thread.

use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_wait::constants::{LANE_SPIN, PARK_MAX, SPURIOUS_PAUSE, SPURIOUS_WAKES_MAX};
use hostd_wait::{AdaptiveSpin, YieldBackoff, current_cpu};

use crate::area::Area;
use crate::error::Violation;
use crate::lane::{Direction, Interest, LaneNumber};
use crate::parker::{ClientAnnouncement, HostAnnouncement, publish_fence};
use crate::ring::{Consumer, Producer};
use crate::sync::{Acquire, Relaxed, Release, SeqCst, fence, pause};
use crate::top::try_take;
use crate::uninit::{append, as_uninit};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Ready,
    /// The check ended the wait.
    Stopped,
}

/// The client's end of a lane: writes towards the host, reads what comes from it.
#[derive(Debug)]
pub struct ClientRings {
    area: Arc<Area>,
    index: LaneNumber,
    to_host: Producer,
    to_client: Consumer,
    /// What the host was not notified of yet: bits of an [`Interest`], from the host's view.
    unnotified: u32,
    spin: AdaptiveSpin,
    yields: YieldBackoff,
    /// Migrations of the JS thread when this end last looked.
    migrations: u32,
    /// This end has woken the JS thread, perhaps on this CPU, since it last waited.
    has_woken: bool,
}

impl ClientRings {
    pub(super) fn new(area: Arc<Area>, index: LaneNumber) -> Self {
        let (to_host, to_client) = (Producer::default(), Consumer::default());
        Self {
            area,
            index,
            to_host,
            to_client,
            unnotified: 0,
            spin: AdaptiveSpin::new(LANE_SPIN),
            yields: YieldBackoff::new(),
            migrations: 0,
            has_woken: false,
        }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneNumber {
        self.index
    }

    /// Writes what fits into the ring towards the host and returns how much that was. Never
    /// blocks, and wakes no thread: see [`notify`](Self::notify).
    #[inline]
    pub fn write(&mut self, source: &[u8]) -> Result<usize, Violation> {
        let written = self
            .to_host
            .write(self.area.ring(self.index, Direction::ToHost), source)?;
        if written > 0 {
            self.unnotified |= Interest::DATA_BIT;
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
        append(target, limit, |target| self.read_uninit(target))
    }

    fn read_uninit(&mut self, target: &mut [MaybeUninit<u8>]) -> Result<usize, Violation> {
        let ring = self.area.ring(self.index, Direction::ToClient);
        let read = self.to_client.read(ring, target)?;
        if self.to_client.take_unnotified() {
            self.unnotified |= Interest::SPACE_BIT;
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

    /// Wakes the host, if it is parked, for what was written and read since the last call. Every wait
    /// calls this.
    #[inline]
    pub fn notify(&mut self) {
        if self.unnotified != 0 {
            let news = std::mem::take(&mut self.unnotified);
            self.has_woken |= notify_host(&self.area, self.index, news);
        }
    }

    /// Waits until there is something to read or space to write, as `interest` says, or `check`
    /// breaks. Spins before it parks.
    #[inline]
    pub fn wait(
        &mut self,
        interest: Interest,
        check: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Waited, Violation> {
        self.wait_in_slices(interest, &mut || PARK_MAX, check)
    }

    /// As [`wait`](Self::wait); `slice` says, before each park, how long that may take.
    #[inline]
    pub fn wait_in_slices(
        &mut self,
        interest: Interest,
        slice: &mut dyn FnMut() -> Duration,
        check: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Waited, Violation> {
        self.notify();
        let has_woken = std::mem::take(&mut self.has_woken);
        let found = if self.is_migrating() || has_woken {
            self.spin_and_yield(interest)
        } else {
            self.spin(interest)
        };
        match found {
            Some(found) => found.map(|()| Waited::Ready),
            None => self.park(interest, slice, check),
        }
    }

    /// Whether there is something to read or space to write, as `interest` says, within
    /// [`BRIEF_POLL_MAX`](hostd_wait::constants::BRIEF_POLL_MAX); polls once where spinning does not
    /// pay. Never parks.
    #[inline]
    pub fn poll_briefly(&mut self, interest: Interest) -> Result<bool, Violation> {
        self.notify();
        if self.has_woken {
            // Waking takes longer than that.
            return self.poll(interest).map(|found| found.is_some());
        }
        let mut spin = self.spin;
        let found = spin.briefly(|| self.poll(interest).transpose());
        self.spin = spin;
        found.transpose().map(|found| found.is_some())
    }

    #[inline]
    fn spin(&mut self, interest: Interest) -> Option<Result<(), Violation>> {
        let mut spin = self.spin;
        let found = spin.until(|| self.poll(interest).transpose());
        self.spin = spin;
        found
    }

    /// As [`spin`](Self::spin), while the JS thread may need this CPU: it wakes up or migrates.
    #[cold]
    fn spin_and_yield(&mut self, interest: Interest) -> Option<Result<(), Violation>> {
        let (mut spin, mut yields) = (self.spin, self.yields);
        let poll = || self.poll(interest).transpose();
        let found = spin.until_between(poll, |_| {
            yields.maybe_yield();
        });
        (self.spin, self.yields) = (spin, yields);
        found
    }

    /// Whether the JS thread migrates away from a client's CPU, or did since the last call: spinning
    /// pays then until it has arrived.
    #[inline]
    fn is_migrating(&mut self) -> bool {
        let migrations = self.area.header().host.0.migrations.load(Relaxed);
        let is_migrating = migrations != self.migrations;
        if is_migrating {
            self.migrations = migrations;
            self.spin = self.spin.extended();
        }
        is_migrating
    }

    #[cold]
    fn park(
        &mut self,
        interest: Interest,
        slice: &mut dyn FnMut() -> Duration,
        check: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Waited, Violation> {
        if self.is_migrating()
            && let Some(found) = self.spin_and_yield(interest)
        {
            return found.map(|()| Waited::Ready);
        }
        let area = Arc::clone(&self.area);
        let parker = &area.lane(self.index).parker.0;
        let start = Instant::now();
        let (mut outcome, mut spurious) = (None, 0);
        loop {
            let begin = Instant::now();
            let announcement = ClientAnnouncement::encode(interest, current_cpu());
            parker.park(announcement, Some(slice()), || {
                outcome = match self.poll(interest).transpose() {
                    Some(found) => Some(found.map(|()| Waited::Ready)),
                    None if check().is_break() => Some(Ok(Waited::Stopped)),
                    None => None,
                };
                outcome.is_some()
            });
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            if let Some(found) = self.poll(interest).transpose() {
                if area.header().host.0.is_host_elsewhere(current_cpu()) {
                    self.spin.record_park(start.elapsed());
                }
                return found.map(|()| Waited::Ready);
            }
            if begin.elapsed() < SPURIOUS_PAUSE {
                spurious += 1;
                if spurious > SPURIOUS_WAKES_MAX {
                    pause(SPURIOUS_PAUSE);
                }
            }
        }
    }

    /// Where the thread of this lane parks.
    #[cfg(not(loom))]
    pub(super) fn parker(&self) -> &crate::parker::Parker {
        &self.area.lane(self.index).parker.0
    }

    /// `Some` if what `interest` names is there.
    #[inline]
    fn poll(&mut self, interest: Interest) -> Result<Option<()>, Violation> {
        let ready =
            (interest.data() && self.readable()? > 0) || (interest.space() && self.writable()? > 0);
        Ok(ready.then_some(()))
    }

    /// Announces a turn on this lane, if the JS thread is at its top and no other turn is
    /// announced. Then the turn is to be sent at once: the host waits for it. Otherwise the host
    /// requests another turn when it comes to its top.
    pub fn try_take_top(&self) -> bool {
        try_take(&self.area, self.index)
    }

    /// Sets the cancel word, which the host reads with
    /// [`HostRings::cancel`](crate::HostRings::cancel), and wakes the host if it waits on this lane.
    /// Zero clears it; the two sides agree on the meaning of other values.
    pub fn set_cancel(&self, word: u32) {
        set_cancel(&self.area, self.index, word);
    }
}

pub(super) fn set_cancel(area: &Area, index: LaneNumber, word: u32) {
    area.lane(index).cancel.0.store(word, Release);
    if word != 0 {
        publish_fence();
        let either = Interest::Either.bits();
        let concerns = |announced| HostAnnouncement::concerns(announced, index, either);
        area.header().host.0.parker.unpark_if(concerns);
    }
}

pub(crate) fn cancel_word(area: &Area, index: LaneNumber) -> u32 {
    area.lane(index).cancel.0.load(Acquire)
}

/// The waker's half of the parking protocol, towards the JS thread. Whether that was woken.
#[inline]
fn notify_host(area: &Area, index: LaneNumber, news: u32) -> bool {
    let host = &area.header().host.0;
    publish_fence();
    // A bit that is set need not be set again: the host clears it before it polls the ring for the
    // last time, so with the fences in between either it sees our bytes or we see it cleared.
    if news & Interest::DATA_BIT != 0 && host.ready.load(Relaxed) & index.bit() == 0 {
        host.ready.fetch_or(index.bit(), SeqCst);
        fence(SeqCst);
    }
    host.parker.unpark_if(|announced| {
        let concerns = HostAnnouncement::concerns(announced, index, news);
        if concerns {
            host.set_waker_cpu(current_cpu());
        }
        concerns
    })
}
