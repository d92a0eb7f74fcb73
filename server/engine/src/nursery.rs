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

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rquickjs_sys as q;

use crate::runtime::State;
use crate::slot::Record;
use crate::{JsResult, Runtime, Value};

/// How many unreferenced objects are queued at most.
const UNREFERENCED_MAX: usize = 1024;
/// How many bytes may be allocated before an unreferenced object is released.
const BYTES_MAX: u64 = 16 << 20;
/// How many holds are examined for each new one.
const EXAMINED_PER_HOLD: usize = 2;
/// The fewest new holds, and new bytes, after which a collection takes place.
const COLLECT_HOLDS_MIN: usize = 8192;
const COLLECT_BYTES_MIN: u64 = 64 << 20;
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

/// In the record of an object that is not held.
pub(crate) const NOT_HELD: u32 = u32::MAX;
/// In the record of an object that is held. Any other number is the index of a hold that was given
/// up for a collection.
const HELD: u32 = u32::MAX - 1;

/// A strong reference that keeps an object and its record alive (E13).
struct Hold {
    value: Value,
    record: *const Record,
}

/// A hold that was given up: the object lives until its record reports its death.
struct GivenUp {
    raw: q::JSValue,
    record: *const Record,
}

/// All holds.
pub(crate) struct Nursery {
    holds: RefCell<Holds>,
    /// Those that were given up for the collection that is under way.
    given_up: RefCell<Vec<GivenUp>>,
    /// Bytes of array buffers and other memory that the engine does not allocate.
    foreign: Cell<u64>,
    /// Whether the thread was active since the last call of [`Runtime::age`], and since the last
    /// step.
    stirred: Cell<bool>,
    active: Cell<bool>,
    /// When the next step of an idle thread is due.
    due: Cell<Option<Instant>>,
}

struct Holds {
    /// Those not found unreferenced, in the order in which they are examined.
    held: VecDeque<Hold>,
    /// Those found unreferenced, oldest first, each with the bytes allocated until then.
    unreferenced: VecDeque<(Hold, u64)>,
    /// How many have left the queue above.
    left: u64,
    /// The value of `left` up to which objects were unreferenced at the last step already.
    aged: u64,
    /// The allocated bytes at the last step and at the last collection.
    bytes_at_step: u64,
    bytes_at_collection: u64,
    /// The allocated bytes when holds were last examined: an object found now may have been
    /// unreferenced since then.
    bytes_at_look: u64,
    /// The holds and the new bytes at which a collection takes place.
    limit: usize,
    limit_bytes: u64,
}

impl Nursery {
    pub(crate) fn new() -> Nursery {
        Nursery {
            holds: RefCell::new(Holds {
                held: VecDeque::new(),
                unreferenced: VecDeque::new(),
                left: 0,
                aged: 0,
                bytes_at_step: 0,
                bytes_at_collection: 0,
                bytes_at_look: 0,
                limit: COLLECT_HOLDS_MIN,
                limit_bytes: COLLECT_BYTES_MIN,
            }),
            given_up: RefCell::default(),
            foreign: Cell::new(0),
            stirred: Cell::new(false),
            active: Cell::new(false),
            due: Cell::new(None),
        }
    }

    /// Notes the death of an object whose hold was given up, by the index in its record. Runs in
    /// finalizers.
    pub(crate) fn note_death(&self, held: u32) {
        if let Some(hold) = self.given_up.borrow_mut().get_mut(held as usize) {
            hold.raw = q::JS_UNDEFINED;
        }
    }

    fn is_empty(&self) -> bool {
        let holds = self.holds.borrow();
        holds.held.is_empty() && holds.unreferenced.is_empty()
    }
}

impl Hold {
    fn record(&self) -> &Record {
        // SAFETY: E13; the hold keeps the object alive.
        unsafe { &*self.record }
    }

    /// Gives up the hold on an object that has other references.
    fn give_up(self, place: usize) -> GivenUp {
        let place = u32::try_from(place).unwrap_or(HELD);
        self.record().held.set(place.min(HELD));
        let given_up = GivenUp {
            raw: self.value.0,
            record: self.record,
        };
        self.value.release_shared();
        given_up
    }
}

impl GivenUp {
    /// Takes the hold again, unless the object died.
    fn take(self) -> Option<Hold> {
        let value = Value::lent(&self.raw);
        if value.is_undefined() {
            return None;
        }
        let hold = Hold {
            value: value.clone(),
            record: self.record,
        };
        hold.record().held.set(HELD);
        Some(hold)
    }
}

impl Holds {
    /// Queues the object of the next hold if that is its only reference.
    #[inline]
    fn examine(&mut self) {
        if let Some(hold) = self.held.pop_front() {
            if hold.value.is_shared() {
                self.held.push_back(hold);
            } else {
                self.unreferenced.push_back((hold, self.bytes_at_look));
            }
        }
    }

    fn examine_all(&mut self, allocated: u64) {
        for _ in 0..self.held.len() {
            self.examine();
        }
        self.bytes_at_look = allocated;
    }

    /// Removes the oldest unreferenced object if it is due, for the caller to drop. An object that
    /// has got another reference, by a weak one, is held again.
    #[inline]
    fn next_due(&mut self, is_due: impl Fn(&Holds, u64) -> bool) -> Option<Value> {
        loop {
            let &(_, bytes) = self.unreferenced.front()?;
            if !is_due(self, bytes) {
                return None;
            }
            self.left += 1;
            let (hold, _) = self.unreferenced.pop_front()?;
            if hold.value.is_shared() {
                self.held.push_back(hold);
                continue;
            }
            hold.record().held.set(NOT_HELD);
            return Some(hold.value);
        }
    }
}

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
