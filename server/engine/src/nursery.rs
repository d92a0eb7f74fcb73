//! The nursery: strong references that delay the death of objects whose death can be observed, so
//! that they die as late as in an engine with a tracing collector.
//!
//! The engine counts references, so an object dies with its last one. In V8 it lives until a later
//! collection, and published addons depend on that. Therefore an object gets one strong reference,
//! its *hold*, once its death can be observed: by a finalizer, a weak reference or a registry. An
//! object whose only reference is the hold is *unreferenced*: a script can reach it by a weak
//! reference only. The reference count shows it, and it is released when it is old enough.
//!
//! - Each new hold examines two others, round robin. So there are never more undetected
//!   unreferenced objects than objects in use.
//! - Unreferenced objects are queued and released oldest first: as soon as [`UNREFERENCED_MAX`] of
//!   them are queued, or [`BYTES_MAX`] were allocated since they were found, or by [`Runtime::age`]
//!   when the thread is idle.
//! - An object that only other held objects keep alive, or that is part of a cycle, always has
//!   another reference. So a collection gives up the holds on all objects with other references,
//!   frees the unreferenced ones, runs the engine's collector, and takes the holds on what survived
//!   again. It takes place when the holds have doubled or many bytes were allocated, when the
//!   thread is idle, and by [`Runtime::gc`].

use std::time::{Duration, Instant};

use hostd_quickjs as q;

use crate::holds::{COLLECT_BYTES_MIN, COLLECT_HOLDS_MIN, GivenUp, HELD, Hold, Holds};
use crate::record::{NOT_HELD, Record};
use crate::state::{self, State};
use crate::{JsResult, Runtime, Value};

/// How many unreferenced objects are queued at most.
const UNREFERENCED_MAX: usize = 1024;
/// How many bytes may be allocated before an unreferenced object is released.
const BYTES_MAX: u64 = 16 << 20;
/// How many holds are examined for each new one.
const EXAMINED_PER_HOLD: usize = 2;
/// A slow collection delays the next one: by a hold for so many nanoseconds that it took, and by so
/// many bytes for each nanosecond, up to this multiple of the fewest.
const NANOSECONDS_PER_HOLD: u64 = 500;
const BYTES_PER_NANOSECOND: u64 = 1;
const DELAY_FACTOR_MAX: usize = 8;
/// How long an unreferenced object stays while the thread is idle, usually and when [`BYTES_MAX`]
/// were allocated.
const AGE_MIN: Duration = Duration::from_secs(30);
const AGE_MIN_UNDER_PRESSURE: Duration = Duration::from_secs(1);
/// How soon an idle thread calls [`Runtime::age`] after it was active.
const FIRST_STEP_DELAY: Duration = Duration::from_millis(50);

impl State {
    /// How many bytes were allocated so far, by the engine and for its array buffers.
    #[inline]
    fn allocated(&self) -> u64 {
        self.nursery
            .foreign
            .get()
            .wrapping_add(self.allocator().allocated())
    }
}

/// A collection that the engine begins, because its heap has grown.
unsafe extern "C" fn collect_for_allocation(rt: *mut q::JSRuntime) {
    // SAFETY: E1, E5; the engine would call it here.
    let mut collect = || unsafe { q::JS_RunGC(rt) };
    match state::current().and_then(|state| state.on_collection.get()) {
        Some(run) => run(&mut collect),
        None => collect(),
    }
}

impl Runtime {
    /// Delays the death of an object or symbol, because it can be observed from now on.
    pub fn hold(self, value: &Value) -> JsResult<()> {
        let is_new = self.with_new_record(value, |record| self.add_hold(record, value))?;
        self.release_for_new_hold(is_new);
        Ok(())
    }

    /// Holds a value, by its record; returns whether it was not held before. The caller calls
    /// [`release_for_new_hold`](Self::release_for_new_hold) afterwards, outside of
    /// `with_new_record`.
    #[inline]
    pub(crate) fn add_hold(self, record: &Record, value: &Value) -> bool {
        if record.held.get() != NOT_HELD {
            return false;
        }
        record.held.set(HELD);
        let hold = Hold {
            value: value.clone(),
            record,
        };
        self.state.nursery.holds.borrow_mut().held.push_back(hold);
        true
    }

    /// Examines some holds if one is new, and releases the objects that are due.
    #[inline]
    pub(crate) fn release_for_new_hold(self, is_new: bool) {
        if !is_new {
            return;
        }
        let nursery = &self.state.nursery;
        let allocated = self.state.allocated();
        let mut holds = nursery.holds.borrow_mut();
        for _ in 0..EXAMINED_PER_HOLD {
            holds.examine();
        }
        holds.bytes_at_look = allocated;
        let must_collect = holds.held.len() >= holds.limit
            || allocated.wrapping_sub(holds.bytes_at_collection) >= holds.limit_bytes;
        drop(holds);
        if must_collect {
            self.gc();
            return;
        }
        self.release(|holds, bytes| {
            holds.unreferenced.len() > UNREFERENCED_MAX
                || allocated.wrapping_sub(bytes) >= BYTES_MAX
        });
    }

    /// Drops the unreferenced objects that are due, oldest first.
    fn release(self, is_due: impl Fn(&Holds, u64) -> bool) {
        loop {
            let value = self.state.nursery.holds.borrow_mut().next_due(&is_due);
            let Some(value) = value else { return };
            drop(value);
        }
    }

    /// Counts bytes that objects keep alive and the engine did not allocate.
    #[inline]
    pub(crate) fn count_foreign(self, bytes: u64) {
        let foreign = &self.state.nursery.foreign;
        foreign.set(foreign.get().wrapping_add(bytes));
    }

    /// Has `run` called for each collection on this thread, with what collects. It must call that once.
    pub fn on_collection(self, run: fn(&mut dyn FnMut())) {
        self.state.on_collection.set(Some(run));
        // SAFETY: E1; the function calls nothing but `run` and the collector.
        unsafe { q::JS_SetCollectionHook(self.state.rt, Some(collect_for_allocation)) };
    }

    /// Collects garbage now, and all objects whose death was delayed. The tokens of their
    /// finalizers are queued afterwards.
    pub fn gc(self) {
        self.state.reset_external();
        let allocated = self.state.allocated();
        self.state.nursery.holds.borrow_mut().examine_all(allocated);
        self.collect(true, true);
    }

    /// Releases unreferenced objects, all or those that were so at the last step, and with them the
    /// objects that only they keep alive; then runs the engine's collector if `cycles` are to be
    /// freed.
    fn collect(self, all: bool, cycles: bool) {
        match self.state.on_collection.get() {
            Some(run) => run(&mut || self.collect_now(all, cycles)),
            None => self.collect_now(all, cycles),
        }
    }

    fn collect_now(self, all: bool, cycles: bool) {
        let start = Instant::now();
        let nursery = &self.state.nursery;
        {
            let mut holds = nursery.holds.borrow_mut();
            let mut given_up = nursery.given_up.borrow_mut();
            let held = std::mem::take(&mut holds.held);
            given_up.reserve(held.len());
            for hold in held {
                if hold.value.is_shared() {
                    let place = given_up.len();
                    given_up.push(hold.give_up(place));
                } else {
                    holds.held.push_back(hold);
                }
            }
        }
        self.release(|holds, _| all || holds.left < holds.aged);
        if cycles {
            // SAFETY: E1, E5; no payload needs marking, and finalizers only move plain words.
            unsafe { q::JS_RunGC(self.state.rt) };
        }
        let allocated = self.state.allocated();
        let given_up = nursery.given_up.take();
        let mut holds = nursery.holds.borrow_mut();
        holds
            .held
            .extend(given_up.into_iter().filter_map(GivenUp::take));
        if cycles {
            let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let more = usize::try_from(took / NANOSECONDS_PER_HOLD).unwrap_or(usize::MAX);
            let held = holds.held.len();
            let least = held.max(COLLECT_HOLDS_MIN);
            let more = more.clamp(least, least * DELAY_FACTOR_MAX);
            holds.limit = held.saturating_add(more);
            holds.limit_bytes = took.saturating_mul(BYTES_PER_NANOSECOND).clamp(
                COLLECT_BYTES_MIN,
                COLLECT_BYTES_MIN * DELAY_FACTOR_MAX as u64,
            );
            holds.bytes_at_collection = allocated;
        }
    }

    /// Notes that the thread was active, so that objects may have lost their last reference.
    #[inline]
    pub fn note_activity(self) {
        self.state.nursery.stirred.set(true);
    }

    /// How long an idle thread may sleep before it calls [`age`](Self::age). `None` is for ever:
    /// all held objects were in use after the last activity.
    pub fn age_timeout(self) -> Option<Duration> {
        let nursery = &self.state.nursery;
        if nursery.is_empty() {
            return None;
        }
        if nursery.stirred.get() {
            return Some(FIRST_STEP_DELAY);
        }
        let due = nursery.due.get()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Takes a step if one is due at `now`: releases the objects that were unreferenced at the last
    /// step, and finds those that are now. If the thread was not active since then, cycles are
    /// freed.
    pub fn age(self, now: Instant) {
        let nursery = &self.state.nursery;
        if nursery.stirred.take() {
            nursery.active.set(true);
        }
        if nursery.is_empty() {
            nursery.due.set(None);
            return;
        }
        let allocated = self.state.allocated();
        let is_pressed = {
            let holds = nursery.holds.borrow();
            allocated.wrapping_sub(holds.bytes_at_step) >= BYTES_MAX
        };
        let is_due = nursery.due.get().map(|due| now >= due);
        if is_due != Some(true) && !is_pressed {
            if is_due.is_none() {
                nursery.due.set(now.checked_add(AGE_MIN));
            }
            return;
        }
        let was_active = nursery.active.take();
        nursery.holds.borrow_mut().examine_all(allocated);
        self.collect(false, !was_active);
        let mut holds = nursery.holds.borrow_mut();
        holds.aged = holds.left + holds.unreferenced.len() as u64;
        holds.bytes_at_step = allocated;
        let again = was_active || !holds.unreferenced.is_empty();
        let age = if is_pressed {
            AGE_MIN_UNDER_PRESSURE
        } else {
            AGE_MIN
        };
        let due = again.then(|| now.checked_add(age)).flatten();
        nursery.due.set(due);
    }
}
