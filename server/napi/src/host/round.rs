//! What threads posted, as it is served in one round of the loop, in Node's order: first what was
//! there to be completed, then the threadsafe functions, each as long as its queue lasts but no longer
//! than a bound.
//!
//! The functions stand in a list, and every round goes through it once. Those that are made
//! meanwhile come to stand where the round is, behind the one that is served, and are not served
//! before the next: libuv goes through its handles that way. A function that comes to its end leaves
//! the list, and is finalized after the immediates of the round, the last that ended first.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Budget, Event, Host, HostState};
use crate::env::tsfn::{self, Served};

/// How often one function may be called in a round, as measured in Node.
const CALLS: usize = 999;

/// Where a round is, and the functions that it goes through.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Whether one has begun and is not over.
    has_begun: bool,
    /// How many events of this round were not served.
    events: usize,
    /// The functions that this round has still to come to.
    ahead: VecDeque<usize>,
    /// The one that is served, and how often it was called in this round.
    current: Option<(usize, usize)>,
    /// Those that it has come to, the current one included; all between rounds.
    passed: VecDeque<usize>,
    /// The functions that have come to their end and are to be finalized.
    closing: Vec<usize>,
}

impl Round {
    /// A function was made.
    pub(crate) fn add(&mut self, function: usize) {
        self.passed.push_back(function);
    }

    /// Whether it was left before its end.
    pub(super) fn is_cut(&self) -> bool {
        self.has_begun
    }

    /// Whether functions are to be finalized.
    pub(super) fn is_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    fn begin(&mut self, events: usize) {
        self.has_begun = true;
        self.events = events;
        self.ahead = std::mem::take(&mut self.passed);
    }

    /// The function to be served, and how often it was called in this round already.
    fn current(&mut self) -> Option<(usize, usize)> {
        while self.current.is_none() {
            let Some(function) = self.ahead.pop_front() else {
                self.has_begun = false;
                return None;
            };
            let posted = tsfn::is_posted(function);
            if posted.is_some() {
                self.passed.push_back(function);
            }
            self.current = posted.filter(|posted| *posted).map(|_| (function, 0));
        }
        self.current
    }

    /// A function is to be finalized.
    fn close(&mut self, function: usize) {
        // Behind it are those that it made.
        if let Some(place) = self.passed.iter().rposition(|&one| one == function) {
            self.passed.remove(place);
        }
        self.closing.push(function);
    }
}

impl Host {
    /// Completes async work and calls threadsafe functions, one round: what is there. What comes
    /// meanwhile waits for the next round, unless it is for a function that this one has not passed.
    /// Where the budget ends, the next call goes on.
    pub fn serve_events(self, budget: &mut Budget) {
        let state = self.state;
        if !state.round.borrow().has_begun {
            if !state.inbox.is_filled() {
                return;
            }
            state.round.borrow_mut().begin(state.inbox.len());
        }
        while !budget.is_spent() {
            let mut round = state.round.borrow_mut();
            if let Some(left) = round.events.checked_sub(1) {
                round.events = left;
                drop(round);
                if let Some(event) = state.inbox.next() {
                    state.serve(event, budget);
                }
                continue;
            }
            let Some((function, calls)) = round.current() else {
                return;
            };
            drop(round);
            state.serve_function(function, calls, budget);
        }
        // Not cut short if there is nothing left to do.
        let mut round = state.round.borrow_mut();
        if round.events == 0 {
            round.current();
        }
    }

    /// Finalizes the threadsafe functions that have come to their end, the last one first.
    pub fn finalize_closing(self, budget: &mut Budget) {
        let state = self.state;
        while !budget.is_spent() {
            let next = state.round.borrow_mut().closing.pop();
            let Some(id) = next else { return };
            let env = tsfn::owner(id).and_then(|owner| state.env_by_id(owner));
            if let Some(env) = env {
                env.finalize_threadsafe(state, id, None);
                state.settle_item();
            }
            budget.spend();
        }
    }
}

impl HostState {
    fn serve_function(&'static self, id: usize, mut calls: usize, budget: &mut Budget) {
        let env = tsfn::owner(id).and_then(|owner| self.env_by_id(owner));
        let mut may_go_on = || {
            calls += 1;
            budget.spend() && calls < CALLS
        };
        let served = env.map_or(Served::All, |env| {
            env.dispatch_threadsafe(self, id, &mut may_go_on)
        });
        let mut round = self.round.borrow_mut();
        round.current = (served == Served::Some && calls < CALLS).then_some((id, calls));
        if served == Served::Closing {
            round.close(id);
        }
    }

    fn serve(&'static self, event: Event, budget: &mut Budget) {
        match event {
            Event::WorkDone { id, cancelled } => {
                self.complete_work(id, cancelled);
                self.settle_item();
                budget.spend();
            }
            Event::TaskDone(number) => {
                self.complete_task(number);
                self.settle_item();
                budget.spend();
            }
            Event::AsyncHookDone(handle) => {
                self.forget_async_hook(handle);
            }
            // It did its work by coming: the loop runs in every turn.
            Event::Loop => {}
        }
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
    /// when no more turns are taken.
    pub(crate) fn serve_until(&'static self, end: Instant, is_done: impl Fn() -> bool) {
        let host = Host { state: self };
        while !is_done() && Instant::now() < end {
            let mut budget = Budget::until(end);
            let mut until = end;
            if self.uv.is_open() {
                host.run_uv(&mut budget);
                until = self.uv.deadline().unwrap_or(end).min(end);
                if is_done() {
                    return;
                }
            }
            if self.inbox.wait_until(until) {
                host.serve_events(&mut budget);
                host.finalize_closing(&mut budget);
            }
        }
    }
}
