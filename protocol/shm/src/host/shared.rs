//! The state that all lanes share on the JS thread, and the one wait for all of them.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_wait::constants::{BRIEF_POLL_MAX, LANE_SPIN};
use hostd_wait::{AdaptiveSpin, Placement, YieldBackoff, current_cpu};

use crate::area::Area;
use crate::error::Violation;
use crate::lane::{Direction, HOME_LANE, Interest, LANES, LaneNumber};
use crate::parker::{ClientAnnouncement, HostAnnouncement, publish_fence};
use crate::ready::{ALL_LANES, ReadyBitmap};
use crate::ring::Consumer;
use crate::sync::{AcqRel, AtomicU32, Relaxed, SeqCst, fence};

/// What the lanes share on the JS thread.
pub(super) struct Shared {
    pub(super) area: Arc<Area>,
    /// Set by the wakers; private to this process.
    woken: Arc<AtomicU32>,
    pub(super) readers: [Cell<Consumer>; LANES],
    /// Lanes whose client was not notified yet of bytes written, of bytes read.
    unnotified_data: Cell<u64>,
    unnotified_space: Cell<u64>,
    /// The lane that was served last. Its ready bit stays set although its ring is empty, and the
    /// ring is polled instead: then a conversation touches the cache lines of its ring only.
    pub(super) hot: Cell<Option<LaneNumber>>,
    spin: Cell<AdaptiveSpin>,
    placement: Placement,
    /// The client that was woken last, or has woken this thread, needs this thread's CPU.
    skip_spin: Cell<bool>,
    /// See [`HostWaiter::expect_answer`](super::HostWaiter::expect_answer).
    pub(super) expects_answer: Cell<bool>,
    /// See [`HostWaiter::on_idle`](super::HostWaiter::on_idle).
    pub(super) on_idle: Cell<fn(Duration) -> bool>,
    yields: Cell<YieldBackoff>,
    /// See [`HostWaiter::on_wait`](super::HostWaiter::on_wait).
    pub(super) switch: OnceCell<Box<Switch>>,
}

/// How long the host may wait where the client's end runs on the same thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitLimit {
    /// Until it is notified.
    Unlimited,
    /// At most for so long from now.
    After(Duration),
    /// Until the time that the limit before it has set.
    Unchanged,
}

impl From<Option<Duration>> for WaitLimit {
    fn from(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::Unlimited, Self::After)
    }
}

/// Lets the client's end run on this thread, for as long as the host may wait. Whether there is something
/// else to do than what the rings have.
pub type Switch = dyn Fn(WaitLimit) -> bool;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(area: Arc<Area>, woken: Arc<AtomicU32>) -> Self {
        Self {
            area,
            woken,
            readers: std::array::from_fn(|_| Cell::new(Consumer::default())),
            unnotified_data: Cell::new(0),
            unnotified_space: Cell::new(0),
            hot: Cell::new(None),
            spin: Cell::new(AdaptiveSpin::new(LANE_SPIN)),
            placement: Placement::default(),
            skip_spin: Cell::new(false),
            expects_answer: Cell::new(false),
            on_idle: Cell::new(|_| false),
            yields: Cell::default(),
            switch: OnceCell::new(),
        }
    }

    /// The client is to be notified of what was written to this lane.
    #[inline]
    pub(super) fn note_data(&self, index: LaneNumber) {
        self.unnotified_data
            .set(self.unnotified_data.get() | index.bit());
    }

    /// The client is to be notified of space in this lane.
    pub(super) fn note_space(&self, index: LaneNumber) {
        self.unnotified_space
            .set(self.unnotified_space.get() | index.bit());
    }

    pub(super) fn readable(&self, index: LaneNumber) -> Result<usize, Violation> {
        let cell = &self.readers[index.get()];
        let mut reader = cell.get();
        let readable = reader.readable(self.area.ring(index, Direction::ToHost));
        cell.set(reader);
        readable
    }

    /// Notifies a lane's client, if there is something to notify it of.
    #[inline]
    pub(super) fn notify(&self, index: LaneNumber) {
        let bit = index.bit();
        let data = if self.unnotified_data.get() & bit == 0 {
            0
        } else {
            Interest::DATA_BIT
        };
        let space = if self.unnotified_space.get() & bit == 0 {
            0
        } else {
            Interest::SPACE_BIT
        };
        if data | space != 0 {
            self.unnotified_data.set(self.unnotified_data.get() & !bit);
            self.unnotified_space
                .set(self.unnotified_space.get() & !bit);
            publish_fence();
            let parker = &self.area.lane(index).parker.0;
            parker.unpark_if(|announced| {
                let concerns = announced & (data | space) != 0;
                if concerns && let Some(cpu) = ClientAnnouncement::cpu(announced) {
                    self.waking(cpu);
                }
                concerns
            });
        }
    }

    /// A client that parked on `cpu` is about to be woken. It may run before this thread continues,
    /// so a migration is announced now.
    #[cold]
    fn waking(&self, cpu: u32) {
        self.area.header().host.0.set_host_cpu(current_cpu());
        let successes = self.spin.get().successes();
        self.skip_spin
            .set(self.placement.record_wake(cpu, successes));
        self.announce_migration();
    }

    /// Tells the client that this thread leaves its CPU, if that is due.
    fn announce_migration(&self) {
        if self.placement.announce() {
            self.area.header().host.0.migrations.fetch_add(1, Relaxed);
        }
    }

    /// This thread was woken, by a call or otherwise. Whether a client on another CPU did it.
    fn woken_elsewhere(&self, is_call: bool) -> bool {
        let Some(cpu) = self.area.header().host.0.take_waker_cpu() else {
            return false;
        };
        let successes = self.spin.get().successes();
        let is_same_cpu = if is_call {
            self.placement.record_call(cpu, successes)
        } else {
            self.placement.record_wake(cpu, successes)
        };
        self.skip_spin.set(is_same_cpu);
        !is_same_cpu
    }

    /// Leaves this CPU to a client that has its reply.
    #[cold]
    fn migrate(&self) {
        self.announce_migration();
        if self.placement.migrate() {
            self.spin.set(self.spin.get().extended());
            self.skip_spin.set(false);
        }
    }

    #[inline]
    pub(super) fn notify_all(&self) {
        let unnotified = self.unnotified_data.get() | self.unnotified_space.get();
        for index in ReadyBitmap::new(unnotified, 0) {
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

    /// Lanes that have something to read. Clears the ready bits of empty rings.
    #[inline]
    pub(super) fn poll(&self) -> Result<u64, Violation> {
        let host = &self.area.header().host.0;
        let candidates = host.ready.load(SeqCst) & ALL_LANES;
        if candidates == 0 {
            return Ok(0);
        }
        let mut found = self.readable_of(candidates)?;
        let served = self.hot.get().map_or(0, LaneNumber::bit);
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

    /// Clears all ready bits and polls their rings once more: after the announcement.
    pub(super) fn last_poll(&self) -> Result<u64, Violation> {
        let host = &self.area.header().host.0;
        let candidates = host.ready.swap(0, SeqCst);
        fence(SeqCst);
        let found = self.readable_of(candidates)?;
        if found != 0 {
            host.ready.fetch_or(found, SeqCst);
        }
        Ok(found)
    }

    /// Whether no waker has woken this thread, and no client is to be notified.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_woken() && self.unnotified_data.get() | self.unnotified_space.get() == 0
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Relaxed) != 0
    }

    pub(super) fn take_woken(&self) -> bool {
        self.is_woken() && self.woken.swap(0, AcqRel) != 0
    }

    /// Lets the client's end run until `poll` finds something or the timeout expires (`None`).
    #[inline]
    fn wait_by<T>(
        &self,
        switch: &Switch,
        timeout: Option<Duration>,
        mut poll: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.notify_all();
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(found) = poll() {
                return Some(found);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            if switch(left.into()) {
                self.woken.store(1, Relaxed);
            }
        }
    }

    /// Spins, then parks, until `poll` finds something or the timeout expires (`None`). `poll` is
    /// passed whether the announcement was made.
    pub(super) fn wait<T>(
        &self,
        announcement: HostAnnouncement,
        timeout: Option<Duration>,
        mut poll: impl FnMut(bool) -> Option<T>,
    ) -> Option<T> {
        if let Some(switch) = self.switch.get() {
            return self.wait_by(&**switch, timeout, || poll(false));
        }
        let is_notice =
            self.expects_answer.take() || self.unnotified_data.get() & HOME_LANE.bit() != 0;
        if is_notice {
            self.placement.begin_notice();
        }
        let on_idle = self.on_idle.get();
        self.notify_all();
        if self.placement.is_leaving() {
            self.migrate();
        }
        let found = if self.skip_spin.take() {
            poll(false)
        } else {
            let mut spin = self.spin.get();
            let between = |passed| {
                if passed >= BRIEF_POLL_MAX && on_idle(passed) {
                    let mut yields = self.yields.get();
                    yields.maybe_yield();
                    self.yields.set(yields);
                }
            };
            let found = spin.until_between(|| poll(false), between);
            self.spin.set(spin);
            found
        };
        if found.is_some() {
            return found;
        }
        on_idle(Duration::MAX);
        let start = Instant::now();
        let deadline = timeout.and_then(|timeout| start.checked_add(timeout));
        let parker = &self.area.header().host.0.parker;
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            let mut found = None;
            parker.park(announcement.encode(), left, || {
                found = poll(true);
                found.is_some()
            });
            let is_call = !is_notice && matches!(announcement, HostAnnouncement::All);
            let is_elsewhere = self.woken_elsewhere(is_call);
            if let Some(found) = found.or_else(|| poll(false)) {
                if is_elsewhere {
                    let mut spin = self.spin.get();
                    spin.record_park(start.elapsed());
                    self.spin.set(spin);
                }
                return Some(found);
            }
        }
    }
}
