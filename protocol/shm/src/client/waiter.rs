//! One thread that waits for data on the home lanes of many hosts.
//!
//! It parks on the words of all lanes and one of its own, by the protocol of `parker`: it announces
//! its wait to each host, polls once more, and waits for the words as they were before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_wait::constants::{LANE_SPIN, SPURIOUS_PAUSE, SPURIOUS_WAKES_MAX};
use hostd_wait::{AdaptiveSpin, current_cpu};

use super::ClientRings;
use crate::lane::Interest;
use crate::parker::{ClientAnnouncement, Parker, publish_fence};
use crate::sync::{SeqCst, WAIT_WORDS_MAX, fence, has_wait_any, pause, wait_any};

/// The most lanes for which one thread waits.
pub const WAIT_LANES_MAX: usize = WAIT_WORDS_MAX - 1;

/// Whether the system can wait for several lanes at once; otherwise a [`LaneWaiter`] takes none.
pub fn can_wait_for_lanes() -> bool {
    has_wait_any()
}

/// Wakes a [`LaneWaiter`], from any thread.
#[derive(Debug, Clone, Default)]
pub struct LaneWaiterWaker(Arc<Parker>);

impl LaneWaiterWaker {
    /// Has the wait end, or the next one, whose `is_ready` then finds what was changed before.
    pub fn wake(&self) {
        publish_fence();
        self.0.unpark_if(|_| true);
    }
}

/// The wait of one thread for many lanes.
#[derive(Debug)]
pub struct LaneWaiter {
    waker: LaneWaiterWaker,
    spin: AdaptiveSpin,
    /// Parks in a row that brought nothing.
    spurious: u32,
}

impl LaneWaiter {
    /// A wait that `waker` ends.
    pub fn new(waker: LaneWaiterWaker) -> Self {
        Self {
            waker,
            spin: AdaptiveSpin::new(LANE_SPIN),
            spurious: 0,
        }
    }

    /// Waits until one of these lanes has something to read, until it is woken, or until the timeout,
    /// or for a spurious reason; not if `is_ready`. Spins before it parks. A lane with a corrupt index
    /// counts as ready.
    pub fn wait<L: AsMut<ClientRings>>(
        &mut self,
        lanes: &mut [L],
        timeout: Option<Duration>,
        mut is_ready: impl FnMut() -> bool,
    ) {
        for lane in lanes.iter_mut() {
            lane.as_mut().notify();
        }
        let mut spin = self.spin;
        let found = spin.until(|| (is_ready() || any_readable(lanes)).then_some(()));
        self.spin = spin;
        if found.is_some() {
            self.spurious = 0;
            return;
        }
        let begin = Instant::now();
        let found = self.park(lanes, timeout, &mut is_ready);
        if found || timeout.is_some_and(|timeout| begin.elapsed() >= timeout) {
            self.spurious = 0;
            if found {
                self.spin.record_park(begin.elapsed());
            }
        } else if begin.elapsed() < SPURIOUS_PAUSE {
            self.spurious += 1;
            if self.spurious > SPURIOUS_WAKES_MAX {
                pause(SPURIOUS_PAUSE);
            }
        }
    }

    fn park<L: AsMut<ClientRings>>(
        &self,
        lanes: &mut [L],
        timeout: Option<Duration>,
        is_ready: &mut dyn FnMut() -> bool,
    ) -> bool {
        let own = &self.waker.0;
        let announcement = ClientAnnouncement::encode(Interest::Data, current_cpu());
        let mut seen = [0; WAIT_LANES_MAX];
        let own_seen = own.announce(announcement);
        for (lane, seen) in lanes.iter_mut().zip(&mut seen) {
            *seen = lane.as_mut().parker().announce(announcement);
        }
        fence(SeqCst);
        if !is_ready() && !any_readable(lanes) {
            let words = lanes
                .iter_mut()
                .map(|lane| lane.as_mut().parker().futex())
                .zip(seen);
            wait_any([(own.futex(), own_seen)].into_iter().chain(words), timeout);
        }
        own.withdraw();
        for lane in lanes.iter_mut().take(WAIT_LANES_MAX) {
            lane.as_mut().parker().withdraw();
        }
        is_ready() || any_readable(lanes)
    }
}

fn any_readable<L: AsMut<ClientRings>>(lanes: &mut [L]) -> bool {
    lanes
        .iter_mut()
        .any(|lane| lane.as_mut().readable() != Ok(0))
}
