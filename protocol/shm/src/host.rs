//! The host's end: the JS thread serves all lanes and sleeps on one word.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::area::Area;
use crate::bell::{HostSleep, LaneSleep, MODE_FUTEX, publish_fence};
use crate::client::{append, as_uninit, cancel_word};
use crate::cord::HostCord;
use crate::error::Violation;
use crate::layout::{
    Direction, HOME_LANE, Interest, LANES, LaneIndex, PATIENT_SPIN_TIME, SPIN_TIME,
};
use crate::ready::{ALL_LANES, ReadyBitmap};
use crate::ring::{Consumer, Producer};
use crate::seat::{self, Seat};
use crate::spin::{MOMENT, Spin};
use crate::sync::{AcqRel, AtomicU32, Relaxed, SeqCst, fence};
use crate::top::HostTop;

/// The host's end of a segment, taken apart. All but the waker stays on the JS thread.
#[derive(Debug)]
pub struct Host {
    /// Waits for all lanes at once.
    pub waiter: HostWaiter,
    /// The lanes, by number; the first is the home lane.
    pub lanes: Vec<HostLane>,
    /// Wakes the JS thread from other threads of this process.
    pub waker: HostWaker,
    /// The word that says whether the JS thread is at its top.
    pub top: HostTop,
    /// The word that says whether the client's cord is watched.
    pub cord: HostCord,
}

impl Host {
    pub(crate) fn new(area: Arc<Area>) -> Self {
        area.header().host.0.mode.store(MODE_FUTEX, SeqCst);
        let rung = Arc::new(AtomicU32::new(0));
        let shared = Rc::new(Shared {
            area: Arc::clone(&area),
            rung: Arc::clone(&rung),
            readers: std::array::from_fn(|_| Cell::new(Consumer::default())),
            owed_data: Cell::new(0),
            owed_space: Cell::new(0),
            hot: Cell::new(None),
            spin: Cell::new(Spin::new(SPIN_TIME)),
            patient: Cell::new(Spin::new(PATIENT_SPIN_TIME)),
            seat: Seat::new(),
            crowded: Cell::new(false),
            expects: Cell::new(false),
            aside: Cell::new(false),
        });
        let lane = |index| HostLane {
            shared: Rc::clone(&shared),
            index,
            writer: Producer::default(),
        };
        Self {
            lanes: LaneIndex::all().map(lane).collect(),
            waiter: HostWaiter { shared, start: 0 },
            waker: HostWaker {
                area: Arc::clone(&area),
                rung,
            },
            top: HostTop(Arc::clone(&area)),
            cord: HostCord(area),
        }
    }
}

/// What the ends on the JS thread have in common.
#[derive(Debug)]
struct Shared {
    area: Arc<Area>,
    /// Set by the wakers; private to this process.
    rung: Arc<AtomicU32>,
    readers: [Cell<Consumer>; LANES],
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
    /// Other threads of this process have something to do.
    aside: Cell<bool>,
}

impl Shared {
    fn readable(&self, index: LaneIndex) -> Result<usize, Violation> {
        let cell = &self.readers[index.get()];
        let mut reader = cell.get();
        let readable = reader.readable(self.area.ring(index, Direction::ToHost));
        cell.set(reader);
        readable
    }

    /// Pays what is owed to a lane's client.
    #[inline]
    fn notify(&self, index: LaneIndex) {
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
    fn notify_all(&self) {
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
    fn look(&self) -> Result<u64, Violation> {
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
    fn last_look(&self) -> Result<u64, Violation> {
        let host = &self.area.header().host.0;
        let candidates = host.ready.swap(0, SeqCst);
        fence(SeqCst);
        let found = self.readable_of(candidates)?;
        if found != 0 {
            host.ready.fetch_or(found, SeqCst);
        }
        Ok(found)
    }

    fn rung(&self) -> bool {
        self.rung.load(Relaxed) != 0
    }

    fn take_rung(&self) -> bool {
        self.rung() && self.rung.swap(0, AcqRel) != 0
    }

    /// Spins, then sleeps, until `look` finds something or the time is over (`None`). What `look`
    /// is told: whether the sleep has been announced.
    fn wait<T>(
        &self,
        sleep: HostSleep,
        timeout: Option<Duration>,
        mut look: impl FnMut(bool) -> Option<T>,
    ) -> Option<T> {
        let is_noticed = self.expects.take() || self.owed_data.get() & HOME_LANE.bit() != 0;
        if is_noticed {
            self.seat.begin();
        }
        let aside = self.aside.take();
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
                if aside && passed >= MOMENT {
                    seat::step_aside();
                }
            };
            let found = spin.until_between(|| look(false), between);
            kept.set(spin);
            found
        };
        if found.is_some() {
            return found;
        }
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

/// What a wait of the JS thread found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Lanes that have something to read, in the order in which to serve them.
    pub lanes: ReadyBitmap,
    /// Whether a [`HostWaker`] rang since the last time that this was said.
    pub rung: bool,
}

impl Ready {
    /// Whether the time was over before anything came.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty() && !self.rung
    }
}

/// Waits for all lanes at once, at the JS thread's top or wherever it serves every lane.
#[derive(Debug)]
pub struct HostWaiter {
    shared: Rc<Shared>,
    /// Where the next round begins.
    start: u8,
}

impl HostWaiter {
    /// Waits until a lane has something to read or a [`HostWaker`] rings, at most for `timeout`.
    /// Pays first what is owed to any client.
    ///
    /// Serve the lanes in the order given, each once, and wait again; a lane that still has
    /// something then is found again without sleeping.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Ready, Violation> {
        let shared = &self.shared;
        let found = shared.wait(HostSleep::All, timeout, |last| {
            match if last {
                shared.last_look()
            } else {
                shared.look()
            } {
                Ok(0) if !shared.rung() => None,
                found => Some(found),
            }
        });
        let lanes = ReadyBitmap::new(found.transpose()?.unwrap_or(0), self.start);
        if let Some(first) = lanes.first() {
            self.shared.hot.set(Some(first));
            self.start = first.number().wrapping_add(1) % 64;
        }
        Ok(Ready {
            lanes,
            rung: self.shared.take_rung(),
        })
    }

    /// What can be read now, without waiting.
    pub fn poll(&mut self) -> Result<Ready, Violation> {
        self.shared.notify_all();
        let lanes = ReadyBitmap::new(self.shared.look()?, self.start);
        Ok(Ready {
            lanes,
            rung: self.shared.take_rung(),
        })
    }

    /// The next wait is for the client's answer to something that it was told by other means than
    /// the home lane.
    pub fn expect_answer(&mut self) {
        self.shared.expects.set(true);
    }

    /// Other threads of this process have something to do, on this CPU perhaps: the next wait lets
    /// them, however soon it looks again.
    pub fn step_aside(&mut self) {
        self.shared.aside.set(true);
    }

    /// Never spin again (for measurements).
    pub fn disable_spin(&mut self) {
        self.shared.spin.set(Spin::never());
        self.shared.patient.set(Spin::never());
    }
}

/// How a wait on one lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostWait {
    /// What was waited for is there.
    Ready,
    /// A [`HostWaker`] rang.
    Rung,
    /// The client set the lane's cancel word, and nothing came otherwise.
    Cancelled,
    /// The time was over.
    TimedOut,
}

/// The host's end of a lane: reads what comes from the client, writes towards it.
#[derive(Debug)]
pub struct HostLane {
    shared: Rc<Shared>,
    index: LaneIndex,
    writer: Producer,
}

impl HostLane {
    /// The lane's number.
    pub fn index(&self) -> LaneIndex {
        self.index
    }

    /// Writes what fits into the ring towards the client and returns how much that was. Never
    /// blocks. Wakes nobody: see [`notify`](Self::notify).
    #[inline]
    pub fn write(&mut self, source: &[u8]) -> Result<usize, Violation> {
        let ring = self.shared.area.ring(self.index, Direction::ToClient);
        let written = self.writer.write(ring, source)?;
        if written > 0 {
            self.shared
                .owed_data
                .set(self.shared.owed_data.get() | self.index.bit());
        }
        Ok(written)
    }

    /// Reads what has come from the client, at most `target` full, and returns how much that was.
    /// Never blocks.
    #[inline]
    pub fn read(&mut self, target: &mut [u8]) -> Result<usize, Violation> {
        self.read_uninit(as_uninit(target))
    }

    /// Appends at most `limit` bytes of what has come from the client to `target`, and returns how
    /// many that were. Never blocks.
    #[inline]
    pub fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize, Violation> {
        let limit = limit.min(self.readable()?);
        append(target, limit, |spare| self.read_uninit(spare))
    }

    fn read_uninit(&mut self, target: &mut [MaybeUninit<u8>]) -> Result<usize, Violation> {
        let cell = &self.shared.readers[self.index.get()];
        let mut reader = cell.get();
        let read = reader.read(self.shared.area.ring(self.index, Direction::ToHost), target);
        let telling = reader.take_untold();
        cell.set(reader);
        let read = read?;
        if telling {
            self.shared
                .owed_space
                .set(self.shared.owed_space.get() | self.index.bit());
        }
        Ok(read)
    }

    /// How many bytes can be read now.
    #[inline]
    pub fn readable(&mut self) -> Result<usize, Violation> {
        self.shared.readable(self.index)
    }

    /// How many bytes can be written now.
    #[inline]
    pub fn writable(&mut self) -> Result<usize, Violation> {
        self.writer
            .writable(self.shared.area.ring(self.index, Direction::ToClient))
    }

    /// Tells the client, if it sleeps, of what was written and read since the last time. Waits do
    /// this by themselves, for all lanes.
    #[inline]
    pub fn notify(&mut self) {
        self.shared.notify(self.index);
    }

    /// Waits on this lane alone: for a callback's reply, for the rest of a frame, for room.
    /// Ends as `Rung` only if a [`HostWaker`] rang and nothing is there; the ring counts as
    /// answered then, so the caller does what it would do at its top, or remembers to. Ends as
    /// `Cancelled` only if the client's cancel word differs from `cancel`, the value that the
    /// caller knows of.
    pub fn wait(
        &mut self,
        interest: Interest,
        cancel: u32,
        timeout: Option<Duration>,
    ) -> Result<HostWait, Violation> {
        let shared = Rc::clone(&self.shared);
        let sleep = HostSleep::Lane(self.index, interest);
        let found = shared.wait(sleep, timeout, |_| self.look(interest, cancel).transpose());
        match found.transpose()? {
            Some(HostWait::Rung) => {
                shared.take_rung();
                Ok(HostWait::Rung)
            }
            Some(found) => Ok(found),
            None => Ok(HostWait::TimedOut),
        }
    }

    #[inline]
    fn look(&mut self, interest: Interest, cancel: u32) -> Result<Option<HostWait>, Violation> {
        if (interest.data() && self.readable()? > 0) || (interest.space() && self.writable()? > 0) {
            return Ok(Some(HostWait::Ready));
        }
        if self.shared.rung() {
            return Ok(Some(HostWait::Rung));
        }
        Ok((self.cancel() != cancel).then_some(HostWait::Cancelled))
    }

    /// The lane's cancel word, as the client set it.
    #[inline]
    pub fn cancel(&self) -> u32 {
        cancel_word(&self.shared.area, self.index)
    }

    /// A reader of the cancel word for the engine's interrupt handler.
    pub fn cancel_flag(&self) -> CancelFlag {
        CancelFlag {
            area: Arc::clone(&self.shared.area),
            index: self.index,
            here: PhantomData,
        }
    }
}

/// Reads a lane's cancel word; for the engine's interrupt handler, on the JS thread.
#[derive(Debug, Clone)]
pub struct CancelFlag {
    area: Arc<Area>,
    index: LaneIndex,
    here: PhantomData<Rc<()>>,
}

impl CancelFlag {
    /// The word, as the client set it.
    #[inline]
    pub fn get(&self) -> u32 {
        cancel_word(&self.area, self.index)
    }
}

/// Wakes the JS thread, from any thread of the host process: control messages, completions,
/// threadsafe functions.
#[derive(Debug, Clone)]
pub struct HostWaker {
    area: Arc<Area>,
    rung: Arc<AtomicU32>,
}

impl HostWaker {
    /// Makes the next or the present wait of the JS thread end. What was written before is visible
    /// after it. Cheap if it has been rung already and the JS thread has not taken notice yet.
    pub fn wake(&self) {
        if self.rung.swap(1, AcqRel) == 0 {
            publish_fence();
            self.area.header().host.0.bell.wake_if(|_| true);
        }
    }
}
