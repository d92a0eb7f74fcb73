//! Finalizers: tokens that are queued when an object dies.
//!
//! The engine's finalizers run inside frees, collections and allocations, where the engine may not
//! be called. They move tokens to a queue (E5); the host takes them from there when it is safe.
//!
//! Upholds I-13.

use crate::state::current;
use crate::{FinalizerId, FinalizerToken, JsResult, Runtime, Value};

/// Queues a token that is in no list. It may run inside a finalizer (E5).
pub(crate) fn queue(token: FinalizerToken) {
    if let Some(state) = current() {
        state.finalizers.borrow_mut().dead.push(token);
    }
}

impl Runtime {
    /// Attaches a finalizer to an object or symbol: its token is queued when that dies. The one
    /// attached last is queued first.
    pub fn attach_finalizer(self, value: &Value, token: FinalizerToken) -> JsResult<FinalizerId> {
        let state = self.state;
        self.with_new_record(value, |record| {
            state.finalizers.borrow_mut().attach(record, token)
        })?
        .ok_or_else(|| self.range_error("too many finalizers"))
    }

    /// [`attach_finalizer`](Self::attach_finalizer) that delays the death, as
    /// [`hold`](Self::hold) does.
    pub fn attach_late_finalizer(
        self,
        value: &Value,
        token: FinalizerToken,
    ) -> JsResult<FinalizerId> {
        let state = self.state;
        let (id, is_new) = self.with_new_record(value, |record| {
            let id = state.finalizers.borrow_mut().attach(record, token);
            (id, self.add_hold(record, value))
        })?;
        self.release_for_new_hold(is_new);
        id.ok_or_else(|| self.range_error("too many finalizers"))
    }

    /// Detaches a finalizer; returns its token if it was still attached.
    pub fn cancel_finalizer(self, id: FinalizerId) -> Option<FinalizerToken> {
        self.state.finalizers.borrow_mut().cancel(id)
    }

    /// Returns whether the queue has tokens.
    #[inline]
    pub fn has_finalized(self) -> bool {
        !self.state.finalizers.borrow().dead.is_empty()
    }

    /// Moves the tokens of everything that died into `tokens`, in the order of death.
    pub fn take_finalized(self, tokens: &mut Vec<FinalizerToken>) {
        let mut finalizers = self.state.finalizers.borrow_mut();
        if tokens.is_empty() {
            std::mem::swap(tokens, &mut finalizers.dead);
        } else {
            tokens.append(&mut finalizers.dead);
        }
    }
}
