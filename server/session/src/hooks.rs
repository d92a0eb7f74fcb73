//! The hooks by which the engine and Node-API call the session: remote objects, callbacks, uncaught
//! errors, the end of the process, interrupts.

use std::rc::Rc;

use hostd_engine::{FinalizerToken, Invocation, JsResult, Key, RemoteHooks, Runtime, Value};
use hostd_napi::{HostHooks, Origin};
use hostd_protocol::calls;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::parts::{Arguments, Put};
use hostd_protocol::value::ClientKind;

use super::Session;
use crate::lent::{MEMORY_TOKEN, REMOTE_TOKEN};
use crate::marshal::{Encoded, Encoder};

#[derive(Debug)]
pub(super) struct Hooks;

impl HostHooks for Hooks {
    fn uncaught(&self, _: Runtime, error: &Value, origin: Origin) {
        if let Some(session) = Session::current() {
            session.note_uncaught(error, origin_name(origin));
        }
    }

    fn exit_requested(&self, code: i32) {
        if let Some(session) = Session::current() {
            tracing::warn!(target: "napi_hostd", code, "the addon ended the process");
            session.hooks.exit(code);
            // Where the process goes on, the session ends instead.
            session.lose(ProtocolError::Disconnected);
        }
    }

    fn resolved(&self, _: Runtime, promise: &Value, name: u32) {
        if let Some(session) = Session::current() {
            session.resolved(promise, name);
        }
    }

    fn finalized(&self, _: Runtime, token: &FinalizerToken) {
        let Some(session) = Session::current() else {
            return;
        };
        let mut remotes = session.tables.remotes.borrow_mut();
        match token.tag {
            REMOTE_TOKEN => {
                if let Some(id) = remotes.died(*token) {
                    session.tables.awaitables.borrow_mut().remove(&id.get());
                }
            }
            MEMORY_TOKEN => remotes.memory_unused(*token),
            _ => {}
        }
    }
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::NextTick => "process.nextTick",
        Origin::Microtask => "microtask",
        Origin::UnhandledRejection => "unhandled rejection",
        Origin::Finalizer => "finalizer",
        Origin::Timer => "timer",
        Origin::AsyncWork => "async work",
        Origin::ThreadsafeFunction => "threadsafe function",
        Origin::FatalException => "napi_fatal_exception",
    }
}

pub(super) fn install(session: &Rc<Session>) {
    session.rt.set_remote_hooks(Rc::new(Remote));
    let served = Rc::downgrade(session);
    session.rt.set_interrupt_hook(Some(Rc::new(move || {
        let session = served.upgrade();
        session.is_some_and(|session| {
            session.hooks.pause();
            session.is_cancelled() || session.is_ending()
        })
    })));
}

/// JavaScript or the addon calls a callable of the client.
pub(super) fn call_callable(_: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(session) = Session::current() else {
        return Ok(Value::UNDEFINED);
    };
    let target = u32::try_from(call.words[0]).unwrap_or_default();
    if call.words[1] != 0 {
        return session.ask::<calls::Invoke>(&(target, WithThis(call)));
    }
    session.call_client(target, call.args)
}

/// The arguments of a callable that gets `this` before them.
struct WithThis<'i>(&'i Invocation<'i>);

impl Put<Arguments, Encoder<'_, '_>> for WithThis<'_> {
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        body.arguments_with_this(self.0.this, self.0.args)
    }
}

/// The traps of exposed objects and live containers.
struct Remote;

/// The session, and the id behind a remote object's words; none if there is nothing to be seen of it.
fn seen(words: u64) -> Option<(Rc<Session>, u32)> {
    let kind = ClientKind::from_code(u8::try_from(words >> 32).ok()?)?;
    let live = matches!(
        kind,
        ClientKind::Exposed | ClientKind::Mapping | ClientKind::Sequence
    );
    let id = u32::try_from(words & u64::from(u32::MAX)).ok()?;
    Some((Session::current().filter(|_| live)?, id))
}

impl RemoteHooks for Remote {
    fn get(&self, _: Runtime, words: u64, key: &Key) -> JsResult<Option<Value>> {
        let Some((session, id)) = seen(words) else {
            return Ok(None);
        };
        let (is_present, value) = session.ask::<calls::RemoteGet>(&(id, key))?;
        Ok(is_present.then_some(value))
    }

    fn has(&self, _: Runtime, words: u64, key: &Key) -> JsResult<bool> {
        let Some((session, id)) = seen(words) else {
            return Ok(false);
        };
        session.ask::<calls::RemoteHas>(&(id, key))
    }

    fn set(&self, _: Runtime, words: u64, key: &Key, value: &Value) -> JsResult<bool> {
        let Some((session, id)) = seen(words) else {
            return Ok(false);
        };
        session.ask::<calls::RemoteSet>(&(id, key, value))?;
        Ok(true)
    }

    fn delete(&self, _: Runtime, words: u64, key: &Key) -> JsResult<bool> {
        let Some((session, id)) = seen(words) else {
            return Ok(false);
        };
        session.ask::<calls::RemoteDelete>(&(id, key))
    }

    fn own_keys(&self, rt: Runtime, words: u64) -> JsResult<Vec<Key>> {
        let Some((session, id)) = seen(words) else {
            return Ok(Vec::new());
        };
        let list = session.ask::<calls::RemoteKeys>(&(id,))?;
        let length = rt.array_length(&list).unwrap_or(0);
        // With its place, so that the order of names is kept without memory for a copy.
        let mut keys: Vec<(Key, u32)> = Vec::new();
        rt.reserve(&mut keys, length as usize)?;
        for place in 0..length {
            let name = rt.get_index(&list, place)?;
            if !name.is_string() && !name.is_number() {
                return Err(rt.type_error(
                    "a remote object has a key that is neither a string nor a number",
                ));
            }
            keys.push((rt.key_value(&name)?, place));
        }
        // JavaScript lists integers first, ascending.
        keys.sort_unstable_by_key(|(key, place)| {
            key.as_index().map_or((1, *place), |index| (0, index))
        });
        keys.dedup_by(|(key, _), (former, _)| key == former);
        rt.list_from(keys.into_iter().map(|(key, _)| key))
    }

    fn length(&self, rt: Runtime, words: [usize; 3]) -> JsResult {
        let Some(session) = Session::current() else {
            return Ok(Value::from(0));
        };
        let id = u32::try_from(words[0]).unwrap_or_default();
        let key = &session.tables.intrinsics.length;
        let (_, length) = session.ask::<calls::RemoteGet>(&(id, key))?;
        if length.is_number() {
            return Ok(length);
        }
        Err(rt.type_error("the length of a Python callable is not a number"))
    }

    fn call(&self, rt: Runtime, _: u64, _: &Value, _: &[Value]) -> JsResult {
        Err(rt.type_error("a live Python object is not a function; pass its method instead"))
    }
}
