//! Promises in both directions: the host's, which the client watches, and the client's, which it
//! settles.

use hostd_engine::{FunctionSpec, Invocation, JsResult, PromiseState, Runtime, Value};
use hostd_protocol::error::RemoteError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ValueReader;

use super::answer::{Answer, Refusal};
use super::level::Level;
use super::{Due, Session};

/// The engine function tag of the functions that wait for a watched promise.
const WATCH_TAG: u8 = 65;

/// A watched promise was settled.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine's type of a native function"
)]
fn settled(_: Runtime, call: &Invocation<'_>) -> JsResult {
    let [id, identity, _] = call.words;
    let id = u32::try_from(id).ok().and_then(SlotId::new);
    if let (Some(session), Some(id)) = (Session::current(), id) {
        let watched = session.watched.borrow_mut().remove(&id.get());
        // The id may have another tenant by now.
        let tenant = session.lent_value(id).and_then(|value| value.identity());
        if watched == Some(identity) && tenant == Some(identity) {
            session.note_settled(id);
        }
    }
    Ok(Value::UNDEFINED)
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
        let identity = promise.identity().unwrap_or_default();
        let known = self.watched.borrow().get(&id.get()) == Some(&identity);
        if matches!(state, PromiseState::Pending) && !known {
            let words = [id.get() as usize, identity, 0];
            let spec = FunctionSpec::new(settled, WATCH_TAG, words).not_constructible();
            let function = rt.function(spec)?;
            rt.promise_then(&promise, &function, &function)?;
            self.watched.borrow_mut().insert(id.get(), identity);
        } else {
            rt.mark_handled(&promise);
        }
        Ok(Answer::Promise(state))
    }

    /// Settles an awaitable of the client, in the next turn: what waits for it runs where turns are
    /// taken. One that died here meanwhile needs nothing.
    pub(super) fn settle(&self, body: ValueReader<'_>, level: &Level) -> Result<Answer, Refusal> {
        let (id, state, value) = self.read(level, body, |frame| {
            let id = frame.fields().take_id()?;
            let state = frame.fields().take_u8()?;
            Ok((id, state, frame.value()?))
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

    /// A promise goes to the client, which hears of its rejection: that is not unhandled.
    pub(super) fn take_care_of(&self, promise: &Value) -> JsResult<()> {
        let ignore = &self.intrinsics().ignore;
        self.runtime()
            .promise_then(promise, &Value::UNDEFINED, ignore)?;
        Ok(())
    }
}
