//! Finalizers: tokens that are queued when an object dies.
//!
//! The engine's finalizers run inside frees, collections and allocations, where the engine may not
//! be called. They move tokens to a queue (E5); the host takes them from there when it is safe.
//!
//! Upholds I-13.

use crate::runtime::current;
use crate::slot::Record;
use crate::{JsResult, Runtime, Value};

/// What the host gets back when an object has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FinalizerToken {
    /// Which kind of finalizer it is; the owner's own choice.
    pub tag: u8,
    /// Its data.
    pub words: [usize; 3],
}

/// Names an attached finalizer, to cancel it. A stale id has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FinalizerId {
    index: u32,
    generation: u32,
}

/// The table of attached finalizers and the queue of dead ones.
#[derive(Default)]
pub(crate) struct Finalizers {
    entries: Vec<Entry>,
    free: Vec<u32>,
    dead: Vec<FinalizerToken>,
}

/// Entries of one object form a doubly linked list.
struct Entry {
    token: Option<FinalizerToken>,
    generation: u32,
    previous: u32,
    next: u32,
    /// The head of the list, in the object's record; null when unused.
    head: *const std::cell::Cell<u32>,
}

pub(crate) const NO_ENTRY: u32 = u32::MAX;

impl Finalizers {
    fn attach(&mut self, record: &Record, token: FinalizerToken) -> Option<FinalizerId> {
        let next = record.first.get();
        let mut entry = Entry {
            token: Some(token),
            generation: 0,
            previous: NO_ENTRY,
            next,
            head: &raw const record.first,
        };
        let index = if let Some(index) = self.free.pop() {
            let place = self.entries.get_mut(index as usize)?;
            entry.generation = place.generation;
            *place = entry;
            index
        } else {
            let index = u32::try_from(self.entries.len()).ok();
            let index = index.filter(|&index| index != NO_ENTRY)?;
            self.entries.push(entry);
            index
        };
        let generation = self.entries.get(index as usize)?.generation;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = index;
        }
        record.first.set(index);
        Some(FinalizerId { index, generation })
    }

    /// Frees an entry that is out of its list.
    fn release(&mut self, index: u32) -> Option<FinalizerToken> {
        let entry = self.entries.get_mut(index as usize)?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.head = std::ptr::null();
        let token = entry.token.take();
        self.free.push(index);
        token
    }

    fn cancel(&mut self, id: FinalizerId) -> Option<FinalizerToken> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation != id.generation || entry.token.is_none() {
            return None;
        }
        let (previous, next, head) = (entry.previous, entry.next, entry.head);
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            // SAFETY: E4; an entry with a token is in the list of a living record.
            None => unsafe { (*head).set(next) },
        }
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        self.release(id.index)
    }

    /// Moves the tokens of a dead object to the queue.
    pub(crate) fn retire(&mut self, first: u32) {
        let mut index = first;
        while let Some(entry) = self.entries.get(index as usize) {
            let next = entry.next;
            if let Some(token) = self.release(index) {
                self.dead.push(token);
            }
            index = next;
        }
    }
}

/// Queues a token that is in no list. It may run inside a finalizer (E5).
pub(crate) fn queue(token: FinalizerToken) {
    if let Some(state) = current() {
        state.finalizers.borrow_mut().dead.push(token);
    }
}

impl Runtime {
    /// Attaches a finalizer to an object or symbol: its token is queued when that dies. The one
    /// attached last is queued first.
    pub fn attach_finalizer(self, value: &Value, token: FinalizerToken) -> JsResult<FinalizerId> {
        let state = self.state;
        self.with_new_record(value, |record| {
            state.finalizers.borrow_mut().attach(record, token)
        })?
        .ok_or_else(|| self.range_error("too many finalizers"))
    }

    /// [`attach_finalizer`](Self::attach_finalizer) that delays the death, as
    /// [`hold`](Self::hold) does.
    pub fn attach_late_finalizer(
        self,
        value: &Value,
        token: FinalizerToken,
    ) -> JsResult<FinalizerId> {
        let state = self.state;
        let (id, is_new) = self.with_new_record(value, |record| {
            let id = state.finalizers.borrow_mut().attach(record, token);
            (id, self.add_hold(record, value))
        })?;
        self.release_for_new_hold(is_new);
        id.ok_or_else(|| self.range_error("too many finalizers"))
    }

    /// Detaches a finalizer; returns its token if it was still attached.
    pub fn cancel_finalizer(self, id: FinalizerId) -> Option<FinalizerToken> {
        self.state.finalizers.borrow_mut().cancel(id)
    }

    /// Returns whether the queue has tokens.
    #[inline]
    pub fn has_finalized(self) -> bool {
        !self.state.finalizers.borrow().dead.is_empty()
    }

    /// Moves the tokens of everything that died into `tokens`, in the order of death.
    pub fn take_finalized(self, tokens: &mut Vec<FinalizerToken>) {
        let mut finalizers = self.state.finalizers.borrow_mut();
        if tokens.is_empty() {
            std::mem::swap(tokens, &mut finalizers.dead);
        } else {
            tokens.append(&mut finalizers.dead);
        }
    }
}
