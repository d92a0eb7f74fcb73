//! The embedder's subscriptions to the settlement of addons' promises.

use hostd_engine::Value;

use super::{Host, HostState};
use crate::env::EnvId;
use crate::env::deferred::LastPromise;

impl Host {
    /// Has [`HostHooks::resolved`](super::HostHooks::resolved) called, once, for a promise that an
    /// addon made just now and has not settled, with this name, the last one given; false if it is
    /// none such.
    pub fn watch(&self, promise: &Value, name: u32) -> bool {
        let last = self.state.last_promise.get();
        let Some(last) = last.filter(|last| promise.identity() == Some(last.identity)) else {
            return false;
        };
        let Some(env) = self.state.env_by_id(last.env) else {
            return false;
        };
        let mut deferreds = env.deferreds.borrow_mut();
        let Some(unsettled) = deferreds.get_mut(last.id) else {
            return false;
        };
        unsettled.watched = Some((promise.clone(), name));
        true
    }
}

impl HostState {
    pub(crate) fn note_promise(&self, promise: &Value, env: EnvId, id: usize) {
        let made = promise
            .identity()
            .map(|identity| LastPromise { identity, env, id });
        self.last_promise.set(made);
    }

    pub(crate) fn notify_settled(&self, watched: Option<(Value, u32)>) {
        if let Some((promise, name)) = watched {
            self.hooks.resolved(self.rt, &promise, name);
        }
    }
}
