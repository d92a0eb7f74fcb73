//! Settled promises that the client subscribed to: sent in batches, with the reply to the turn in
//! which they were settled, or as notices.

use std::cell::Cell;
use std::collections::VecDeque;

use hostd_engine::{PromiseState, Value};
use hostd_protocol::calls::{self, SettledPromise};
use hostd_protocol::parts::{AnyValue, List, PromiseOutcome, Put};

use super::Session;
use super::pending::Settled;
use crate::marshal::{Encoded, Encoder};

/// The most promises in one frame.
const PER_FRAME_MAX: usize = 1000;
/// Beyond so many bytes no further promise is added to a notice: it has to fit into the home lane.
const NOTICE_FULL_BYTES: usize = 48 << 10;
/// A result of more bytes is not sent along: the client requests it.
const VALUE_BYTES_MAX: usize = 8 << 10;

#[derive(Debug)]
pub(super) struct Batch {
    promises: Vec<Settled>,
    /// The size of the frame from which on no further promise is added.
    full: usize,
    /// How many were taken; not all of them were written.
    taken: Cell<usize>,
}

impl Put<List<SettledPromise>, Encoder<'_, '_>> for Batch {
    fn put(&self, out: &mut Encoder<'_, '_>) -> Encoded {
        let session = Session::current();
        let at = out.fields().position();
        out.fields().put_u32(0);
        let (mut taken, mut written) = (0, 0);
        for settled in &self.promises {
            if out.fields().position() >= self.full {
                break;
            }
            taken += 1;
            // The client has released this one.
            if !out.tables.is_lent_as(&settled.promise, settled.id) {
                continue;
            }
            written += 1;
            out.restart();
            let state = out.tables.rt.promise_state(&settled.promise);
            let state = state.filter(|state| session.as_ref().is_some_and(|it| it.is_small(state)));
            let outcome = outcome(state.unwrap_or(PromiseState::Pending), ());
            Put::<SettledPromise, _>::put(&((settled.id, settled.serial), outcome), out)?;
        }
        out.fields().patch_u32(at, written);
        self.taken.set(taken);
        Ok(())
    }
}

impl Session {
    pub(super) fn note_settled(&self, settled: Settled) {
        self.settled.borrow_mut().push_back(settled);
    }

    /// Takes the promises for the reply to a turn, in order.
    pub(super) fn take_settled(&self) -> Batch {
        let mut queue = self.settled.borrow_mut();
        let most = queue.len().min(PER_FRAME_MAX);
        Batch {
            promises: queue.drain(..most).collect(),
            full: usize::MAX,
            taken: Cell::new(0),
        }
    }

    pub(super) fn has_settled(&self) -> bool {
        !self.settled.borrow().is_empty()
    }

    /// Sends what there is room for; false if something is left.
    pub(super) fn send_settled(&self) -> bool {
        loop {
            let first =
                |queue: &VecDeque<Settled>| queue.iter().take(PER_FRAME_MAX).cloned().collect();
            let batch = Batch {
                promises: first(&self.settled.borrow()),
                full: NOTICE_FULL_BYTES,
                taken: Cell::new(0),
            };
            if batch.promises.is_empty() {
                return true;
            }
            if !self.notify::<calls::Settled>(&(&batch,)) {
                return false;
            }
            self.settled.borrow_mut().drain(..batch.taken.get());
        }
    }

    fn is_small(&self, state: &PromiseState) -> bool {
        let (PromiseState::Fulfilled(value) | PromiseState::Rejected(value)) = state else {
            return true;
        };
        let is_fixed = value.is_number() || value.as_bool().is_some();
        is_fixed
            || value.is_undefined()
            || value.is_null()
            || self.fits::<AnyValue>(VALUE_BYTES_MAX, value)
    }
}

pub(super) type OutcomeOf<P> = PromiseOutcome<P, Value>;

pub(super) fn outcome<P>(state: PromiseState, pending: P) -> OutcomeOf<P> {
    match state {
        PromiseState::Pending => PromiseOutcome::Pending(pending),
        PromiseState::Fulfilled(value) => PromiseOutcome::Fulfilled(value),
        PromiseState::Rejected(reason) => PromiseOutcome::Rejected(reason),
    }
}
