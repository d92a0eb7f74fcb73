//! What the ends on the JS thread have in common: one sleep for all lanes, and what comes before it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::area::Area;
use crate::bell::{HostSleep, LaneSleep, publish_fence};
use crate::error::Violation;
use crate::layout::{
    Direction, HOME_LANE, Interest, LANES, LaneIndex, PATIENT_SPIN_TIME, SPIN_TIME,
};
use crate::ready::{ALL_LANES, ReadyBitmap};
use crate::ring::Consumer;
use crate::seat::{self, Courtesy, Seat};
use crate::spin::{MOMENT, Spin};
use crate::sync::{AcqRel, AtomicU32, Relaxed, SeqCst, fence};

/// What the ends on the JS thread have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) area: Arc<Area>,
    /// Set by the wakers; private to this process.
    rung: Arc<AtomicU32>,
    pub(super) readers: [Cell<Consumer>; LANES],
    /// Lanes whose client was not told yet of bytes written, of bytes read.
    owed_data: Cell<u64>,
    owed_space: Cell<u64>,
    /// The lane that was served last. Its ready bit is left set although its ring is empty, and
    /// the ring is looked at instead: then a conversation touches no line but the ring's.
    hot: Cell<Option<LaneIndex>>,
    spin: Cell<Spin>,
    /// For the wait that follows a notice: an answer takes as long as it takes to wake a thread.
    patient: Cell<Spin>,
    seat: Seat,
    /// Whoever was woken last, or has woken this thread, can't run before it sleeps.
    crowded: Cell<bool>,
    /// The client was told by other means than the home lane.
    expects: Cell<bool>,
    /// See [`HostWaiter::on_idle`](super::HostWaiter::on_idle).
    on_idle: Cell<fn(Duration) -> bool>,
    courtesy: Cell<Courtesy>,
}

impl Shared {
    pub(super) fn new(area: Arc<Area>, rung: Arc<AtomicU32>) -> Self {
        Self {
            area,
            rung,
            readers: std::array::from_fn(|_| Cell::new(Consumer::default())),
            owed_data: Cell::new(0),
            owed_space: Cell::new(0),
            hot: Cell::new(None),
            spin: Cell::new(Spin::new(SPIN_TIME)),
            patient: Cell::new(Spin::new(PATIENT_SPIN_TIME)),
            seat: Seat::new(),
            crowded: Cell::new(false),
            expects: Cell::new(false),
            on_idle: Cell::new(|_| false),
            courtesy: Cell::default(),
        }
    }

    /// This lane is served now.
    pub(super) fn serves(&self, index: LaneIndex) {
        self.hot.set(Some(index));
    }

    /// The client will be told of what was written to this lane.
    #[inline]
    pub(super) fn owe_data(&self, index: LaneIndex) {
        self.owed_data.set(self.owed_data.get() | index.bit());
    }

    /// The client will be told of room in this lane.
    pub(super) fn owe_space(&self, index: LaneIndex) {
        self.owed_space.set(self.owed_space.get() | index.bit());
    }

    /// See [`HostWaiter::expect_answer`](super::HostWaiter::expect_answer).
    pub(super) fn expect_answer(&self) {
        self.expects.set(true);
    }

    /// See [`HostWaiter::on_idle`](super::HostWaiter::on_idle).
    pub(super) fn on_idle(&self, hook: fn(Duration) -> bool) {
        self.on_idle.set(hook);
    }

    /// Never spin again.
    pub(super) fn disable_spin(&self) {
        self.spin.set(Spin::never());
        self.patient.set(Spin::never());
    }

    pub(super) fn readable(&self, index: LaneIndex) -> Result<usize, Violation> {
        let cell = &self.readers[index.get()];
        let mut reader = cell.get();
        let readable = reader.readable(self.area.ring(index, Direction::ToHost));
        cell.set(reader);
        readable
    }

    /// Pays what is owed to a lane's client.
    #[inline]
    pub(super) fn notify(&self, index: LaneIndex) {
        let bit = index.bit();
        let data = if self.owed_data.get() & bit == 0 {
            0
        } else {
            Interest::DATA_BIT
        };
        let space = if self.owed_space.get() & bit == 0 {
            0
        } else {
            Interest::SPACE_BIT
        };
        if data | space != 0 {
            self.owed_data.set(self.owed_data.get() & !bit);
            self.owed_space.set(self.owed_space.get() & !bit);
            publish_fence();
            let bell = &self.area.lane(index).bell.0;
            bell.wake_if(|announced| {
                let concerns = announced & (data | space) != 0;
                if concerns && let Some(cpu) = LaneSleep::cpu(announced) {
                    self.wakes(cpu);
                }
                concerns
            });
        }
    }

    /// A client is about to be woken that went to sleep on this CPU, or on another. It may run before
    /// this thread does anything else, so it is told now if it is to be left alone there.
    #[cold]
    fn wakes(&self, cpu: u32) {
        self.area.header().host.0.sits_on(seat::here());
        let is_here = self.seat.met(cpu, self.spin.get().won());
        self.crowded.set(is_here);
        self.tell_of_leave();
    }

    /// Tells the client that this thread leaves its CPU, if it does.
    fn tell_of_leave(&self) {
        if self.seat.tell() {
            self.area.header().host.0.moves.fetch_add(1, Relaxed);
        }
    }

    /// This thread was woken: by a client on this CPU, for a call perhaps, or otherwise. Whether one
    /// did on another CPU.
    fn woken(&self, is_called: bool) -> bool {
        let Some(cpu) = self.area.header().host.0.take_waker() else {
            return false;
        };
        let won = self.spin.get().won();
        let is_here = if is_called {
            self.seat.called(cpu, won)
        } else {
            self.seat.met(cpu, won)
        };
        self.crowded.set(is_here);
        !is_here
    }

    /// Leaves this CPU to a client that has its answer.
    #[cold]
    fn leave(&self) {
        self.tell_of_leave();
        if self.seat.leave() {
            self.spin.set(self.spin.get().renewed());
            self.crowded.set(false);
        }
    }

    #[inline]
    pub(super) fn notify_all(&self) {
        let owed = self.owed_data.get() | self.owed_space.get();
        for index in ReadyBitmap::new(owed, 0) {
            self.notify(index);
        }
    }

    /// Lanes of `candidates` that have something to read.
    #[inline]
    fn readable_of(&self, candidates: u64) -> Result<u64, Violation> {
        let mut found = 0;
        for index in ReadyBitmap::new(candidates & ALL_LANES, 0) {
            if self.readable(index)? > 0 {
                found |= index.bit();
            }
        }
        Ok(found)
    }

    /// Lanes that have something to read. Ready bits of empty rings are cleared on the way.
    #[inline]
    pub(super) fn look(&self) -> Result<u64, Violation> {
        let host = &self.area.header().host.0;
        let candidates = host.ready.load(SeqCst) & ALL_LANES;
        if candidates == 0 {
            return Ok(0);
        }
        let mut found = self.readable_of(candidates)?;
        let served = self.hot.get().map_or(0, LaneIndex::bit);
        let empty = candidates & !found & !served;
        if empty != 0 {
            host.ready.fetch_and(!empty, SeqCst);
            fence(SeqCst);
            let late = self.readable_of(empty)?;
            if late != 0 {
                host.ready.fetch_or(late, SeqCst);
                found |= late;
            }
        }
        Ok(found)
    }

    /// Clears all ready bits and looks at their rings once more; for the sleeper.
    pub(super) fn last_look(&self) -> Result<u64, Violation> {
        let host = &self.area.header().host.0;
        let candidates = host.ready.swap(0, SeqCst);
        fence(SeqCst);
        let found = self.readable_of(candidates)?;
        if found != 0 {
            host.ready.fetch_or(found, SeqCst);
        }
        Ok(found)
    }

    pub(super) fn rung(&self) -> bool {
        self.rung.load(Relaxed) != 0
    }

    pub(super) fn take_rung(&self) -> bool {
        self.rung() && self.rung.swap(0, AcqRel) != 0
    }

    /// Spins, then sleeps, until `look` finds something or the time is over (`None`). What `look`
    /// is told: whether the sleep has been announced.
    pub(super) fn wait<T>(
        &self,
        sleep: HostSleep,
        timeout: Option<Duration>,
        mut look: impl FnMut(bool) -> Option<T>,
    ) -> Option<T> {
        let is_noticed = self.expects.take() || self.owed_data.get() & HOME_LANE.bit() != 0;
        if is_noticed {
            self.seat.begin();
        }
        let on_idle = self.on_idle.get();
        self.notify_all();
        if self.seat.is_leaving() {
            self.leave();
        }
        let kept = if is_noticed {
            &self.patient
        } else {
            &self.spin
        };
        let found = if self.crowded.take() {
            look(false)
        } else {
            let mut spin = kept.get();
            let between = |passed| {
                if passed >= MOMENT && on_idle(passed) {
                    let mut courtesy = self.courtesy.get();
                    courtesy.step_aside();
                    self.courtesy.set(courtesy);
                }
            };
            let found = spin.until_between(|| look(false), between);
            kept.set(spin);
            found
        };
        if found.is_some() {
            return found;
        }
        on_idle(Duration::MAX);
        let start = Instant::now();
        let deadline = timeout.and_then(|timeout| start.checked_add(timeout));
        let bell = &self.area.header().host.0.bell;
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            let mut found = None;
            bell.sleep(sleep.encode(), left, || {
                found = look(true);
                found.is_some()
            });
            let is_apart = self.woken(!is_noticed && matches!(sleep, HostSleep::All));
            if let Some(found) = found.or_else(|| look(false)) {
                if is_apart {
                    let mut spin = kept.get();
                    spin.slept(start.elapsed());
                    kept.set(spin);
                }
                return Some(found);
            }
        }
    }
}
