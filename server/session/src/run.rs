//! The JS thread's loop: lanes as they become ready, notices in between.

use std::time::{Duration, Instant};

use hostd_protocol::carrier::Wake;
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::{HOME_LANE, LaneNumber};

use super::Session;

/// A JS thread that is never idle releases dead objects after so many calls.
const AGE_INTERVAL_CALLS: u64 = 256;

/// How a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The client closed it: everything is torn down.
    Closed,
    /// The client is gone, or one side broke the protocol.
    Lost(ProtocolError),
}

impl Session {
    /// Serves the client until the session ends.
    pub fn run(&self) -> Ended {
        let mut body = Vec::new();
        loop {
            if let Some(error) = self.lost.borrow_mut().take() {
                return Ended::Lost(error);
            }
            if self.turn_requests.is_closing() {
                self.host.close();
                self.tables.objects.borrow_mut().clear();
                self.turn_requests.set_over();
                return Ended::Closed;
            }
            let timeout = self.time_to_sleep();
            let woken = self.end.borrow_mut().wait(timeout);
            let outcome = match woken {
                Ok(Wake::Lane(lane)) => self.serve_outermost(lane, &mut body),
                Ok(Wake::Woken) => {
                    if self.end.borrow_mut().take_declined() {
                        self.announce_again();
                    }
                    self.serve_direct_calls(timeout.is_some())
                }
                Ok(Wake::TimedOut) => {
                    if self.end.borrow_mut().take_declined() {
                        self.announce_again();
                    }
                    self.flush_idle();
                    self.age();
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                self.lose(error);
            }
        }
    }

    /// Sends the notices that wait, a turn request for a due timer among them; returns how long the JS
    /// thread may sleep, without a limit if nothing is due later.
    fn time_to_sleep(&self) -> Option<Duration> {
        let mut is_due = false;
        let timer = self.host.next_deadline().and_then(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            is_due = left.is_zero();
            if is_due {
                self.announce_turn();
            }
            Some(left).filter(|left| !left.is_zero())
        });
        self.take_requests();
        let reminder = self.remind(is_due);
        let notices = self.flush_notices();
        let age = self.host.age_timeout();
        [timer, reminder, notices, age].into_iter().flatten().min()
    }

    /// Releases objects whose death was delayed; their finalizers run in a turn.
    fn age(&self) {
        if self.host.age() {
            self.announce_turn();
        }
    }

    fn serve_outermost(&self, lane: LaneNumber, body: &mut Vec<u8>) -> Result {
        if lane == HOME_LANE {
            return Err(ProtocolError::violation("a request on lane 0"));
        }
        let header = self.receive_frame(lane, body)?;
        if header.kind != FrameKind::Request {
            return Err(ProtocolError::violation("a reply without a request"));
        }
        self.serve_lane(lane, || self.serve(lane, &header, body));
        self.finish_outermost();
        Ok(())
    }

    /// Does what is left to do after a call. Returns whether a turn is due.
    pub(super) fn finish_outermost(&self) -> bool {
        self.host.note_activity();
        if self.served.get().is_multiple_of(AGE_INTERVAL_CALLS) {
            self.age();
        }
        // The arguments died after the reply was sent.
        if self.rt.has_finalized() {
            self.host.tidy();
        }
        let is_turn_due = self.has_pending();
        if is_turn_due {
            self.announce_turn();
        }
        is_turn_due
    }

    /// Serves a request; meanwhile its lane is the one that is being served.
    pub(super) fn serve_lane(&self, lane: LaneNumber, serve: impl FnOnce()) {
        self.cache_cancel_flag(lane);
        let below = self.lane.replace(Some(lane));
        // A crash record names the lane.
        let outer = self.hooks.swap_lane(u32::from(lane.number()));
        serve();
        self.hooks.swap_lane(outer);
        self.lane.set(below);
    }

    /// Caches the cancel word of the lane for the interrupt handler.
    fn cache_cancel_flag(&self, lane: LaneNumber) {
        let mut flags = self.cancels.borrow_mut();
        if flags.len() <= lane.get() {
            flags.resize(lane.get() + 1, None);
        }
        if let Some(slot) = flags.get_mut(lane.get()) {
            slot.get_or_insert_with(|| self.end.borrow().cancel_flag(lane));
        }
    }
}
