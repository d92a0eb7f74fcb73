//! A table of what C refers to by id, and the layout of ids.
//!
//! An id is the slot's index plus one, its generation, and a kind, so that the look-up of a freed
//! id, a made-up one or one of another table fails. Zero is never an id.

/// What a table's ids are for. It is part of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum IdKind {
    /// `napi_ref`.
    Reference = 1,
    /// `napi_deferred`.
    Deferred = 2,
    /// Finalizers, known to the engine only.
    Finalizer = 3,
    /// `napi_async_cleanup_hook_handle`.
    AsyncHook = 4,
    /// `napi_threadsafe_function`.
    ThreadsafeFunction = 5,
    /// `napi_handle_scope` and its escapable twin.
    Scope = 6,
    /// `napi_async_work`.
    AsyncWork = 7,
    /// `napi_async_context`.
    AsyncContext = 8,
    /// `napi_callback_scope`.
    CallbackScope = 9,
}

const INDEX_BITS: u32 = 32;
const GENERATION_BITS: u32 = 24;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// The bits of a generation that an id has.
#[inline]
fn masked(generation: u32) -> u32 {
    generation & GENERATION_MASK
}

/// Makes an id of its parts.
#[inline]
pub(crate) fn pack(kind: IdKind, generation: u32, index: u32) -> usize {
    let kind = kind as usize;
    let generation = masked(generation) as usize;
    kind << (INDEX_BITS + GENERATION_BITS) | generation << INDEX_BITS | (index as usize + 1)
}

/// Takes an id apart: generation and index, if it is of that kind.
#[inline]
pub(crate) fn unpack(kind: IdKind, id: usize) -> Option<(u32, u32)> {
    if id >> (INDEX_BITS + GENERATION_BITS) != kind as usize {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the index")]
    let index = (id as u32).checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, reason = "masked to 24 bits")]
    let generation = masked((id >> INDEX_BITS) as u32);
    Some((generation, index))
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Live(T),
    Free { next: u32 },
}

/// The table.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    kind: IdKind,
    entries: Vec<Slot<T>>,
    /// The most recently freed slot, or [`NONE`].
    free: u32,
}

const NONE: u32 = u32::MAX;

/// The generation after this one. 0 is skipped, so that an id is never just an index.
#[inline]
pub(crate) fn next_generation(generation: u32) -> u32 {
    masked(masked(generation) + 1).max(1)
}

impl<T> Slots<T> {
    /// An empty table.
    pub(crate) const fn new(kind: IdKind) -> Self {
        Self {
            kind,
            entries: Vec::new(),
            free: NONE,
        }
    }

    /// Adds one and gives its id. None when the table is full or there is no memory.
    #[inline]
    pub(crate) fn insert(&mut self, item: T) -> Option<usize> {
        let index = self.free;
        if let Some(slot) = self.entries.get_mut(index as usize)
            && let Content::Free { next } = slot.content
        {
            self.free = next;
            slot.content = Content::Live(item);
            return Some(pack(self.kind, slot.generation, index));
        }
        let index = u32::try_from(self.entries.len())
            .ok()
            .filter(|index| *index < NONE - 1)?;
        self.entries.try_reserve(1).ok()?;
        self.entries.push(Slot {
            generation: 1,
            content: Content::Live(item),
        });
        Some(pack(self.kind, 1, index))
    }

    /// Adds one where another one was.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the fast path calls no function")]
    pub(crate) fn fast_insert(&mut self, make: impl FnOnce() -> T) -> Option<usize> {
        let index = self.free;
        let slot = self.entries.get_mut(index as usize)?;
        let Content::Free { next } = slot.content else {
            return None;
        };
        self.free = next;
        slot.content = Content::Live(make());
        Some(pack(self.kind, slot.generation, index))
    }

    /// The one with this id, if it is alive.
    #[inline]
    pub(crate) fn get(&self, id: usize) -> Option<&T> {
        let (generation, index) = unpack(self.kind, id)?;
        let slot = self.entries.get(index as usize)?;
        match &slot.content {
            Content::Live(item) if slot.generation == generation => Some(item),
            _ => None,
        }
    }

    /// The one with this id, if it is alive, to change it.
    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        let (generation, index) = unpack(self.kind, id)?;
        let slot = self.entries.get_mut(index as usize)?;
        match &mut slot.content {
            Content::Live(item) if slot.generation == generation => Some(item),
            _ => None,
        }
    }

    /// Takes out the one with this id; succeeds once per id.
    #[must_use]
    #[inline]
    pub(crate) fn remove(&mut self, id: usize) -> Option<T> {
        self.fast_remove(id)
    }

    /// [`Self::remove`], for fast paths: returned through memory, what is removed would be read before the
    /// processor has written it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the fast path calls no function")]
    pub(crate) fn fast_remove(&mut self, id: usize) -> Option<T> {
        let (generation, index) = unpack(self.kind, id)?;
        let slot = self.entries.get_mut(index as usize)?;
        if slot.generation != generation || matches!(slot.content, Content::Free { .. }) {
            return None;
        }
        let content = std::mem::replace(&mut slot.content, Content::Free { next: self.free });
        slot.generation = next_generation(slot.generation);
        self.free = index;
        match content {
            Content::Live(item) => Some(item),
            Content::Free { .. } => None,
        }
    }

    /// All that are alive, with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries
            .iter()
            .zip(0u32..)
            .filter_map(|(slot, index)| match &slot.content {
                Content::Live(item) => Some((pack(self.kind, slot.generation, index), item)),
                Content::Free { .. } => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_id_stays_a_miss_after_its_slot_is_used_again() {
        let mut slots = Slots::new(IdKind::Reference);
        let first = slots.insert("a").unwrap();
        assert_eq!(slots.remove(first), Some("a"));
        let second = slots.insert("b").unwrap();
        assert_ne!(first, second);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"b"));
        assert_eq!(slots.iter().count(), 1);
    }

    #[test]
    fn fast_insert_uses_free_slots_only() {
        let mut slots = Slots::new(IdKind::Reference);
        assert_eq!(slots.fast_insert(|| panic!("there is no room")), None);
        let first = slots.insert("a").unwrap();
        assert_eq!(slots.fast_insert(|| panic!("there is no room")), None);
        slots.remove(first).unwrap();
        let second = slots.fast_insert(|| "b").unwrap();
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get(second), Some(&"b"));
        assert_eq!(slots.fast_insert(|| panic!("there is no room")), None);
    }

    #[test]
    fn id_of_another_kind_is_a_miss() {
        let mut references = Slots::new(IdKind::Reference);
        let mut deferreds = Slots::new(IdKind::Deferred);
        let reference = references.insert(1).unwrap();
        let deferred = deferreds.insert(2).unwrap();
        assert_eq!(references.get(deferred), None);
        assert_eq!(deferreds.get(reference), None);
    }

    #[test]
    fn made_up_ids_are_misses() {
        let mut slots = Slots::new(IdKind::Reference);
        let id = slots.insert(1).unwrap();
        for wrong in [0, 1, usize::MAX, id + 1, id ^ (1 << 32)] {
            assert_eq!(slots.get(wrong), None, "{wrong:#x}");
        }
    }

    #[test]
    fn generation_wraps_without_becoming_zero() {
        let mut slots = Slots::new(IdKind::Reference);
        let id = slots.insert(0).unwrap();
        slots.entries[0].generation = GENERATION_MASK;
        let id = pack(
            IdKind::Reference,
            GENERATION_MASK,
            unpack(IdKind::Reference, id).unwrap().1,
        );
        assert_eq!(slots.remove(id), Some(0));
        let next = slots.insert(1).unwrap();
        assert_eq!(unpack(IdKind::Reference, next), Some((1, 0)));
    }
}
