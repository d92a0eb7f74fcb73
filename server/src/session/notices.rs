//! What the host tells the client of its own accord, on the home lane: one way, never waiting.
//!
//! Rings are coalesced. Uncaught errors are bounded, and the ones that did not fit are counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hostd_engine::Value;
use hostd_napi::Origin;
use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::CallId;

use super::answer::Answer;
use super::{Due, Session};
use crate::marshal::{Encoded, Encoder};

/// How many uncaught errors wait for room.
const MOST_UNCAUGHT: usize = 256;
/// A notice larger than this never fits into the home lane at once.
const LARGEST_NOTICE: usize = 60 << 10;
/// When to look again for room, or for something to release.
const AGAIN: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(50);
/// How much a turn does at most before it lets others have their say.
const TURN_ITEMS: usize = 1000;
const TURN_TIME: Duration = Duration::from_millis(5);
/// A turn that was not taken for so long is asked for again when there is occasion.
const FORGOTTEN: Duration = Duration::from_millis(20);
/// A turn that was not taken for so long is asked for again without any occasion.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often that time doubles while no turn comes: to two seconds, for a loop may be busy for long.
const MOST_REMINDERS: u32 = 3;

/// What waits to be told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    ring: bool,
    /// It rang before, and not everybody hears it in the same way.
    again: bool,
    uncaught: VecDeque<(Value, &'static str)>,
    lost: u64,
}

impl Session {
    /// Notes an error that nobody caught.
    pub(super) fn note_uncaught(&self, error: &Value, origin: &'static str) {
        let mut notices = self.notices.borrow_mut();
        if notices.uncaught.len() < MOST_UNCAUGHT {
            notices.uncaught.push_back((error.clone(), origin));
        } else {
            notices.lost += 1;
        }
    }

    /// Notes that the client should take a turn. One that was told so lately is not told again: it
    /// has not come to it yet.
    pub(super) fn owe_turn(&self) {
        let told = self.owed.get();
        if told.is_none_or(|told| told.elapsed() > FORGOTTEN) {
            self.owed.set(Some(Instant::now()));
            let again = told.is_some();
            self.by_cord.set(!again && self.bell.is_cord_watched());
            let mut notices = self.notices.borrow_mut();
            notices.ring = true;
            notices.again |= again;
        }
    }

    /// Rings again for a turn that was rung for and did not come; says when to look again. What a
    /// ring meets over there (a loop that ends, a world that is being made) may lose it, and nothing
    /// here would come of itself.
    pub(super) fn remind(&self, is_due: bool) -> Option<Duration> {
        let told = self.owed.get()?;
        if !is_due && !self.has_pending() {
            return None;
        }
        let by_cord = self.by_cord.get();
        let patience = if by_cord {
            FORGOTTEN
        } else {
            PATIENCE * (1 << self.reminders.get())
        };
        let left = patience.saturating_sub(told.elapsed());
        if !left.is_zero() {
            return Some(left);
        }
        if !by_cord {
            let next = (self.reminders.get() + 1).min(MOST_REMINDERS);
            self.reminders.set(next);
        }
        self.owe_turn();
        Some(PATIENCE * (1 << self.reminders.get()))
    }

    /// Has something done at the beginning of the next turn.
    pub(super) fn do_in_turn(&self, due: Due) {
        self.due.borrow_mut().push(due);
        self.owe_turn();
    }

    fn do_what_is_due(&self) {
        for due in self.due.take() {
            let done = match due {
                Due::Settle(deferred, Ok(value)) => self.rt.resolve(deferred, &value),
                Due::Settle(deferred, Err(error)) => self.rt.reject(deferred, &error),
                Due::CloseIterator(iterator) => self.close(&iterator),
            };
            if let Err(thrown) = done {
                self.host.uncaught(&thrown, Origin::Microtask);
            }
        }
    }

    /// Whether a turn has something to do.
    pub(super) fn has_pending(&self) -> bool {
        !self.due.borrow().is_empty() || self.host.has_pending()
    }

    /// Somebody wanted to give a turn and could not: that is asked for again.
    pub(super) fn owe_again(&self) {
        self.owed.set(None);
        self.bell.turn_came();
        if self.has_pending() {
            self.owe_turn();
        }
    }

    /// Notes that the bell was rung, or that nobody heard the cord.
    pub(super) fn hear_bell(&self) {
        // What rang may have been done by a turn that was under way.
        if self.bell.take() && self.has_pending() {
            self.owe_turn();
        }
        if self.end.borrow_mut().take_unheard() {
            let mut notices = self.notices.borrow_mut();
            (notices.ring, notices.again) = (true, true);
        }
    }

    /// Runs what the host owes itself. The client need not be rung for what is left.
    pub(super) fn take_turn(&self) -> Answer {
        self.owed.set(None);
        self.reminders.set(0);
        self.bell.turn_came();
        // JavaScript that waits further down runs to completion first.
        let is_outermost = self.nested.get() <= 1;
        if is_outermost {
            self.do_what_is_due();
        }
        let more = self.host.turn(TURN_ITEMS, TURN_TIME) || (is_outermost && self.has_pending());
        if more {
            self.owed.set(Some(Instant::now()));
            self.by_cord.set(false);
        }
        let settled = self.take_settled();
        Answer::Turn(more || self.has_settled(), settled)
    }

    /// Tells what there is room for. How long the JS thread may sleep: for ever if nothing waits.
    pub(super) fn flush_notices(&self) -> Option<Duration> {
        let waiting = {
            let notices = self.notices.borrow();
            notices.ring || self.has_settled() || !notices.uncaught.is_empty() || notices.lost > 0
        };
        if waiting && !self.flush_all() {
            return Some(AGAIN);
        }
        let owed = self.remotes.borrow().has_released();
        owed.then_some(IDLE)
    }

    /// Nothing happened for a while: what died is released without waiting for a frame.
    pub(super) fn flush_idle(&self) {
        if !self.remotes.borrow().has_released() {
            return;
        }
        self.notify(CallKind::Released, |_| Ok(()));
    }

    fn flush_all(&self) -> bool {
        if !self.tell_ring() {
            return false;
        }
        if !self.tell_settled() {
            return false;
        }
        loop {
            let next = self.notices.borrow().uncaught.front().cloned();
            let Some((error, origin)) = next else { break };
            if !self.tell_uncaught(&error, origin) {
                return false;
            }
            let told = self.notices.borrow_mut().uncaught.pop_front();
            drop(told);
        }
        let lost = std::mem::take(&mut self.notices.borrow_mut().lost);
        if lost > 0 {
            tracing::error!(target: "napi_hostd", lost, "more uncaught errors than the queue holds; the rest were dropped");
        }
        true
    }

    /// Rings, by the cord if somebody watches that and did not miss it just now.
    fn tell_ring(&self) -> bool {
        let (ring, again) = {
            let notices = self.notices.borrow();
            (notices.ring, notices.again)
        };
        if !ring {
            return true;
        }
        let by_cord = !again && self.end.borrow_mut().owe_pull();
        if !by_cord && !self.notify(CallKind::Ring, |_| Ok(())) {
            return false;
        }
        self.by_cord.set(by_cord);
        let mut notices = self.notices.borrow_mut();
        (notices.ring, notices.again) = (false, false);
        true
    }

    fn tell_uncaught(&self, error: &Value, origin: &str) -> bool {
        let write = |out: &mut Encoder<'_, '_>| {
            out.value(error)?;
            Ok(out.fields().str(origin)?)
        };
        if self.fits(LARGEST_NOTICE, write) {
            return self.notify(CallKind::Uncaught, write);
        }
        self.notify(CallKind::Uncaught, |out| {
            out.fields().str("an error too large to be sent")?;
            Ok(out.fields().str(origin)?)
        })
    }

    /// Whether a body is smaller than that. Nothing stays counted as sent.
    pub(super) fn fits(
        &self,
        largest: usize,
        write: impl FnOnce(&mut Encoder<'_, '_>) -> Encoded,
    ) -> bool {
        let mut scratch = self.take_scratch();
        scratch.builder.start(FrameKind::Notice, 0);
        scratch.sent.clear();
        let written = {
            let scratch = &mut scratch;
            let out = scratch.builder.body();
            write(&mut Encoder::new(
                self,
                out,
                &mut scratch.seen,
                &mut scratch.sent,
            ))
        };
        let length = scratch.builder.body_bytes().len();
        self.unsend(&mut scratch);
        self.put_scratch(scratch);
        written.is_ok() && length < largest
    }

    /// Sends a notice if there is room for it; false if it has to wait.
    pub(super) fn notify(
        &self,
        call: CallKind,
        write: impl FnOnce(&mut Encoder<'_, '_>) -> Encoded,
    ) -> bool {
        let mut scratch = self.take_scratch();
        if matches!(call, CallKind::Released) {
            self.begin(&mut scratch, FrameKind::Notice, call.number());
        } else {
            scratch.builder.start(FrameKind::Notice, call.number());
            scratch.sent.clear();
        }
        let written = {
            let scratch = &mut scratch;
            let out = scratch.builder.body();
            write(&mut Encoder::new(
                self,
                out,
                &mut scratch.seen,
                &mut scratch.sent,
            ))
        };
        let sent = written.is_ok() && {
            let frame = scratch.builder.finish(CallId(0), self.generation);
            match frame.and_then(|frame| self.send_notice(frame)) {
                Ok(sent) => sent,
                Err(error) => {
                    self.lose(error);
                    false
                }
            }
        };
        if !sent {
            self.unsend(&mut scratch);
            self.remotes
                .borrow_mut()
                .put_back(scratch.releases.drain(..));
        }
        self.put_scratch(scratch);
        sent
    }
}
