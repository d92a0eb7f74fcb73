//! The frames of the session, on their way out and in: the only calls of the carrier that move one.
//! With the feature `faults` each is a step at which a test has the host fail.

use hostd_protocol::error::Result;
use hostd_protocol::frame::Header;
use hostd_protocol::ids::LaneNumber;

use super::Session;

#[cfg(feature = "faults")]
use crate::fault::{self, Place};

impl Session {
    /// Sends a frame; waits while there is no room.
    #[inline]
    pub(super) fn send_frame(&self, lane: LaneNumber, frame: &[u8]) -> Result {
        let send = |frame: &[u8]| self.end.borrow_mut().send(lane, frame);
        #[cfg(feature = "faults")]
        fault::end_allocations(frame);
        #[cfg(feature = "faults")]
        return fault::write(fault::step_of_written(frame), frame, send);
        #[cfg(not(feature = "faults"))]
        send(frame)
    }

    /// Sends a notice if there is room for it.
    pub(super) fn send_notice(&self, frame: &[u8]) -> Result<bool> {
        let send = |frame: &[u8]| self.end.borrow_mut().try_notice(frame);
        #[cfg(feature = "faults")]
        return fault::write(fault::step_of_written(frame), frame, send);
        #[cfg(not(feature = "faults"))]
        send(frame)
    }

    /// Receives a frame; waits for it.
    #[inline]
    pub(super) fn receive_frame(&self, lane: LaneNumber, body: &mut Vec<u8>) -> Result<Header> {
        #[cfg(feature = "faults")]
        fault::read("unread", Place::Before);
        let header = self.end.borrow_mut().receive(lane, body)?;
        #[cfg(feature = "faults")]
        {
            fault::read(fault::step_of_read(header.kind, header.number), Place::Read);
            fault::plan_allocations(header.kind, body);
        }
        Ok(header)
    }
}
