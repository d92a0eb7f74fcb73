//! The nursery: holds on objects whose death can be observed, so that they die as late as in an
//! engine with a tracing collector.
//!
//! The engine counts references, so an object dies with its last one. In V8 it lives until a later
//! collection, and published addons depend on that. Therefore an object gets one strong hold once
//! its death can be observed: by a finalizer, a weak reference or a registry. An object to which
//! the hold is the only reference is *unreferenced*: a script can reach it by a weak reference only.
//! It is found by looking at its count, and released when it is old enough.
//!
//! - Each new hold has two others examined, in turn. So no more holds are unreferenced and not
//!   found than there are objects in use.
//! - Unreferenced objects wait in a queue and are released oldest first: as soon as [`MOST`] of
//!   them wait, or [`MOST_BYTES`] were allocated since they were found, or by [`Runtime::age`] when
//!   the thread is idle.
//! - An object that only other held objects keep alive, or that is part of a cycle, always has
//!   another reference. So a collection gives up the holds on all objects with other references,
//!   frees the unreferenced ones, runs the engine's collector, and takes the holds on what survived
//!   again. It takes place when the holds have doubled or many bytes were allocated, when the thread
//!   is idle, and by [`Runtime::gc`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rquickjs_sys as q;

use crate::runtime::State;
use crate::slot::Record;
use crate::{JsResult, Runtime, Value};

/// How many unreferenced objects wait at most.
const MOST: usize = 1024;
/// How many bytes may be allocated before an unreferenced object is released.
const MOST_BYTES: u64 = 16 << 20;
/// How many holds are examined for each new one.
const EXAMINED: usize = 2;
/// A collection takes place after so many holds more, at least, or so many bytes.
const COLLECT_HOLDS: usize = 8192;
const COLLECT_BYTES: u64 = 64 << 20;
/// And not before the holds and bytes that are allocated in a multiple of the time that it takes.
const NANOSECONDS_PER_HOLD: u64 = 500;
const BYTES_PER_NANOSECOND: u64 = 1;
const DELAY_FACTOR_MAX: usize = 8;
/// How long an unreferenced object stays while the thread is idle, and how long after
/// [`MOST_BYTES`] were allocated.
const MIN_AGE: Duration = Duration::from_secs(30);
const PRESSED_AGE: Duration = Duration::from_secs(1);
/// When an idle thread looks at the clock after it did something.
const LOOK: Duration = Duration::from_millis(50);

/// The record of an object that is not held.
pub(crate) const NOT_HELD: u32 = u32::MAX;
/// The record of an object that is held. Any other number is the place of a hold that was given up
/// for a collection.
const HELD: u32 = u32::MAX - 1;

/// A strong hold on an object, which therefore lives, and its record with it (E13).
struct Hold {
    value: Value,
    record: *const Record,
}

/// A hold that was given up: the object lives until its record says otherwise.
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
    /// Whether the thread did something since an idle one looked last, and since the last step.
    stirred: Cell<bool>,
    active: Cell<bool>,
    /// When the next step of an idle thread is due.
    due: Cell<Option<Instant>>,
}

struct Holds {
    /// Those that were not found unreferenced, in the order in which they are examined.
    held: VecDeque<Hold>,
    /// Those that were, each with the bytes that had been allocated then, oldest first.
    unreferenced: VecDeque<(Hold, u64)>,
    /// How many have left the queue above.
    left: u64,
    /// Those before it in that count were unreferenced at the last step.
    aged: u64,
    /// The allocated bytes at the last step and at the last collection.
    bytes_at_step: u64,
    bytes_at_collection: u64,
    /// The allocated bytes when holds were last examined: what is found now may have been
    /// unreferenced since then.
    bytes_at_look: u64,
    /// At which a collection takes place.
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
                limit: COLLECT_HOLDS,
                limit_bytes: COLLECT_BYTES,
            }),
            given_up: RefCell::default(),
            foreign: Cell::new(0),
            stirred: Cell::new(false),
            active: Cell::new(false),
            due: Cell::new(None),
        }
    }

    /// The object whose hold was given up, with this number in its record, died. Runs in finalizers.
    pub(crate) fn died(&self, held: u32) {
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

    /// Gives the hold up; the object has other references.
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
    /// Looks whether the hold whose turn it is has become the only reference.
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

    /// Takes the oldest unreferenced object out if `is_due` says so, to be dropped. One that was
    /// reached by a weak reference is held on.
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
            .wrapping_add(self.spare.allocated())
    }
}

impl Runtime {
    /// Delays the death of an object or symbol that can be observed from now on.
    pub fn hold(self, value: &Value) -> JsResult<()> {
        let is_new = self.with_new_record(value, |record| self.enter(record, value))?;
        self.relieve(is_new);
        Ok(())
    }

    /// Enters a value whose record was looked up already. True if it is new:
    /// [`relieve`](Self::relieve) is to be called then, after the look at the record.
    #[inline]
    pub(crate) fn enter(self, record: &Record, value: &Value) -> bool {
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

    /// Examines some holds for a new one, and releases what is due.
    #[inline]
    pub(crate) fn relieve(self, is_new: bool) {
        if !is_new {
            return;
        }
        let nursery = &self.state.nursery;
        let allocated = self.state.allocated();
        let mut holds = nursery.holds.borrow_mut();
        for _ in 0..EXAMINED {
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
            holds.unreferenced.len() > MOST || allocated.wrapping_sub(bytes) >= MOST_BYTES
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

    /// Counts memory that objects keep alive and the engine did not allocate.
    #[inline]
    pub fn count_foreign(self, bytes: u64) {
        let foreign = &self.state.nursery.foreign;
        foreign.set(foreign.get().wrapping_add(bytes));
    }

    /// Collects garbage now, and all objects whose death was delayed. Dead objects' tokens are in
    /// the queue afterwards.
    pub fn gc(self) {
        self.state.reset_external();
        let allocated = self.state.allocated();
        self.state.nursery.holds.borrow_mut().examine_all(allocated);
        self.collect(true, true);
    }

    /// Releases unreferenced objects, all or those that were at the last step, with what only they
    /// keep alive; then runs the engine's collector if `cycles` are to be freed.
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
            // SAFETY: E1, E5.
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
            let least = held.max(COLLECT_HOLDS);
            let more = more.clamp(least, least * DELAY_FACTOR_MAX);
            holds.limit = held.saturating_add(more);
            holds.limit_bytes = took
                .saturating_mul(BYTES_PER_NANOSECOND)
                .clamp(COLLECT_BYTES, COLLECT_BYTES * DELAY_FACTOR_MAX as u64);
            holds.bytes_at_collection = allocated;
        }
    }

    /// The thread did something: objects may have lost their last reference.
    #[inline]
    pub fn stir(self) {
        self.state.nursery.stirred.set(true);
    }

    /// How long an idle thread may sleep before it calls [`age`](Self::age): for ever if all that is
    /// held was in use when nothing happened any more.
    pub fn age_timeout(self) -> Option<Duration> {
        let nursery = &self.state.nursery;
        if nursery.is_empty() {
            return None;
        }
        if nursery.stirred.get() {
            return Some(LOOK);
        }
        let due = nursery.due.get()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Takes a step, if one is due at this time: releases what was unreferenced at the last step, and
    /// finds what is now. If nothing happened since the last step, cycles are freed, too.
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
            allocated.wrapping_sub(holds.bytes_at_step) >= MOST_BYTES
        };
        let is_due = nursery.due.get().map(|due| now >= due);
        if is_due != Some(true) && !is_pressed {
            if is_due.is_none() {
                nursery.due.set(now.checked_add(MIN_AGE));
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
        let age = if is_pressed { PRESSED_AGE } else { MIN_AGE };
        let due = again.then(|| now.checked_add(age)).flatten();
        nursery.due.set(due);
    }
}
