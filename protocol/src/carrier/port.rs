//! Frames over whatever moves bytes a piece at a time.

use crate::carrier::Idle;
use crate::error::Result;
use crate::frame::{HEADER_BYTES, Header};
use crate::ids::Generation;
use crate::limits::Limits;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Something to read.
    Data,
    /// Room to write.
    Space,
}

/// One end of a lane, as bytes.
pub(super) trait Port {
    /// Writes what fits; never waits.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;
    /// Reads what is there; never waits.
    fn read(&mut self, target: &mut [u8]) -> Result<usize>;
    /// Appends at most `limit` bytes of what is there; never waits.
    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize>;
    /// Waits; an error if the other side is gone or `idle` says so.
    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result;
}

/// What a session agreed upon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) generation: Generation,
    pub(super) limits: Limits,
}

/// Memory for a body grows in steps of this size at most, as its bytes come in.
const STEP: usize = 1 << 20;

/// Sends a frame; streams it if it is larger than what fits at once.
#[inline]
pub(super) fn send(port: &mut impl Port, frame: &[u8], idle: &mut dyn Idle) -> Result {
    let mut rest = &frame[port.write(frame)?..];
    while !rest.is_empty() {
        port.wait(Interest::Space, idle)?;
        rest = &rest[port.write(rest)?..];
    }
    Ok(())
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
    let mut held = 0;
    loop {
        held += port.read(&mut bytes[held..])?;
        if held == HEADER_BYTES {
            break;
        }
        port.wait(Interest::Data, idle)?;
    }
    let header = Header::decode(&bytes, terms.generation, &terms.limits)?;
    let length = header.body_len as usize;
    while body.len() < length {
        let limit = (length - body.len()).min(STEP);
        if port.read_onto(body, limit)? == 0 {
            port.wait(Interest::Data, idle)?;
        }
    }
    Ok(header)
}
