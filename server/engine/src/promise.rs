//! Promises: making, settling and reading them.

use hostd_quickjs as q;

use crate::{JsResult, Runtime, Value};

/// The two functions that settle a promise, once.
#[derive(Debug)]
pub struct Deferred {
    resolve: Value,
    reject: Value,
}

/// The state of a promise.
#[derive(Debug)]
pub enum PromiseState {
    /// Not settled.
    Pending,
    /// Fulfilled with that value.
    Fulfilled(Value),
    /// Rejected with that reason.
    Rejected(Value),
}

impl Runtime {
    /// Makes a promise and the functions that settle it.
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
        self.count_script(value);
        let Deferred { resolve, .. } = deferred;
        self.settle(&resolve, value)
    }

    /// Rejects the promise.
    pub fn reject(self, deferred: Deferred, reason: &Value) -> JsResult<()> {
        let Deferred { reject, .. } = deferred;
        self.settle(&reject, reason)
    }

    fn settle(self, function: &Value, value: &Value) -> JsResult<()> {
        let args = std::slice::from_ref(value);
        let settled = self.call_native(function, &Value::UNDEFINED, args);
        settled.map(drop)
    }

    /// Returns whether it is a promise of the engine (not merely a thenable).
    #[inline]
    pub fn is_promise(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsPromise(value.0) }
    }

    /// The state of a promise; `None` for other values.
    pub fn promise_state(self, promise: &Value) -> Option<PromiseState> {
        if !self.is_promise(promise) {
            return None;
        }
        // SAFETY: E1, E2; the call borrows live values of this context.
        let state = unsafe { q::JS_PromiseState(self.ctx(), promise.0) };
        // SAFETY: E1, E2; undefined while it is pending.
        let result = Value(unsafe { q::JS_PromiseResult(self.ctx(), promise.0) });
        Some(match state {
            q::JSPromiseStateEnum_JS_PROMISE_FULFILLED => PromiseState::Fulfilled(result),
            q::JSPromiseStateEnum_JS_PROMISE_REJECTED => PromiseState::Rejected(result),
            _ => PromiseState::Pending,
        })
    }

    /// `promise.then(on_fulfilled, on_rejected)` by the original `then`; `undefined` stands for no
    /// function.
    pub fn promise_then(
        self,
        promise: &Value,
        on_fulfilled: &Value,
        on_rejected: &Value,
    ) -> JsResult {
        if !self.is_promise(promise) {
            return Err(self.type_error("not a promise"));
        }
        // SAFETY: E1, E2; the call borrows live values of this context.
        let raw =
            unsafe { q::JS_PromiseThen(self.ctx(), promise.0, on_fulfilled.0, on_rejected.0) };
        self.adopt(raw)
    }

    /// Marks a promise as handled, so that its rejection is not reported.
    pub fn mark_handled(self, promise: &Value) {
        if self.is_promise(promise) {
            // SAFETY: E1, E2; the call borrows live values of this context.
            unsafe { q::JS_PromiseMarkAsHandled(self.ctx(), promise.0) };
        }
    }
}
