//! Promises in both directions: the host's, which the client watches, and the client's, which it
//! settles.

use hostd_engine::{FunctionSpec, Invocation, JsResult, PromiseState, Runtime, Value};
use hostd_protocol::error::RemoteError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::PromiseOutcome;

use super::Session;
use super::answer::Refusal;
use super::pending::{Due, Settled};
use super::settled::{OutcomeOf, outcome};
use super::tables::Fresh;

/// The engine function tag of the reactions of promises with a subscription.
const WATCH_TAG: u8 = 65;

/// A promise with a subscription was settled.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine's type of a native function"
)]
fn settled(_: Runtime, call: &Invocation<'_>) -> JsResult {
    let [identity, serial, _] = call.words;
    if let Some(session) = Session::current() {
        let id = session.tables.lent_id(identity);
        session.end_watch(id, |watch| watch as usize == serial);
    }
    Ok(Value::UNDEFINED)
}

impl Session {
    /// Answers the state of a promise; subscribes to a pending one.
    pub(super) fn watch(&self, (id,): (SlotId,)) -> Result<OutcomeOf<u32>, Refusal> {
        let promise = self.tables.held(id)?;
        let rt = self.rt;
        // The client is about to wait.
        self.host.run_deferred_microtasks();
        let Some(state) = rt.promise_state(&promise) else {
            return Err(rt.type_error("only a promise can be awaited").into());
        };
        if !matches!(state, PromiseState::Pending) {
            rt.mark_handled(&promise);
            return Ok(outcome(state, 0));
        }
        if self.watch_of(id) == 0 {
            let fresh = self.begin_watch(&promise, id.get())?;
            self.tables.objects.borrow_mut().set_watch(id, fresh.watch);
        }
        Ok(PromiseOutcome::Pending(self.watch_of(id)))
    }

    /// Subscribes to the settlement of a promise; `id` is zero if it is not lent yet.
    fn begin_watch(&self, promise: &Value, id: u32) -> JsResult<Fresh> {
        let watch = self.watches.get().wrapping_add(1).max(1);
        self.watches.set(watch);
        let is_made = self.host.watch(promise, id);
        if is_made {
            self.rt.mark_handled(promise);
        } else {
            self.follow(promise, watch)?;
        }
        Ok(Fresh {
            identity: promise.identity().unwrap_or_default(),
            watch,
            is_made,
        })
    }

    fn follow(&self, promise: &Value, watch: u32) -> JsResult<()> {
        let rt = self.rt;
        let identity = promise.identity().unwrap_or_default();
        let words = [identity, watch as usize, 0];
        let spec = FunctionSpec::new(settled, WATCH_TAG, words).not_constructible();
        let function = rt.function(spec)?;
        rt.promise_then(promise, &function, &function).map(drop)
    }

    /// A promise with a subscription was resolved or rejected; it may follow another one now. `id` is
    /// the one under which it was lent, or zero.
    pub(super) fn resolved(&self, promise: &Value, id: u32) {
        let id = SlotId::new(id)
            .filter(|id| self.tables.is_lent_as(promise, *id))
            .or_else(|| self.tables.id_of(promise));
        let state = self.rt.promise_state(promise);
        if !matches!(state, Some(PromiseState::Pending)) {
            self.end_watch(id, |_| true);
            return;
        }
        let watch = id.map_or(0, |id| self.watch_of(id));
        if watch != 0
            && let Err(thrown) = self.follow(promise, watch)
        {
            tracing::warn!(target: "napi_hostd", ?thrown, "cannot subscribe to a promise");
        }
    }

    /// A promise is settled: the client is notified if this subscription is the current one. The
    /// client may have released the promise meanwhile.
    fn end_watch(&self, id: Option<SlotId>, is_meant: impl Fn(u32) -> bool) {
        let Some(id) = id else { return };
        let mut objects = self.tables.objects.borrow_mut();
        let Some(object) = objects.get(id) else {
            return;
        };
        let serial = object.watch;
        if serial == 0 || !is_meant(serial) {
            return;
        }
        let promise = object.value.clone();
        objects.set_watch(id, 0);
        drop(objects);
        self.note_settled(Settled {
            id,
            serial,
            promise,
        });
    }

    /// The number of the subscription to a promise that the client holds; zero if there is none.
    fn watch_of(&self, id: SlotId) -> u32 {
        let objects = self.tables.objects.borrow();
        objects.get(id).map_or(0, |object| object.watch)
    }

    /// Settles an awaitable of the client in the next turn, as its reactions run within turns. One whose
    /// promise died meanwhile needs nothing.
    pub(super) fn settle(
        &self,
        // The promise stays as long as it is settled.
        ((id, _promise), outcome): ((SlotId, Option<Value>), OutcomeOf<()>),
    ) -> Result<(), Refusal> {
        let outcome = match outcome {
            PromiseOutcome::Fulfilled(value) => Ok(value),
            PromiseOutcome::Rejected(reason) => Err(reason),
            PromiseOutcome::Pending(()) => {
                let text = "an awaitable cannot be settled to pending";
                return Err(RemoteError::Unsupported(text.to_owned()).into());
            }
        };
        let deferred = self.tables.awaitables.borrow_mut().remove(&id.get());
        if let Some(deferred) = deferred {
            self.run_in_turn(Due::Settle(deferred, outcome));
        }
        Ok(())
    }

    /// A promise goes to the client, which is notified of its end: a rejection is not unhandled.
    pub(super) fn take_care_of(&self, promise: &Value) -> JsResult<()> {
        let state = self.rt.promise_state(promise);
        if matches!(state, Some(PromiseState::Fulfilled(_))) {
            return Ok(());
        }
        let is_lent = self.tables.id_of(promise).is_some();
        if matches!(state, Some(PromiseState::Pending)) && !is_lent {
            let fresh = self.begin_watch(promise, 0)?;
            self.tables.fresh.set(Some(fresh));
            return Ok(());
        }
        let ignore = &self.tables.intrinsics.ignore;
        self.rt.promise_then(promise, &Value::UNDEFINED, ignore)?;
        Ok(())
    }
}
