//! Microtasks, and the host's hooks for interruption, rejected promises and failed microtasks.

use std::ffi::c_void;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hostd_quickjs as q;

use crate::{InterruptHook, JobErrorHook, JsResult, RejectionHook, Runtime, Value};

unsafe extern "C" fn interrupt_hook(_: *mut q::JSRuntime, _: *mut c_void) -> i32 {
    let Some(rt) = Runtime::current() else {
        return 0;
    };
    let hook = rt.state.hooks.interrupt.borrow().clone();
    let Some(hook) = hook else { return 0 };
    // A panic has been printed, and stops nothing.
    catch_unwind(AssertUnwindSafe(|| hook())).map_or(0, i32::from)
}

unsafe extern "C" fn rejection_hook(
    _: *mut q::JSContext,
    promise: q::JSValue,
    reason: q::JSValue,
    handled: bool,
    _: *mut c_void,
) {
    let Some(rt) = Runtime::current() else { return };
    let hook = rt.state.hooks.rejection.borrow().clone();
    let Some(hook) = hook else { return };
    let (promise, reason) = (Value::lent(&promise), Value::lent(&reason));
    // A panic has been printed.
    let _ = catch_unwind(AssertUnwindSafe(|| hook(rt, promise, reason, handled)));
}

impl Runtime {
    pub(crate) fn install_job_callbacks(self) {
        let nothing = std::ptr::null_mut();
        // SAFETY: E1, E6; the hook runs on this thread and catches panics.
        unsafe { q::JS_SetInterruptHandler(self.state.rt, Some(interrupt_hook), nothing) };
        // SAFETY: E1, E6; the hook runs on this thread and catches panics.
        unsafe {
            q::JS_SetHostPromiseRejectionTracker(self.state.rt, Some(rejection_hook), nothing);
        };
    }

    /// Sets what is called now and then while JavaScript code runs; true ends it with an exception
    /// that no `catch` stops.
    pub fn set_interrupt_hook(self, hook: Option<InterruptHook>) {
        drop(self.state.hooks.interrupt.replace(hook));
    }

    /// Sets what is called for rejected promises. It is called again for a rejection that gets its
    /// handler later, so only what is unhandled after the microtasks is to be reported.
    pub fn set_rejection_hook(self, hook: Option<RejectionHook>) {
        drop(self.state.hooks.rejection.replace(hook));
    }

    /// Sets what is called for exceptions that microtasks threw.
    pub fn set_job_error_hook(self, hook: Option<JobErrorHook>) {
        drop(self.state.hooks.job_error.replace(hook));
    }

    /// The value that the reactions of promises keep from where they are made: while one runs, after
    /// an `await` too, it is the current one. At first it is undefined.
    #[inline]
    pub fn continuation_data(self) -> Value {
        // SAFETY: E1, E3; the engine returns a count of its own.
        Value(unsafe { q::JS_GetContinuationData(self.state.rt) })
    }

    /// Makes the value the current one until the guard is dropped, which brings back the one before.
    pub fn enter_continuation(self, data: Value) -> Continuation {
        let outer = self.continuation_data();
        self.set_continuation_data(data);
        Continuation { rt: self, outer }
    }

    /// Sets what [`continuation_data`](Self::continuation_data) returns.
    #[inline]
    pub fn set_continuation_data(self, data: Value) {
        // SAFETY: E1, E2; the count becomes the engine's.
        unsafe { q::JS_SetContinuationData(self.state.rt, data.into_raw()) };
    }

    /// Returns whether microtasks are queued.
    #[inline]
    pub fn has_microtasks(self) -> bool {
        // SAFETY: E1; the runtime is live, and nothing is changed.
        unsafe { q::JS_IsJobPending(self.state.rt) }
    }

    /// Runs microtasks until none is left; returns how many ran. The job error hook gets their
    /// exceptions; only an uncatchable one stops the run.
    pub fn run_microtasks(self) -> JsResult<usize> {
        let mut ran = 0;
        while self.has_microtasks() {
            self.count_mutation();
            let mut context = std::ptr::null_mut();
            // SAFETY: E1; the out-pointer lives on our stack.
            let code = unsafe { q::JS_ExecutePendingJob(self.state.rt, &raw mut context) };
            ran += 1;
            if code >= 0 {
                continue;
            }
            let thrown = self.pending();
            if thrown.is_uncatchable() {
                return Err(thrown);
            }
            let hook = self.state.hooks.job_error.borrow().clone();
            if let Some(hook) = hook {
                hook(self, thrown);
            }
        }
        Ok(ran)
    }
}

/// Brings back the continuation data that was current before; see [`Runtime::enter_continuation`].
#[derive(Debug)]
#[must_use]
pub struct Continuation {
    rt: Runtime,
    outer: Value,
}

impl Drop for Continuation {
    fn drop(&mut self) {
        self.rt
            .set_continuation_data(mem::replace(&mut self.outer, Value::UNDEFINED));
    }
}
