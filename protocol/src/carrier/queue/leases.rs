//! Which lanes are leased, and the queue of threads that wait for one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

use super::sync::{lock, wait_on};
use crate::carrier::waiting::{Idle, slice};
use crate::error::{ProtocolError, Result};
use crate::ids::{HOME_LANE, LaneIndex};

/// The leases of all lanes, first come first served.
#[derive(Debug)]
pub(super) struct Leases {
    state: Mutex<LeaseState>,
    changed: Condvar,
}

#[derive(Debug)]
struct LeaseState {
    free: u64,
    home_free: bool,
    queue: VecDeque<u64>,
    next: u64,
}

impl Leases {
    pub(super) fn new() -> Self {
        let state = LeaseState {
            free: !1,
            home_free: true,
            queue: VecDeque::new(),
            next: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Wakes every waiting thread, which then finds that the other side is gone.
    pub(super) fn disconnect(&self) {
        let _state = lock(&self.state);
        self.changed.notify_all();
    }

    /// Takes the home lane; false if it is leased.
    pub(super) fn take_home(&self) -> bool {
        std::mem::take(&mut lock(&self.state).home_free)
    }

    pub(super) fn take(
        &self,
        hint: Option<LaneIndex>,
        gone: &AtomicBool,
        idle: &mut dyn Idle,
    ) -> Result<LaneIndex> {
        let ticket = {
            let mut state = lock(&self.state);
            let ticket = state.next;
            state.next += 1;
            state.queue.push_back(ticket);
            ticket
        };
        loop {
            let mut state = lock(&self.state);
            let outcome = if gone.load(Ordering::Acquire) {
                Some(Err(ProtocolError::Disconnected))
            } else if state.queue.front() == Some(&ticket) && state.free != 0 {
                let hinted = hint.filter(|lane| state.free & (1 << lane.0) != 0);
                let lane = hinted.unwrap_or(LaneIndex(first(state.free)));
                state.free &= !(1 << lane.0);
                Some(Ok(lane))
            } else {
                drop(wait_on(&self.changed, state, slice(idle.until())));
                let verdict = idle.check();
                state = lock(&self.state);
                verdict.err().map(|_| Err(ProtocolError::Interrupted))
            };
            if let Some(outcome) = outcome {
                state.queue.retain(|other| *other != ticket);
                self.changed.notify_all();
                return outcome;
            }
        }
    }

    /// Whether this lane is leased.
    pub(super) fn is_leased(&self, lane: LaneIndex) -> bool {
        let state = lock(&self.state);
        if lane == HOME_LANE {
            !state.home_free
        } else {
            state.free & (1 << lane.0) == 0
        }
    }

    pub(super) fn give_back(&self, lane: LaneIndex) {
        let mut state = lock(&self.state);
        if lane == HOME_LANE {
            state.home_free = true;
        } else {
            state.free |= 1 << lane.0;
        }
        self.changed.notify_all();
    }
}

/// The lowest lane of a set that is not empty.
fn first(lanes: u64) -> u16 {
    u16::try_from(lanes.trailing_zeros()).unwrap_or(0)
}
