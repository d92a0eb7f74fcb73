//! Promises in both directions: the host's, which the client watches, and the client's, which it
//! settles.

use hostd_engine::{FunctionSpec, Invocation, JsResult, PromiseState, Runtime, Value};
use hostd_protocol::error::RemoteError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ValueReader;

use super::answer::{Answer, Refusal};
use super::level::Level;
use super::settled::Settled;
use super::{Due, Session};

/// The engine function tag of the functions that wait for a watched promise.
const WATCH_TAG: u8 = 65;

/// A watched promise was settled.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine's type of a native function"
)]
fn settled(_: Runtime, call: &Invocation<'_>) -> JsResult {
    let [identity, serial, _] = call.words;
    if let Some(session) = Session::current() {
        session.end_watch(identity, |watch| watch.serial as usize == serial);
    }
    Ok(Value::UNDEFINED)
}

/// A pending promise of which the client will be told how it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// Which promise.
    identity: usize,
    /// Tells this watch from earlier ones of the same id; never zero.
    serial: u32,
}

impl Session {
    /// Says how far a promise is; a pending one is told of when it is settled.
    pub(super) fn watch(&self, body: ValueReader<'_>, level: &Level) -> Result<Answer, Refusal> {
        let (id, promise) = self.read(level, body, |frame| {
            let id = frame.fields().take_id()?;
            let promise = self.lent_value(id).ok_or(RemoteError::Stale(id.get()))?;
            Ok((id, promise))
        })?;
        let rt = self.runtime();
        let Some(state) = rt.promise_state(&promise) else {
            return Err(rt.type_error("only a promise can be awaited").into());
        };
        if !matches!(state, PromiseState::Pending) {
            rt.mark_handled(&promise);
            return Ok(Answer::Promise(state));
        }
        if self.watch_of(id) == 0 {
            let watch = self.begin_watch(&promise)?;
            self.watched.borrow_mut().insert(id.get(), watch);
        }
        Ok(Answer::Watched(self.watch_of(id)))
    }

    fn begin_watch(&self, promise: &Value) -> JsResult<Watch> {
        let watch = Watch {
            identity: promise.identity().unwrap_or_default(),
            serial: self.watches.get().wrapping_add(1).max(1),
        };
        self.watches.set(watch.serial);
        if self.host.watch(promise) {
            self.runtime().mark_handled(promise);
        } else {
            self.follow(promise, watch)?;
        }
        Ok(watch)
    }

    /// Watches by a reaction of the promise's.
    fn follow(&self, promise: &Value, watch: Watch) -> JsResult<()> {
        let rt = self.runtime();
        let words = [watch.identity, watch.serial as usize, 0];
        let spec = FunctionSpec::new(settled, WATCH_TAG, words).not_constructible();
        let function = rt.function(spec)?;
        rt.promise_then(promise, &function, &function).map(drop)
    }

    /// A promise that is watched was resolved or rejected; it may follow another one now.
    pub(super) fn resolved(&self, promise: &Value) {
        let identity = promise.identity().unwrap_or_default();
        let state = self.runtime().promise_state(promise);
        if !matches!(state, Some(PromiseState::Pending)) {
            self.end_watch(identity, |_| true);
            return;
        }
        let watch = self.lent_id(identity).and_then(|id| {
            let watched = self.watched.borrow();
            watched.get(&id.get()).copied()
        });
        if let Some(watch) = watch.filter(|watch| watch.identity == identity)
            && let Err(thrown) = self.follow(promise, watch)
        {
            tracing::warn!(target: "napi_hostd", ?thrown, "a promise can't be watched any more");
        }
    }

    /// A promise is settled: the client is told if it is this watch by which it is watched. The
    /// client may have given the promise back meanwhile.
    fn end_watch(&self, identity: usize, is_meant: impl Fn(Watch) -> bool) {
        let Some(id) = self.lent_id(identity) else {
            return;
        };
        let mut watched = self.watched.borrow_mut();
        let watch = watched.get(&id.get()).copied();
        let Some(watch) = watch.filter(|watch| watch.identity == identity && is_meant(*watch))
        else {
            return;
        };
        watched.remove(&id.get());
        if let Some(promise) = self.lent_value(id) {
            let serial = watch.serial;
            self.note_settled(Settled {
                id,
                serial,
                promise,
            });
        }
    }

    /// The number of the watch of a promise that the client holds; zero if it is not watched.
    pub(super) fn watch_of(&self, id: SlotId) -> u32 {
        self.watched
            .borrow()
            .get(&id.get())
            .map_or(0, |watch| watch.serial)
    }

    /// A promise is being lent for the first time: the watch that was begun for that, if any. One
    /// that was settled meanwhile, when nobody held it yet, is to be asked for.
    pub(crate) fn adopt_watch(&self, id: SlotId, promise: &Value) -> u32 {
        let state = self.runtime().promise_state(promise);
        match self.fresh.get() {
            Some(watch)
                if Some(watch.identity) == promise.identity()
                    && matches!(state, Some(PromiseState::Pending)) =>
            {
                self.fresh.set(None);
                self.watched.borrow_mut().insert(id.get(), watch);
                watch.serial
            }
            _ => 0,
        }
    }

    /// Settles an awaitable of the client, in the next turn: what waits for it runs where turns are
    /// taken. One that died here meanwhile needs nothing.
    pub(super) fn settle(&self, body: ValueReader<'_>, level: &Level) -> Result<Answer, Refusal> {
        // The promise stays as long as it is settled.
        let (id, _promise, state, value) = self.read(level, body, |frame| {
            let id = frame.fields().take_id()?;
            let promise = self.receive(id)?;
            if promise.is_none() {
                self.remotes.borrow_mut().give_back(id);
            }
            let state = frame.fields().take_u8()?;
            Ok((id, promise, state, frame.value()?))
        })?;
        if !(1..=2).contains(&state) {
            let text = format!("an awaitable cannot be settled to state {state}");
            return Err(RemoteError::Unsupported(text).into());
        }
        let deferred = self.awaitables.borrow_mut().remove(&id.get());
        if let Some(deferred) = deferred {
            let outcome = if state == 1 { Ok(value) } else { Err(value) };
            self.do_in_turn(Due::Settle(deferred, outcome));
        }
        Ok(Answer::Nothing)
    }

    /// A promise goes to the client, which hears how it ends without asking: a rejection is not
    /// unhandled.
    pub(super) fn take_care_of(&self, promise: &Value) -> JsResult<()> {
        let state = self.runtime().promise_state(promise);
        let is_lent = promise.identity().and_then(|it| self.lent_id(it)).is_some();
        if matches!(state, Some(PromiseState::Pending)) && !is_lent {
            let watch = self.begin_watch(promise)?;
            self.fresh.set(Some(watch));
            return Ok(());
        }
        let ignore = &self.intrinsics().ignore;
        self.runtime()
            .promise_then(promise, &Value::UNDEFINED, ignore)?;
        Ok(())
    }
}
