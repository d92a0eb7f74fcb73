//! Promises that an addon made and has not settled.

use hostd_engine::{Deferred, Value};

use super::id::EnvId;
use crate::host::HostState;

/// What settles a promise.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) deferred: Deferred,
    /// The promise and the embedder's name for it, if the embedder subscribed to its settlement.
    pub(crate) watched: Option<(Value, u32)>,
}

impl Unsettled {
    pub(crate) fn new(deferred: Deferred) -> Self {
        Self {
            deferred,
            watched: None,
        }
    }
}

/// The promise that an addon made last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastPromise {
    identity: usize,
    env: EnvId,
    /// While this id is in use the promise is not settled, so it lives.
    id: usize,
}

impl HostState {
    pub(crate) fn note_promise(&self, promise: &Value, env: EnvId, id: usize) {
        let made = promise
            .identity()
            .map(|identity| LastPromise { identity, env, id });
        self.last_promise.set(made);
    }

    /// See [`Host::watch`](crate::Host::watch).
    pub(crate) fn watch(&self, promise: &Value, name: u32) -> bool {
        let last = self.last_promise.get();
        let Some(last) = last.filter(|last| promise.identity() == Some(last.identity)) else {
            return false;
        };
        let Some(env) = self.env_by_id(last.env) else {
            return false;
        };
        let mut deferreds = env.deferreds.borrow_mut();
        let Some(unsettled) = deferreds.get_mut(last.id) else {
            return false;
        };
        unsettled.watched = Some((promise.clone(), name));
        true
    }

    pub(crate) fn notify_settled(&self, watched: Option<(Value, u32)>) {
        if let Some((promise, name)) = watched {
            self.hooks.resolved(self.rt, &promise, name);
        }
    }
}
