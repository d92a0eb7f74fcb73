//! The nursery's tables: the objects whose death it delays, in lists by what is known of them.
//!
//! [`nursery`](crate::nursery) explains the holds and decides when they move from one list to
//! another; nothing here calls the engine. Finalizers call [`Nursery::note_death`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Instant;

use hostd_quickjs as q;

use crate::Value;
use crate::record::{NOT_HELD, Record};

/// The fewest new holds, and new bytes, after which a collection takes place.
pub(crate) const COLLECT_HOLDS_MIN: usize = 8192;
pub(crate) const COLLECT_BYTES_MIN: u64 = 64 << 20;
/// In the record of an object that is held. Any other number is the index of a hold that was given
/// up for a collection.
pub(crate) const HELD: u32 = u32::MAX - 1;

/// A strong reference that keeps an object and its record alive (E13).
pub(crate) struct Hold {
    pub(crate) value: Value,
    pub(crate) record: *const Record,
}

/// A hold that was given up: the object lives until its record reports its death.
pub(crate) struct GivenUp {
    pub(crate) raw: q::JSValue,
    pub(crate) record: *const Record,
}

/// All holds.
pub(crate) struct Nursery {
    pub(crate) holds: RefCell<Holds>,
    /// Those that were given up for the collection that is under way.
    pub(crate) given_up: RefCell<Vec<GivenUp>>,
    /// Bytes of array buffers and other memory that the engine does not allocate.
    pub(crate) foreign: Cell<u64>,
    /// Whether the thread was active since the last call of `Runtime::age`, and since the last
    /// step.
    pub(crate) stirred: Cell<bool>,
    pub(crate) active: Cell<bool>,
    /// When the next step of an idle thread is due.
    pub(crate) due: Cell<Option<Instant>>,
}

pub(crate) struct Holds {
    /// Those not found unreferenced, in the order in which they are examined.
    pub(crate) held: VecDeque<Hold>,
    /// Those found unreferenced, oldest first, each with the bytes allocated until then.
    pub(crate) unreferenced: VecDeque<(Hold, u64)>,
    /// How many have left the queue above.
    pub(crate) left: u64,
    /// The value of `left` up to which objects were unreferenced at the last step already.
    pub(crate) aged: u64,
    /// The allocated bytes at the last step and at the last collection.
    pub(crate) bytes_at_step: u64,
    pub(crate) bytes_at_collection: u64,
    /// The allocated bytes when holds were last examined: an object found now may have been
    /// unreferenced since then.
    pub(crate) bytes_at_look: u64,
    /// The holds and the new bytes at which a collection takes place.
    pub(crate) limit: usize,
    pub(crate) limit_bytes: u64,
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

    pub(crate) fn is_empty(&self) -> bool {
        let holds = self.holds.borrow();
        holds.held.is_empty() && holds.unreferenced.is_empty()
    }
}

impl Hold {
    pub(crate) fn record(&self) -> &Record {
        // SAFETY: E13; the hold keeps the object alive.
        unsafe { &*self.record }
    }

    /// Gives up the hold on an object that has other references.
    pub(crate) fn give_up(self, place: usize) -> GivenUp {
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
    pub(crate) fn take(self) -> Option<Hold> {
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
    pub(crate) fn examine(&mut self) {
        if let Some(hold) = self.held.pop_front() {
            if hold.value.is_shared() {
                self.held.push_back(hold);
            } else {
                self.unreferenced.push_back((hold, self.bytes_at_look));
            }
        }
    }

    pub(crate) fn examine_all(&mut self, allocated: u64) {
        for _ in 0..self.held.len() {
            self.examine();
        }
        self.bytes_at_look = allocated;
    }

    /// Removes the oldest unreferenced object if it is due, for the caller to drop. An object that
    /// has got another reference, by a weak one, is held again.
    #[inline]
    pub(crate) fn next_due(&mut self, is_due: impl Fn(&Holds, u64) -> bool) -> Option<Value> {
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
