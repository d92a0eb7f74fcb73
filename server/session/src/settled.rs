//! Settled promises that the client subscribed to: sent in batches, with the reply to the turn in
//! which they were settled, or as notices.

use std::cell::Cell;
use std::collections::VecDeque;

use hostd_engine::PromiseState;
use hostd_protocol::calls::CallKind;

use super::Session;
use super::pending::Settled;
use crate::marshal::{Encoded, Encoder};

/// The most promises in one frame.
const PER_FRAME_MAX: usize = 1000;
/// Beyond so many bytes no further promise is added to a notice: it has to fit into the home lane.
const NOTICE_FULL_BYTES: usize = 48 << 10;
/// A result of more bytes is not sent along: the client requests it.
const VALUE_BYTES_MAX: usize = 8 << 10;

impl Session {
    /// Queues a settled promise for the client.
    pub(super) fn note_settled(&self, settled: Settled) {
        self.settled.borrow_mut().push_back(settled);
    }

    /// Takes the promises for the reply to a turn, in order.
    pub(super) fn take_settled(&self) -> Vec<Settled> {
        let mut queue = self.settled.borrow_mut();
        let most = queue.len().min(PER_FRAME_MAX);
        queue.drain(..most).collect()
    }

    /// Whether settled promises are queued.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.borrow().is_empty()
    }

    /// Sends what there is room for; false if something is left.
    pub(super) fn send_settled(&self) -> bool {
        loop {
            let batch: VecDeque<Settled> = self
                .settled
                .borrow()
                .iter()
                .take(PER_FRAME_MAX)
                .cloned()
                .collect();
            if batch.is_empty() {
                return true;
            }
            let written = Cell::new(0);
            let sent = self.notify(CallKind::Settled, |out| {
                written.set(self.write_settled(out, batch.iter(), NOTICE_FULL_BYTES)?);
                Ok(())
            });
            if !sent {
                return false;
            }
            self.settled.borrow_mut().drain(..written.get());
        }
    }

    /// Writes a count and promises until the frame has `full` bytes; returns how many were taken.
    pub(super) fn write_settled<'a>(
        &self,
        out: &mut Encoder<'_, '_>,
        list: impl Iterator<Item = &'a Settled>,
        full: usize,
    ) -> Encoded<usize> {
        let at = out.fields().position();
        out.fields().put_u32(0);
        let (mut taken, mut written) = (0, 0);
        for settled in list {
            if out.fields().position() >= full {
                break;
            }
            taken += 1;
            // The client has released this one.
            if !self.tables.is_lent_as(&settled.promise, settled.id) {
                continue;
            }
            written += 1;
            out.restart();
            out.fields().put_u32(settled.id.get());
            out.fields().put_u32(settled.serial);
            let state = self.runtime().promise_state(&settled.promise);
            match state {
                Some(state) if self.is_small(&state) => write_state(out, &state)?,
                _ => write_state(out, &PromiseState::Pending)?,
            }
        }
        out.fields().patch_u32(at, written);
        Ok(taken)
    }

    fn is_small(&self, state: &PromiseState) -> bool {
        let (PromiseState::Fulfilled(value) | PromiseState::Rejected(value)) = state else {
            return true;
        };
        let is_fixed = value.is_number() || value.as_bool().is_some();
        is_fixed
            || value.is_undefined()
            || value.is_null()
            || self.fits(VALUE_BYTES_MAX, |out| out.value(value))
    }
}

/// Writes the state of a promise and its result.
pub(super) fn write_state(out: &mut Encoder<'_, '_>, state: &PromiseState) -> Encoded {
    let (code, value) = match state {
        PromiseState::Pending => {
            out.fields().put_u8(0);
            return Ok(());
        }
        PromiseState::Fulfilled(value) => (1, value),
        PromiseState::Rejected(reason) => (2, reason),
    };
    out.fields().put_u8(code);
    out.value(value)
}
