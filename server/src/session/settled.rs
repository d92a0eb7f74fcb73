//! How promises ended that the client watches: told many at a time, with the reply to the turn in
//! which they ended, or as notices.

use std::cell::Cell;
use std::collections::VecDeque;

use hostd_engine::{PromiseState, Value};
use hostd_protocol::calls::CallKind;
use hostd_protocol::ids::SlotId;

use super::Session;
use super::answer::write_state;
use crate::marshal::{Encoded, Encoder};

/// How many are told in one frame.
const MOST: usize = 1000;
/// A notice is not begun another promise in beyond this: it has to fit into the home lane.
const FULL_NOTICE: usize = 48 << 10;
/// What is larger stays here until somebody asks for it.
const LARGEST: usize = 8 << 10;

/// A promise that ended, and which watch of it that concerns.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) id: SlotId,
    pub(super) serial: u32,
    /// Kept, so that the id can be told from that of a later tenant.
    pub(super) promise: Value,
}

impl Session {
    /// Notes that a watched promise is settled.
    pub(super) fn note_settled(&self, settled: Settled) {
        self.settled.borrow_mut().push_back(settled);
    }

    /// What the reply to a turn tells, in order.
    pub(super) fn take_settled(&self) -> Vec<Settled> {
        let mut queue = self.settled.borrow_mut();
        let most = queue.len().min(MOST);
        queue.drain(..most).collect()
    }

    /// Whether promises ended that the client was not told of.
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.borrow().is_empty()
    }

    /// Tells what there is room for. False if something has to wait.
    pub(super) fn tell_settled(&self) -> bool {
        loop {
            let batch: VecDeque<Settled> =
                self.settled.borrow().iter().take(MOST).cloned().collect();
            if batch.is_empty() {
                return true;
            }
            let told = Cell::new(0);
            let sent = self.notify(CallKind::Settled, |out| {
                told.set(self.write_settled(out, batch.iter(), FULL_NOTICE)?);
                Ok(())
            });
            if !sent {
                return false;
            }
            self.settled.borrow_mut().drain(..told.get());
        }
    }

    /// Writes a count and promises until the frame is `full`; how many were taken.
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
            // Nobody waits for one that was given back.
            if !self.is_lent_as(&settled.promise, settled.id) {
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
            || self.fits(LARGEST, |out| out.value(value))
    }
}
