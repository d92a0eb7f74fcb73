//! A turn: what the host owes itself, in the order of Node's loop. Timers that are due, then what
//! threads posted, then immediates, and round again while the budget lasts. Where an addon uses libuv, its
//! loop runs in place of the latter two, and they in the middle of it. After each single item
//! next ticks, microtasks and finalizers run, as after each callback of Node's.

use std::time::{Duration, Instant};

use hostd_engine::Value;

use super::entry::Depth;
use super::{Event, HostState, Origin};
use crate::env::tsfn;

/// How much a turn may still do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    items: usize,
    end: Option<Instant>,
}

impl Budget {
    fn new(items: usize, time: Duration) -> Self {
        Self {
            items,
            end: Instant::now().checked_add(time),
        }
    }

    /// Counts an item that was done. False if that was the last one.
    pub(crate) fn spend(&mut self) -> bool {
        self.items = self.items.saturating_sub(1);
        !self.is_spent()
    }

    fn is_spent(&self) -> bool {
        self.items == 0 || self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// Events that were cut short go on in the next turn until so many were served: a function that is
/// called without end does not keep the other phases from having their turn.
const PHASE_ITEMS: usize = 1000;

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
}

impl HostState {
    /// See [`super::Host::has_pending`].
    pub(super) fn has_pending(&self) -> bool {
        self.inbox.is_filled()
            || self.timers.borrow().is_due()
            || self.is_unsettled()
            || self.uv.is_due()
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
            let (phase, before) = (self.phase.get(), budget.items);
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
                            Phase::Timers
                        }
                    } else {
                        self.serve_events(&mut budget);
                        Phase::Immediates
                    };
                    let done = self.phase_items.get() + before.saturating_sub(budget.items);
                    let is_cut = self.events_left.get() > 0 && done < PHASE_ITEMS;
                    self.phase_items.set(if is_cut { done } else { 0 });
                    if !is_cut {
                        self.events_left.set(0);
                    }
                    (next, is_cut)
                }
                Phase::Immediates => {
                    self.run_immediates(&mut budget);
                    (Phase::Timers, self.timers.borrow().is_batch_left())
                }
            };
            self.phase.set(if is_cut { phase } else { next });
            let is_round = next == Phase::Timers && !self.has_pending();
            if budget.is_spent() || is_round {
                break;
            }
        }
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

    /// Serves the events that are there; those that come meanwhile wait for the next round.
    pub(super) fn serve_events(&'static self, budget: &mut Budget) {
        let mut left = match self.events_left.take() {
            0 => self.inbox.len(),
            cut => cut,
        };
        while left > 0 && !budget.is_spent() {
            let Some(event) = self.inbox.next() else {
                return;
            };
            left -= 1;
            if self.serve(event, budget) {
                left += 1;
            }
        }
        self.events_left.set(left);
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

    /// Serves an event; true if it is posted again, because the budget was spent in the middle.
    fn serve(&'static self, event: Event, budget: &mut Budget) -> bool {
        match event {
            Event::ThreadsafeFunction(id) => {
                let env = tsfn::owner(id).and_then(|owner| self.env_by_id(owner));
                return env.is_some_and(|env| env.dispatch_threadsafe(self, id, budget));
            }
            Event::WorkDone { id, cancelled } => {
                self.complete_work(id, cancelled);
                self.settle_item();
                budget.spend();
            }
            Event::AsyncHookDone(handle) => {
                self.forget_async_hook(handle);
            }
            // It did its work by coming: the loop runs in every turn.
            Event::Loop => {}
        }
        false
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

    /// Serves events, and waits for more, until something is done or its time is over. For the end,
    /// when nobody takes turns any more.
    pub(crate) fn serve_until(&'static self, end: Instant, is_done: impl Fn() -> bool) {
        while !is_done() && Instant::now() < end {
            let mut budget = Budget {
                items: usize::MAX,
                end: Some(end),
            };
            let mut until = end;
            if self.uv.is_open() {
                self.run_uv(&mut budget);
                until = self.uv.deadline().unwrap_or(end).min(end);
                if is_done() {
                    return;
                }
            }
            if let Some(event) = self.inbox.next_until(until) {
                self.serve(event, &mut budget);
            }
        }
    }
}
