//! The JS thread's loop: lanes as they become ready, notices in between.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hostd_protocol::carrier::Wake;
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::{HOME_LANE, LaneIndex};

use super::Session;

/// A JS thread that is never idle looks for objects to release after so many calls.
const AGE_CALLS: u64 = 256;

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
            if self.closing.get() || self.bell.close.load(Ordering::Acquire) {
                self.host.close();
                self.objects.borrow_mut().clear();
                self.bell.over.store(true, Ordering::Release);
                return Ended::Closed;
            }
            let timeout = self.time_to_sleep();
            let woken = self.end.borrow_mut().wait(timeout);
            let outcome = match woken {
                Ok(Wake::Lane(lane)) => self.serve_outermost(lane, &mut body),
                Ok(Wake::Rung) => {
                    if self.end.borrow_mut().take_declined() {
                        self.owe_again();
                    }
                    Ok(())
                }
                Ok(Wake::TimedOut) => {
                    if self.end.borrow_mut().take_declined() {
                        self.owe_again();
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

    /// Tells what waits, a timer that is due among it. How long the JS thread may sleep then: for
    /// ever if nothing comes of itself.
    fn time_to_sleep(&self) -> Option<Duration> {
        let mut is_due = false;
        let timer = self.host.next_deadline().and_then(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            is_due = left.is_zero();
            if is_due {
                self.owe_turn();
            }
            Some(left).filter(|left| !left.is_zero())
        });
        self.hear_bell();
        let reminder = self.remind(is_due);
        let notices = self.flush_notices();
        let age = self.host.age_timeout();
        [timer, reminder, notices, age].into_iter().flatten().min()
    }

    /// Releases objects whose death was delayed; their finalizers run in a turn.
    fn age(&self) {
        if self.host.age() {
            self.owe_turn();
        }
    }

    fn serve_outermost(&self, lane: LaneIndex, body: &mut Vec<u8>) -> Result {
        if lane == HOME_LANE {
            let what = "a request on lane 0";
            return Err(ProtocolError::Violation { what });
        }
        let header = self.receive_frame(lane, body)?;
        if header.kind != FrameKind::Request {
            let what = "a reply without a request";
            return Err(ProtocolError::Violation { what });
        }
        self.know_cancel(lane)?;
        self.lane.set(Some(lane));
        // Who was running is to be known if the process does not live to say it.
        let outer = hostd_sandbox::crash::swap_lane(u32::from(lane.0));
        self.serve(lane, &header, body);
        hostd_sandbox::crash::swap_lane(outer);
        self.lane.set(None);
        self.host.stir();
        if self.served.get().is_multiple_of(AGE_CALLS) {
            self.age();
        }
        // The arguments died after the reply was sent.
        if self.rt.has_finalized() {
            self.host.tidy();
        }
        if self.has_pending() {
            self.owe_turn();
        }
        Ok(())
    }

    /// Has the lane's cancel word at hand for the interrupt handler.
    pub(super) fn know_cancel(&self, lane: LaneIndex) -> Result {
        let index = usize::from(lane.0);
        let mut flags = self.cancels.borrow_mut();
        if flags.get(index).is_none_or(Option::is_none) {
            let flag = self.end.borrow().cancel_flag(lane)?;
            if flags.len() <= index {
                flags.resize(index + 1, None);
            }
            if let Some(slot) = flags.get_mut(index) {
                *slot = Some(flag);
            }
        }
        Ok(())
    }
}
