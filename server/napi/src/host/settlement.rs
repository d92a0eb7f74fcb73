//! The embedder's subscriptions to the settlement of addons' promises.

use hostd_engine::Value;

use super::HostState;
use crate::env::EnvId;
use crate::env::deferred::LastPromise;

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
