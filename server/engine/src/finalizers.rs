//! The table of attached finalizers: see [`finalizer`](crate::finalizer).

use crate::record::{NO_ENTRY, Record};

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
    /// The tokens of objects that have died.
    pub(crate) dead: Vec<FinalizerToken>,
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

impl Finalizers {
    pub(crate) fn attach(&mut self, record: &Record, token: FinalizerToken) -> Option<FinalizerId> {
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

    pub(crate) fn cancel(&mut self, id: FinalizerId) -> Option<FinalizerToken> {
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
