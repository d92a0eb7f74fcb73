//! Promises.

use rquickjs_sys as q;

use crate::{JsResult, Runtime, Value};

/// The two functions that settle a promise; using one uses up both.
#[derive(Debug)]
pub struct Deferred {
    resolve: Value,
    reject: Value,
}

/// How far a promise is.
#[derive(Debug)]
pub enum PromiseState {
    /// Not settled.
    Pending,
    /// Settled well, with that value.
    Fulfilled(Value),
    /// Settled badly, with that reason.
    Rejected(Value),
}

impl Runtime {
    /// Makes a promise and what settles it.
    pub fn promise(self) -> JsResult<(Value, Deferred)> {
        let mut functions = [q::JS_UNDEFINED; 2];
        // SAFETY: E1; the engine fills in two functions that become ours.
        let raw = unsafe { q::JS_NewPromiseCapability(self.ctx(), functions.as_mut_ptr()) };
        let promise = self.adopt(raw)?;
        let [resolve, reject] = functions.map(Value);
        Ok((promise, Deferred { resolve, reject }))
    }

    /// Resolves the promise: with a thenable it follows that one.
    pub fn resolve(self, deferred: Deferred, value: &Value) -> JsResult<()> {
        let Deferred { resolve, .. } = deferred;
        self.count_script(value);
        let args = std::slice::from_ref(value);
        self.call_native(&resolve, &Value::UNDEFINED, args)
            .map(drop)
    }

    /// Rejects the promise.
    pub fn reject(self, deferred: Deferred, reason: &Value) -> JsResult<()> {
        let Deferred { reject, .. } = deferred;
        let args = std::slice::from_ref(reason);
        self.call_native(&reject, &Value::UNDEFINED, args).map(drop)
    }

    /// Tells whether it is a promise of the engine (not merely a thenable).
    #[inline]
    pub fn is_promise(self, value: &Value) -> bool {
        // SAFETY: E2; answers false for all that is not one.
        unsafe { q::JS_IsPromise(value.0) }
    }

    /// How far a promise is; nothing for other values.
    pub fn promise_state(self, promise: &Value) -> Option<PromiseState> {
        if !self.is_promise(promise) {
            return None;
        }
        // SAFETY: E1, E2.
        let state = unsafe { q::JS_PromiseState(self.ctx(), promise.0) };
        // SAFETY: E1, E2; undefined while it is pending.
        let result = Value(unsafe { q::JS_PromiseResult(self.ctx(), promise.0) });
        Some(match state {
            q::JSPromiseStateEnum_JS_PROMISE_FULFILLED => PromiseState::Fulfilled(result),
            q::JSPromiseStateEnum_JS_PROMISE_REJECTED => PromiseState::Rejected(result),
            _ => PromiseState::Pending,
        })
    }

    /// `promise.then(on_fulfilled, on_rejected)` of the built-in kind, whatever foreign code did
    /// to `then`; `undefined` passes through.
    pub fn promise_then(
        self,
        promise: &Value,
        on_fulfilled: &Value,
        on_rejected: &Value,
    ) -> JsResult {
        if !self.is_promise(promise) {
            return Err(self.type_error("not a promise"));
        }
        // SAFETY: E1, E2.
        let raw =
            unsafe { q::JS_PromiseThen(self.ctx(), promise.0, on_fulfilled.0, on_rejected.0) };
        self.adopt(raw)
    }

    /// Keeps a rejection from being reported as unhandled.
    pub fn mark_handled(self, promise: &Value) {
        if self.is_promise(promise) {
            // SAFETY: E1, E2.
            unsafe { q::JS_PromiseMarkAsHandled(self.ctx(), promise.0) };
        }
    }
}
