//! Notices to the client on the home lane: one way, sent without waiting.
//!
//! Turn requests are coalesced. Uncaught errors are bounded; those beyond the bound are counted.

use std::time::{Duration, Instant};

use hostd_engine::Value;
use hostd_napi::Origin;
use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::CallId;
use hostd_protocol::parts::AnyValue;

use super::Session;
use super::pending::Due;
use super::settled::Batch;
use crate::marshal::Writable;

/// The most uncaught errors that wait for room in the home lane.
const UNCAUGHT_MAX: usize = 256;
/// A notice of more bytes never fits into the home lane.
const NOTICE_BYTES_MAX: usize = 60 << 10;
/// After this time a full home lane is tried again. A client that reads needs about a millisecond for all
/// that is in it.
const FLUSH_RETRY: Duration = Duration::from_micros(250);
/// How often that time doubles while the lane stays full: to 8 ms.
const FLUSH_DOUBLINGS_MAX: u32 = 5;
/// After this time without a frame, releases are sent in a notice of their own.
const RELEASE_DELAY: Duration = Duration::from_millis(50);
/// How many items, and how long, a turn runs before other calls are served.
pub(super) const TURN_ITEMS_MAX: usize = 1000;
pub(super) const TURN_TIME_MAX: Duration = Duration::from_millis(5);
/// A turn that was not taken for so long is requested again by the next event.
const REANNOUNCE_AFTER: Duration = Duration::from_millis(20);
/// A turn that was not taken for so long is requested again without an event.
const REMINDER_INTERVAL: Duration = Duration::from_millis(250);
/// How often that interval doubles while no turn comes: to 2 s, since a loop may be busy for long.
const REMINDER_DOUBLINGS_MAX: u32 = 3;

impl Session {
    pub(super) fn note_uncaught(&self, error: &Value, origin: &'static str) {
        let mut notices = self.notices.borrow_mut();
        if notices.uncaught.len() < UNCAUGHT_MAX {
            notices.uncaught.push_back((error.clone(), origin));
        } else {
            notices.lost += 1;
        }
    }

    /// Queues a turn request. The client has had no time to answer one that is younger than
    /// [`REANNOUNCE_AFTER`]: then nothing is sent.
    pub(super) fn announce_turn(&self) {
        let announced = self.announced_at.get();
        if announced.is_none_or(|at| at.elapsed() > REANNOUNCE_AFTER) {
            self.announced_at.set(Some(Instant::now()));
            let again = announced.is_some();
            self.by_wake_pipe
                .set(!again && self.turn_requests.is_pipe_watched());
            let mut notices = self.notices.borrow_mut();
            notices.request_turn = true;
            notices.again |= again;
        }
    }

    /// Requests a turn again that was requested and did not come; returns after what time to look again.
    /// The client may lose a request, as where a loop ends, and nothing else would bring another.
    pub(super) fn remind(&self, is_due: bool) -> Option<Duration> {
        let announced_at = self.announced_at.get()?;
        if !is_due && !self.has_pending() {
            return None;
        }
        let by_wake_pipe = self.by_wake_pipe.get();
        let interval = if by_wake_pipe {
            REANNOUNCE_AFTER
        } else {
            REMINDER_INTERVAL * (1 << self.reminders.get())
        };
        let left = interval.saturating_sub(announced_at.elapsed());
        if !left.is_zero() {
            return Some(left);
        }
        if !by_wake_pipe {
            let next = (self.reminders.get() + 1).min(REMINDER_DOUBLINGS_MAX);
            self.reminders.set(next);
        }
        self.announce_turn();
        Some(REMINDER_INTERVAL * (1 << self.reminders.get()))
    }

    pub(super) fn run_in_turn(&self, due: Due) {
        self.due.borrow_mut().push(due);
        self.announce_turn();
    }

    fn run_due(&self) {
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

    pub(super) fn has_pending(&self) -> bool {
        !self.due.borrow().is_empty() || self.host.has_pending()
    }

    /// The client tried to take a turn while it could not be taken: it is requested again.
    pub(super) fn announce_again(&self) {
        self.announced_at.set(None);
        self.turn_requests.turn_came();
        if self.has_pending() {
            self.announce_turn();
        }
    }

    /// Takes the turn requests of other threads, and those by the wake pipe that no loop received.
    pub(super) fn take_requests(&self) {
        // A turn that was under way may have done what the request was for.
        if self.turn_requests.take() && self.has_pending() {
            self.announce_turn();
        }
        if self.end.borrow_mut().take_missed() {
            let mut notices = self.notices.borrow_mut();
            (notices.request_turn, notices.again) = (true, true);
        }
    }

    /// Runs what is due. The reply says whether something is left, so that needs no further request.
    pub(super) fn take_turn(&self) -> (bool, Batch) {
        self.announced_at.set(None);
        self.reminders.set(0);
        self.turn_requests.turn_came();
        // JavaScript that waits further down runs to completion first.
        let is_outermost = self.nested.get() <= 1;
        if is_outermost {
            self.run_due();
        }
        let more =
            self.host.turn(TURN_ITEMS_MAX, TURN_TIME_MAX) || (is_outermost && self.has_pending());
        if more {
            self.announced_at.set(Some(Instant::now()));
            self.by_wake_pipe.set(false);
        }
        let settled = self.take_settled();
        (more || self.has_settled(), settled)
    }

    /// Sends what there is room for; returns how long the JS thread may sleep, without a limit if
    /// nothing is left.
    pub(super) fn flush_notices(&self) -> Option<Duration> {
        let settled = self.settled.borrow().len();
        if self.has_notices() && !self.flush_notices_now() {
            let is_read = self.settled.borrow().len() < settled;
            let retries = if is_read { 0 } else { self.flush_retries.get() };
            self.flush_retries
                .set((retries + 1).min(FLUSH_DOUBLINGS_MAX));
            return Some(FLUSH_RETRY * (1 << retries));
        }
        self.flush_retries.set(0);
        let has_released = self.tables.remotes.borrow().has_released();
        has_released.then_some(RELEASE_DELAY)
    }

    /// Whether a notice waits to be sent.
    pub(super) fn has_notices(&self) -> bool {
        let notices = self.notices.borrow();
        notices.request_turn
            || self.has_settled()
            || !notices.uncaught.is_empty()
            || notices.lost > 0
    }

    /// Sends the releases that no frame has taken along.
    pub(super) fn flush_idle(&self) {
        if self.tables.remotes.borrow().has_released() {
            self.notify::<calls::Released>(&());
        }
    }

    fn flush_notices_now(&self) -> bool {
        if !self.send_turn_request() || !self.send_settled() {
            return false;
        }
        loop {
            let next = self.notices.borrow().uncaught.front().cloned();
            let Some((error, origin)) = next else { break };
            if !self.send_uncaught(&error, origin) {
                return false;
            }
            let sent = self.notices.borrow_mut().uncaught.pop_front();
            drop(sent);
        }
        let lost = std::mem::take(&mut self.notices.borrow_mut().lost);
        if lost > 0 {
            tracing::error!(target: "napi_hostd", lost, "more uncaught errors than the queue holds; the rest were dropped");
        }
        true
    }

    /// Requests a turn, by the wake pipe if a loop polls it and did not miss the last request.
    fn send_turn_request(&self) -> bool {
        let (is_requested, again) = {
            let notices = self.notices.borrow();
            (notices.request_turn, notices.again)
        };
        if !is_requested {
            return true;
        }
        let by_wake_pipe = !again && self.end.borrow_mut().request_notify();
        if !by_wake_pipe && !self.notify::<calls::WakeUp>(&()) {
            return false;
        }
        self.by_wake_pipe.set(by_wake_pipe);
        let mut notices = self.notices.borrow_mut();
        (notices.request_turn, notices.again) = (false, false);
        true
    }

    fn send_uncaught(&self, error: &Value, origin: &str) -> bool {
        let notice = &(error, origin);
        if self.fits::<(AnyValue, AnyValue)>(NOTICE_BYTES_MAX, notice) {
            return self.notify::<calls::Uncaught>(notice);
        }
        self.notify::<calls::Uncaught>(&("an error too large to be sent", origin))
    }

    /// Whether a body is smaller than `largest` bytes. Nothing stays counted as sent.
    pub(super) fn fits<P>(&self, largest: usize, part: &impl Writable<P>) -> bool {
        let mut buffers = self.take_buffers();
        buffers.builder.start(FrameKind::Notice, 0);
        buffers.sent.clear();
        let written = part.put(&mut self.encoder(&mut buffers));
        let length = buffers.builder.body_bytes().len();
        self.withdraw(&mut buffers);
        self.put_buffers(buffers);
        written.is_ok() && length < largest
    }

    /// Sends a notice if there is room for it; false if it has to wait.
    pub(super) fn notify<C: TypedCall>(&self, notice: &impl Writable<C::Request>) -> bool {
        let call = C::KIND;
        let mut buffers = self.take_buffers();
        if call == CallKind::Released {
            self.begin(&mut buffers, FrameKind::Notice, call.number());
        } else {
            buffers.builder.start(FrameKind::Notice, call.number());
            buffers.sent.clear();
        }
        let written = notice.put(&mut self.encoder(&mut buffers));
        let sent = written.is_ok() && {
            let frame = buffers.builder.finish(CallId(0), self.generation);
            match frame.and_then(|frame| self.send_notice(frame)) {
                Ok(sent) => sent,
                Err(error) => {
                    self.lose(error);
                    false
                }
            }
        };
        if !sent {
            self.withdraw(&mut buffers);
        }
        self.put_buffers(buffers);
        sent
    }
}
