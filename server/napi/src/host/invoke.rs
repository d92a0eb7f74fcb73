//! Calls into an addon: callbacks that JavaScript made, `init`, finalizers and hooks.
//!
//! Each runs in a handle scope of its own. Scopes that the addon left open are closed for it, with
//! a warning; Node would abort.

use hostd_engine::{ErrorConstructor, Invocation, JsResult, Runtime, Thrown, Value};

use super::{Caller, HostState, Origin, caller};
use crate::abi::callback::Init;
use crate::abi::row::Row;
use crate::abi::status::Status;
use crate::abi::types::{napi_env, napi_value};
use crate::env::{Env, flags};

const CALLBACK: &Row = &Row { name: "a callback" };
const INIT: &Row = &Row {
    name: "the addon's init",
};
const NATIVE: &Row = &Row {
    name: "a finalizer or hook",
};
const LOOP: &Row = &Row {
    name: "a callback of libuv",
};

/// What engine functions with our tags run.
pub(crate) fn callback(rt: Runtime, invocation: &Invocation<'_>) -> JsResult {
    let raw = napi_env(invocation.words[2]);
    let Some(Caller { host, env }) = caller(raw) else {
        let message = "the addon of this function does not exist";
        return Err(rt.throw(ErrorConstructor::Error, message));
    };
    if env.flags() & (flags::NO_JS | flags::POISONED) != 0 {
        let message = "the addon of this function was closed";
        return Err(rt.throw(ErrorConstructor::Error, message));
    }
    let value = host.in_scope(env, CALLBACK, || {
        let returned = host.frames.call(raw, invocation);
        if returned.0 == 0 {
            return Value::UNDEFINED;
        }
        let value = host.handles.borrow().value(returned);
        value.unwrap_or_else(|| {
            let ended = host.returned_late(CALLBACK, env, returned);
            ended.unwrap_or(Value::UNDEFINED)
        })
    });
    env.take_exception().map_or(Ok(value), Err)
}

impl HostState {
    /// Runs an addon's `init` and gives its exports: the object that it was given to fill, a new
    /// one if none, or what it returned instead.
    pub(crate) fn run_init(
        &'static self,
        env: &'static Env,
        init: Init,
        exports: Option<Value>,
    ) -> JsResult {
        let exports = exports.map_or_else(|| self.rt.object(), Ok)?;
        let value = self.in_scope(env, INIT, || {
            let handle = self.handles.borrow_mut().push(exports.clone());
            let returned = init.call(env.raw, handle);
            if returned.0 == 0 || returned == handle {
                return exports;
            }
            let value = self.handles.borrow().value(returned);
            value.unwrap_or_else(|| {
                let ended = self.returned_late(INIT, env, returned);
                ended.unwrap_or(exports)
            })
        });
        env.take_exception().map_or(Ok(value), Err)
    }

    /// The value of a handle that is not alive but was returned: of a scope that was closed on the
    /// way out, as it is in Node. Only the debug mode says so.
    #[cold]
    fn returned_late(&self, row: &'static Row, env: &Env, returned: napi_value) -> Option<Value> {
        let ended = self.handles.borrow().ended(returned).cloned();
        if ended.is_none() || self.debug.is_some() {
            self.stale(row, env, "returned napi_value", returned.0);
        }
        ended
    }

    /// Calls something of an addon's that JavaScript does not wait for. Exceptions it leaves pending
    /// go where Node sends them, except that the embedder hears of those too that Node swallows: of
    /// old addons' threadsafe functions. One that was pending before stays so.
    pub(crate) fn call_native(
        &'static self,
        env: &'static Env,
        origin: Origin,
        call: impl FnOnce(),
    ) {
        let outer = env.take_exception();
        self.in_scope(env, NATIVE, call);
        if let Some(thrown) = env.take_exception() {
            self.dispose(env, &thrown, origin);
        }
        if let Some(outer) = outer {
            env.set_exception(outer);
        }
    }

    /// Tells of an exception that JavaScript does not wait for.
    pub(crate) fn dispose(&self, env: &Env, thrown: &Thrown, origin: Origin) {
        if origin == Origin::ThreadsafeFunction && !env.is_version_10() {
            // Node swallows it, with a warning: no listener of the process hears of it.
            self.hooks.uncaught(self.rt, &thrown.0, origin);
            return;
        }
        self.uncaught(thrown, origin);
    }

    /// Runs what may call addons of any environment, in a handle scope of its own.
    pub(super) fn in_native_scope<R>(&'static self, call: impl FnOnce() -> R) -> R {
        self.scoped(LOOP, None, call)
    }

    /// Runs `call` in a handle scope of its own, with a clean last-error record.
    #[inline]
    fn in_scope<R>(&'static self, env: &Env, row: &'static Row, call: impl FnOnce() -> R) -> R {
        env.record(Status::Ok);
        self.scoped(row, Some(env), call)
    }

    #[inline]
    fn scoped<R>(
        &'static self,
        row: &'static Row,
        env: Option<&Env>,
        call: impl FnOnce() -> R,
    ) -> R {
        let height = self.handles.borrow().height();
        let floor = self.scopes.borrow_mut().enter();
        let scope_floor = self.raise_scope_floor();
        let outer = self.swap_row(None);
        self.note_next();
        let measured = self.measure_addon();
        let result = call();
        self.measured(measured);
        self.swap_row(outer);
        if self.restore_scope_floor(scope_floor) {
            let text = "left a callback scope open, which ends the process in Node";
            self.warn_once(row, env, text);
        }
        if self.scopes.borrow_mut().leave(floor) > 0 {
            let text = "left a handle scope open, which ends the process in Node";
            self.warn_once(row, env, text);
        }
        self.handles.borrow_mut().truncate(height);
        result
    }
}
