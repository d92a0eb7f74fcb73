//! A turn: what the host owes itself, in the order of Node's loop. Timers that are due, then what
//! threads posted, then immediates, then the finalizers of threadsafe functions that ended, and round
//! again while the budget lasts. Where an addon uses libuv, its loop runs in place of the second and
//! third, and they in the middle of it. After each single item next ticks, microtasks and finalizers
//! run, as after each callback of Node's.

use std::time::{Duration, Instant};

use hostd_engine::Value;

use super::entry::Depth;
use super::{HostState, Origin};

/// How much a turn may still do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    items: usize,
    end: Option<Instant>,
    /// When the clock was looked at, after how many items it is looked at again, and how many of
    /// these are left.
    looked: Option<Instant>,
    stride: u32,
    left: u32,
}

/// Items that take less are many before the clock is looked at again, but not more than that.
const QUICK: Duration = Duration::from_micros(5);
const MOST_UNSEEN: u32 = 8;

impl Budget {
    fn new(items: usize, time: Duration) -> Self {
        Self {
            items,
            end: Instant::now().checked_add(time),
            ..Self::default()
        }
    }

    /// Any number of items, until then.
    pub(super) fn until(end: Instant) -> Self {
        Self {
            items: usize::MAX,
            end: Some(end),
            ..Self::default()
        }
    }

    /// Counts an item that was done. False if that was the last one.
    pub(crate) fn spend(&mut self) -> bool {
        self.items = self.items.saturating_sub(1);
        if self.items > 0 && self.left > 1 {
            self.left -= 1;
            return true;
        }
        let now = Instant::now();
        self.pace(now);
        self.items > 0 && self.end.is_none_or(|end| now < end)
    }

    /// Finds out how many items may be done before the clock is looked at again.
    fn pace(&mut self, now: Instant) {
        let is_quick = |looked| now.saturating_duration_since(looked) < QUICK * self.stride;
        self.stride = if self.looked.is_some_and(is_quick) {
            (self.stride * 2).min(MOST_UNSEEN)
        } else {
            1
        };
        self.left = self.stride;
        self.looked = Some(now);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.items == 0 || self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// Where in its round a loop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Timers that are due.
    #[default]
    Timers,
    /// What threads posted.
    Events,
    /// Immediates.
    Immediates,
    /// Threadsafe functions that have come to their end.
    Closing,
}

impl HostState {
    /// See [`super::Host::has_pending`].
    pub(super) fn has_pending(&self) -> bool {
        self.inbox.is_filled()
            || self.timers.borrow().is_due()
            || self.is_unsettled()
            || self.uv.is_due()
            || self.round.borrow().is_closing()
    }

    /// See [`super::Host::turn`].
    pub(super) fn turn(&'static self, max_items: usize, max: Duration) -> bool {
        // JavaScript that waits on the stack runs to completion first.
        if self.is_nested() || self.is_closed() || max_items == 0 {
            return self.has_pending();
        }
        // One entry deep, whoever made it: that is where items are settled.
        let _depth = self.is_idle().then(|| Depth::enter(self));
        let mut budget = Budget::new(max_items, max);
        loop {
            // What died with an item after it was settled counts as pending too.
            if !self.holds_ticks.get() {
                self.settle_item();
            }
            // What a turn did not come to is where the next one goes on, or timers would overtake
            // immediates.
            let phase = self.phase.get();
            let (next, is_cut) = match phase {
                Phase::Timers => {
                    self.run_timers(&mut budget);
                    (Phase::Events, self.timers.borrow_mut().is_cut())
                }
                Phase::Events => {
                    let next = if self.uv.is_open() {
                        self.run_uv(&mut budget);
                        if self.timers.borrow().is_batch_left() {
                            Phase::Immediates
                        } else {
                            Phase::Closing
                        }
                    } else {
                        self.serve_events(&mut budget);
                        Phase::Immediates
                    };
                    (next, self.round.borrow().is_cut())
                }
                Phase::Immediates => {
                    self.run_immediates(&mut budget);
                    (Phase::Closing, self.timers.borrow().is_batch_left())
                }
                Phase::Closing => {
                    self.finalize_closing(&mut budget);
                    (Phase::Timers, self.round.borrow().is_closing())
                }
            };
            self.phase.set(if is_cut { phase } else { next });
            let is_round = next == Phase::Timers && !self.has_pending();
            if budget.is_spent() || is_round {
                break;
            }
        }
        self.left_holding.set(self.holds_ticks.get());
        self.has_pending()
    }

    fn run_timers(&'static self, budget: &mut Budget) {
        let mut has_run = self.timers.borrow_mut().is_cut();
        while !budget.is_spent() {
            let due = self.timers.borrow_mut().next_due();
            let (Some(timer), Some((call, _))) = (due, self.timer_calls.get()) else {
                if has_run {
                    self.settle_item();
                }
                return;
            };
            self.run_timer(call, timer);
            has_run = true;
            budget.spend();
        }
    }

    /// Calls a timer or an immediate; false if it threw.
    fn run_timer(&'static self, call: &Value, timer: Value) -> bool {
        match self.rt.call(call, &Value::UNDEFINED, &[timer]) {
            Ok(_) => {
                self.settle_item();
                true
            }
            Err(thrown) => {
                self.uncaught(&thrown, Origin::Timer);
                self.hold_ticks();
                false
            }
        }
    }

    /// After an error that a timer, an immediate or a tick threw, Node does not come to ticks and
    /// microtasks before the next item is done or, if there is none, in a round of immediates.
    pub(super) fn hold_ticks(&self) {
        if !self.holds_ticks.replace(true) {
            self.timers.borrow_mut().add_immediate(Value::UNDEFINED);
        }
    }

    pub(super) fn run_immediates(&'static self, budget: &mut Budget) {
        let mut batch = self.timers.borrow_mut().take_immediates();
        while !budget.is_spent() {
            let Some(immediate) = batch.pop_front() else {
                return;
            };
            match self.timer_calls.get() {
                Some((_, call)) if !immediate.is_undefined() => {
                    if !self.run_timer(call, immediate) && batch.is_empty() {
                        // Node comes back for those that wait.
                        batch = self.timers.borrow_mut().take_immediates();
                    }
                }
                // Nothing of a script's: ticks that waited for it.
                _ => self.settle_item(),
            }
            budget.spend();
        }
        self.timers.borrow_mut().give_back(batch);
    }

    /// Forgets an asynchronous cleanup hook; false if it is none of this host's.
    pub(crate) fn forget_async_hook(&self, handle: usize) -> bool {
        let Some(entry) = self.async_hooks.borrow_mut().remove(&handle) else {
            return false;
        };
        if let Some(env) = self.env_by_id(entry.env) {
            env.hooks.borrow_mut().remove_async(handle);
        }
        true
    }
}
