//! Frames over a lane that moves bytes a piece at a time.

use std::time::Instant;

use hostd_shm::{Interest, Violation};
use hostd_wait::constants::PARK_MAX;

use super::waiting::{Idle, while_parked};
use crate::error::{ProtocolError, Result};
use crate::frame::{HEADER_BYTES, Header};
use crate::ids::{Generation, HOME_LANE, LaneNumber};
use crate::limits::Limits;

impl From<Violation> for ProtocolError {
    fn from(_: Violation) -> Self {
        Self::violation("corrupt shared-memory ring index")
    }
}

/// One end of a lane, as bytes.
pub(super) trait Port {
    /// Writes what fits; never waits.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;
    /// Reads what is there; never waits.
    fn read(&mut self, target: &mut [u8]) -> Result<usize>;
    /// Appends at most `limit` bytes of what is there; never waits.
    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize>;
    /// Waits; an error if the other side is gone or the check of `idle` fails.
    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result;
}

/// What a session agreed upon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) generation: Generation,
    pub(super) limits: Limits,
}

impl Terms {
    /// The terms of a lane: a notice fits into the ring or the queue of the home lane.
    #[inline]
    pub(super) fn on(mut self, lane: LaneNumber) -> Self {
        if lane == HOME_LANE {
            self.limits.frame_bytes = self.limits.frame_bytes.min(NOTICE_BYTES);
        }
        self
    }
}

const NOTICE_BYTES: u32 = 256 << 10;

/// Memory for a body grows in steps of this size at most, as its bytes come in.
const STEP: usize = 1 << 20;

/// Sends a frame; streams it if it is larger than what fits at once.
#[inline]
pub(super) fn send(port: &mut impl Port, frame: &[u8], idle: &mut dyn Idle) -> Result {
    let mut rest = &frame[port.write(frame)?..];
    let mut pieces = Pieces::default();
    while !rest.is_empty() {
        pieces.wait(port, Interest::Space, idle)?;
        rest = &rest[port.write(rest)?..];
    }
    Ok(())
}

/// The waits for the pieces of one frame: each may be too short for a call of [`Idle::check`], however
/// long they are together.
#[derive(Default)]
struct Pieces {
    checked: Option<Instant>,
}

impl Pieces {
    #[cold]
    fn wait(&mut self, port: &mut impl Port, interest: Interest, idle: &mut dyn Idle) -> Result {
        port.wait(interest, idle)?;
        let now = Instant::now();
        let checked = *self.checked.get_or_insert(now);
        let is_late = idle
            .until()
            .is_some_and(|until| (checked..=now).contains(&until));
        if is_late || now.duration_since(checked) >= PARK_MAX {
            self.checked = Some(now);
            return while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
                idle.check().map_err(|_| ProtocolError::Interrupted)
            });
        }
        Ok(())
    }
}

/// Receives a frame that its sender writes at once: waits for its beginning only. So a host cannot
/// wake this thread for each byte of an unsolicited notice.
pub(super) fn receive_whole(
    port: &mut impl Port,
    body: &mut Vec<u8>,
    terms: &Terms,
    idle: &mut dyn Idle,
) -> Result<Header> {
    loop {
        if let Some(header) = try_receive_whole(port, body, terms)? {
            return Ok(header);
        }
        port.wait(Interest::Data, idle)?;
    }
}

/// As [`receive_whole`], if a frame is there; never waits.
pub(super) fn try_receive_whole(
    port: &mut impl Port,
    body: &mut Vec<u8>,
    terms: &Terms,
) -> Result<Option<Header>> {
    const PART: ProtocolError = ProtocolError::violation("an incomplete notice");
    body.clear();
    let mut bytes = [0; HEADER_BYTES];
    let held = port.read(&mut bytes)?;
    if held == 0 {
        return Ok(None);
    }
    if held < HEADER_BYTES {
        return Err(PART);
    }
    let header = Header::decode(&bytes, terms.generation, &terms.limits)?;
    let length = header.body_len as usize;
    if length > 0 && port.read_onto(body, length)? < length {
        return Err(PART);
    }
    Ok(Some(header))
}

/// Receives a frame; `body` is replaced by its body.
#[inline]
pub(super) fn receive(
    port: &mut impl Port,
    body: &mut Vec<u8>,
    terms: &Terms,
    idle: &mut dyn Idle,
) -> Result<Header> {
    if body.capacity() > STEP {
        *body = Vec::new();
    }
    body.clear();
    let mut bytes = [0; HEADER_BYTES];
    let (mut held, mut pieces) = (0, Pieces::default());
    loop {
        held += port.read(&mut bytes[held..])?;
        if held == HEADER_BYTES {
            break;
        }
        if held == 0 {
            port.wait(Interest::Data, idle)?;
        } else {
            pieces.wait(port, Interest::Data, idle)?;
        }
    }
    let header = Header::decode(&bytes, terms.generation, &terms.limits)?;
    let length = header.body_len as usize;
    while body.len() < length {
        let limit = (length - body.len()).min(STEP);
        if body.capacity() - body.len() < limit {
            // As much again as was read, but no more than the body needs.
            let bytes = body.len().clamp(limit, length - body.len());
            let reserved = if body.is_empty() {
                body.try_reserve(bytes)
            } else {
                body.try_reserve_exact(bytes)
            };
            reserved.map_err(|_| ProtocolError::Memory { bytes })?;
        }
        if port.read_onto(body, limit)? == 0 {
            pieces.wait(port, Interest::Data, idle)?;
        }
    }
    Ok(header)
}
