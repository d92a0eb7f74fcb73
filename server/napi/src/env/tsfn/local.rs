//! Threadsafe functions: the half of the host's thread, which delivers, closes and finalizes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hostd_engine::Value;

use super::{
    Local, Next, Phase, Served, ThreadsafeSpec, allocate, free, interrupted, locked, next, resolve,
    wake_all,
};
use crate::abi::checked::{Data, ThreadCalls};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_env, napi_value};
use crate::env::{Env, flags};
use crate::host::{HostState, Inbox, Origin};

/// At the end of an environment, undelivered calls are given back for this long at least, even if
/// its grace period has ended. The host may be killed then, which would skip the finalizers too.
const GIVE_BACK_MIN: Duration = Duration::from_millis(200);
/// How many calls are given back between two reads of the clock.
const CALLS_PER_CLOCK_READ: usize = 64;

impl Env {
    /// Makes a threadsafe function.
    pub(crate) fn new_threadsafe(
        &self,
        inbox: Arc<Inbox>,
        spec: ThreadsafeSpec,
    ) -> NapiResult<usize> {
        let id = allocate(self.id, &spec, inbox).ok_or(Status::GenericFailure)?;
        let place = self.hooks.borrow_mut().place();
        let local = Local {
            place,
            function: spec.function,
            calls: spec.calls,
        };
        self.threadsafe.borrow_mut().insert(id, local);
        Ok(id)
    }

    /// Whether one is open and referenced.
    pub(crate) fn has_referenced_threadsafe(&self) -> bool {
        self.threadsafe
            .borrow()
            .keys()
            .any(|id| resolve(*id).is_some_and(|(slot, _)| slot.referenced.load(Ordering::Relaxed)))
    }

    /// How many calls wait in the environment's queues.
    pub(crate) fn queued_threadsafe(&self) -> usize {
        let locals = self.threadsafe.borrow();
        let lengths = locals
            .keys()
            .filter_map(|id| locked(*id).ok().map(|(_, state)| state.queue.len()));
        lengths.sum()
    }

    /// Delivers the calls of a posted function while `may_go_on` returns true, until there is none,
    /// or all threads released it, or one aborted it.
    pub(crate) fn dispatch_threadsafe(
        &'static self,
        host: &'static HostState,
        id: usize,
        may_go_on: &mut dyn FnMut() -> bool,
    ) -> Served {
        let (function, calls) = match self.threadsafe.borrow().get(&id) {
            Some(local) => (local.function.clone(), local.calls),
            None => return Served::Closing,
        };
        loop {
            match next(id) {
                Next::Nothing => return Served::All,
                Next::Close => return Served::Closing,
                Next::Call { data, last } => {
                    let data = Data::from_word(data);
                    self.deliver(host, function.as_ref(), &calls, data);
                    host.settle_item();
                    if last {
                        may_go_on();
                        return Served::Closing;
                    }
                }
            }
            if !may_go_on() {
                return interrupted(id);
            }
        }
    }

    /// Hands one call to JavaScript.
    fn deliver(
        &'static self,
        host: &'static HostState,
        function: Option<&Value>,
        calls: &ThreadCalls,
        data: Data,
    ) {
        if self.flags() & flags::POISONED != 0 {
            return;
        }
        let origin = Origin::ThreadsafeFunction;
        match (calls.call_js, function) {
            (Some(call_js), _) => host.call_native(self, origin, || {
                let handle = function.map_or(napi_value(0), |function| {
                    host.handles.borrow_mut().push(function.clone())
                });
                call_js.call(self.raw, handle, calls.context, data);
            }),
            (None, Some(function)) => {
                if let Err(thrown) = host.rt.call(function, &Value::UNDEFINED, &[]) {
                    host.dispose(self, &thrown, origin);
                }
            }
            (None, None) => {}
        }
    }

    /// Closes the open functions that are younger than that place, for teardown. Adds those that
    /// threads hold to `held`.
    pub(crate) fn close_threadsafe(&self, place: u64, held: &mut Vec<usize>) {
        for (id, local) in self.threadsafe.borrow().iter() {
            if local.place < place {
                continue;
            }
            if let Ok((slot, mut state)) = locked(*id)
                && state.phase == Phase::Open
            {
                if state.threads > 0 {
                    held.push(*id);
                }
                slot.withdraw(&state);
                state.phase = Phase::Closing;
                wake_all(slot, &state);
            }
        }
    }

    /// Finalizes the closed functions, for teardown: the oldest first, because it was closed last.
    pub(crate) fn finalize_closed(&'static self, host: &'static HostState, end: Instant) {
        let end = end.max(Instant::now() + GIVE_BACK_MIN);
        loop {
            let mut closed: Vec<(u64, usize)> = {
                let locals = self.threadsafe.borrow();
                let closed = locals.iter();
                closed.map(|(id, local)| (local.place, *id)).collect()
            };
            if closed.is_empty() {
                return;
            }
            closed.sort_unstable();
            for (_, id) in closed {
                self.finalize_threadsafe(host, id, Some(end));
            }
        }
    }

    /// Gives back the calls that were not delivered, so that their data can be freed, and runs the
    /// finalizer, once; frees the slot if no thread holds it.
    pub(crate) fn finalize_threadsafe(
        &'static self,
        host: &'static HostState,
        id: usize,
        end: Option<Instant>,
    ) {
        let Some(local) = self.threadsafe.borrow_mut().remove(&id) else {
            return;
        };
        let calls = local.calls;
        let left = match locked(id) {
            Ok((_, mut state)) => std::mem::take(&mut state.queue),
            Err(_) => VecDeque::new(),
        };
        if let Some(call_js) = calls.call_js {
            for (count, data) in left.into_iter().enumerate() {
                if count % CALLS_PER_CLOCK_READ == 0 && end.is_some_and(|end| end < Instant::now())
                {
                    break;
                }
                let data = Data::from_word(data);
                call_js.call(napi_env(0), napi_value(0), calls.context, data);
            }
        }
        if let Some(finalize) = calls.finalize {
            host.call_native(self, Origin::ThreadsafeFunction, || {
                finalize.call(self.raw, calls.finalize_data, calls.context);
            });
        }
        drop(local);
        if let Ok((slot, mut state)) = locked(id) {
            state.phase = Phase::Finalized;
            state.inbox = None;
            if state.threads == 0 {
                free(slot, &mut state, id);
            }
        }
    }
}
