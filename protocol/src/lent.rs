//! Objects that one side lends to the other: the reference counts, without any I/O.
//!
//! The sender counts how often an id went out ([`Lent`]), the receiver how often it came in
//! ([`Received`]); a release carries the receiver's number. The object is freed when the two are
//! equal. So an id that is sent again while its release travels stays valid, and a slot is reused
//! only when no message can still name its former object.
//!
//! A release travels with the next frame of any lane, so it may overtake a message on another lane
//! that sends the object back by its id. Those sendings are therefore counted as well, by the receiver
//! when it writes the id and by the sender when it reads it, and the object stays until these numbers
//! agree too. They are separate from the others: the sum of both would be zero with one message under
//! way in each direction. A call that waits for the reply to such a message needs no count: it holds
//! its reference until the reply is there.
//!
//! Upholds I-9.

use crate::error::{ProtocolError, Result, violation};
use crate::ids::SlotId;
use crate::limits::LimitKind;

/// The sender's side: what was lent, and how often.
#[derive(Debug)]
pub struct Lent<T> {
    slots: Vec<Slot<T>>,
    free: Option<u32>,
    count: u32,
    limit: u32,
}

#[derive(Debug)]
enum Slot<T> {
    Taken {
        object: T,
        /// Sendings whose receipts were not released.
        sent: u64,
        /// How often it came back, less how often the releases say that it was sent back: below zero
        /// while such a message travels.
        back: i64,
    },
    Free {
        next: Option<u32>,
    },
}

/// What a receiver releases: all that it has counted for one id, of which at least one receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Release {
    /// The object.
    pub id: SlotId,
    /// How often it came in.
    pub received: u64,
    /// How often it was sent back.
    pub returned: u64,
}

impl<T> Lent<T> {
    /// An empty table for at most `limit` objects.
    pub const fn new(limit: u32) -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            count: 0,
            limit,
        }
    }

    /// Lends an object that is not lent yet; counts one sending.
    pub fn lend(&mut self, object: T) -> Result<SlotId> {
        if self.count >= self.limit {
            return Err(ProtocolError::beyond(LimitKind::LentObjects, self.limit));
        }
        let taken = Slot::Taken {
            object,
            sent: 1,
            back: 0,
        };
        let index = if let Some(index) = self.free {
            let slot = &mut self.slots[index as usize];
            if let Slot::Free { next } = *slot {
                self.free = next;
            }
            *slot = taken;
            index
        } else {
            let bytes = size_of::<Slot<T>>();
            let reserved = self.slots.try_reserve(1);
            reserved.map_err(|_| ProtocolError::Memory { bytes })?;
            self.slots.push(taken);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX - 1)
        };
        self.count += 1;
        SlotId::new(index + 1).ok_or(ProtocolError::violation("an id that is zero"))
    }

    /// Counts another sending of an object that is lent already.
    pub fn again(&mut self, id: SlotId) -> Result {
        match self.slot_mut(id) {
            Some(Slot::Taken { sent, .. }) => {
                *sent += 1;
                Ok(())
            }
            _ => violation("an object that was not lent"),
        }
    }

    /// Takes a sending back that was counted, but whose frame was never sent. Returns the object
    /// if the other side does not hold it.
    pub fn unsend(&mut self, id: SlotId) -> Option<T> {
        let release = Release {
            id,
            received: 1,
            returned: 0,
        };
        self.release(release).ok().flatten()
    }

    /// Counts that the object came back. Returns it if the other side does not hold it any more: its
    /// release was read before.
    pub fn came_back(&mut self, id: SlotId) -> Result<Option<T>> {
        let Some(Slot::Taken { sent, back, .. }) = self.slot_mut(id) else {
            return violation("an object that was not lent");
        };
        *back = back.saturating_add(1);
        Ok(if *sent == 0 && *back == 0 {
            self.free(id)
        } else {
            None
        })
    }

    /// The object, if the id was issued and not released: all that an id of the other side may do.
    #[inline]
    pub fn get(&self, id: SlotId) -> Option<&T> {
        match self.slots.get(id.get() as usize - 1) {
            Some(Slot::Taken { object, .. }) => Some(object),
            _ => None,
        }
    }

    /// The object, to change what is kept about it.
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        match self.slot_mut(id) {
            Some(Slot::Taken { object, .. }) => Some(object),
            _ => None,
        }
    }

    /// The other side releases what it counted. Returns the object if it does not hold it any more.
    pub fn release(&mut self, release: Release) -> Result<Option<T>> {
        let Release { id, .. } = release;
        let Some(slot) = self.slot_mut(id) else {
            return violation("a release of an object that was never lent");
        };
        let Slot::Taken { sent, back, .. } = slot else {
            return violation("a release of what was released before");
        };
        if release.received == 0 {
            return violation("a release of no receipt");
        }
        let (Some(sent_left), Some(back_left)) = (
            sent.checked_sub(release.received),
            back.checked_sub_unsigned(release.returned),
        ) else {
            return violation("more releases of an object than it was sent");
        };
        (*sent, *back) = (sent_left, back_left);
        Ok(if sent_left == 0 && back_left == 0 {
            self.free(id)
        } else {
            None
        })
    }

    /// How many objects are lent.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nothing is lent.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everything that is lent.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &T)> {
        self.slots
            .iter()
            .zip(1_u32..)
            .filter_map(|(slot, number)| match slot {
                Slot::Taken { object, .. } => SlotId::new(number).map(|id| (id, object)),
                Slot::Free { .. } => None,
            })
    }

    /// Removes everything: the other side is gone.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.free = None;
        self.count = 0;
        std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Taken { object, .. } => Some(object),
                Slot::Free { .. } => None,
            })
    }

    fn free(&mut self, id: SlotId) -> Option<T> {
        let next = self.free;
        let slot = self.slot_mut(id)?;
        let former = std::mem::replace(slot, Slot::Free { next });
        self.free = Some(id.get() - 1);
        self.count -= 1;
        match former {
            Slot::Taken { object, .. } => Some(object),
            Slot::Free { .. } => None,
        }
    }

    fn slot_mut(&mut self, id: SlotId) -> Option<&mut Slot<T>> {
        self.slots.get_mut(id.get() as usize - 1)
    }
}

/// Whether an id was received for the first time since it was last released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// There is no proxy for it yet.
    First,
    /// There is one.
    Again,
}

/// The receiver's side: how often each id came in, and was sent back.
///
/// Counts lie in pages by id, so that a sender that invents ids can't slow a look-up down, and costs a
/// bounded amount of memory.
#[derive(Debug)]
pub struct Received {
    pages: Vec<Option<Box<Page>>>,
    count: u32,
    limit: u32,
}

const PAGE: u32 = 256;

#[derive(Debug)]
struct Page {
    counts: [Counts; PAGE as usize],
    used: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    received: u64,
    returned: u64,
}

impl Received {
    /// An empty table for at most `limit` objects, whose ids are never higher than that.
    pub const fn new(limit: u32) -> Self {
        Self {
            pages: Vec::new(),
            count: 0,
            limit,
        }
    }

    /// Counts a receipt.
    pub fn receive(&mut self, id: SlotId) -> Result<Receipt> {
        if id.get() > self.limit {
            return Err(ProtocolError::limit(
                LimitKind::LentObjects,
                self.limit,
                id.get(),
            ));
        }
        let (page, place) = place(id);
        if page >= self.pages.len() {
            let more = page + 1 - self.pages.len();
            let bytes = more * size_of::<Option<Box<Page>>>();
            let reserved = self.pages.try_reserve(more);
            reserved.map_err(|_| ProtocolError::Memory { bytes })?;
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| {
            Box::new(Page {
                counts: [Counts::default(); PAGE as usize],
                used: 0,
            })
        });
        let count = &mut page.counts[place].received;
        *count += 1;
        if *count > 1 {
            return Ok(Receipt::Again);
        }
        page.used += 1;
        self.count += 1;
        Ok(Receipt::First)
    }

    /// Counts that a known id is sent back in a message.
    pub fn send_back(&mut self, id: SlotId) -> Result {
        match self.counts(id) {
            Some(counts) => {
                counts.returned += 1;
                Ok(())
            }
            None => violation("an object that is not held"),
        }
    }

    /// Reverts [`Self::send_back`]: the message was never sent.
    pub fn unsend_back(&mut self, id: SlotId) {
        if let Some(counts) = self.counts(id) {
            counts.returned = counts.returned.saturating_sub(1);
        }
    }

    /// Forgets an id whose proxy is gone: what to release, or none if it is not known.
    #[must_use = "what is not released stays alive at the sender"]
    pub fn forget(&mut self, id: SlotId) -> Option<Release> {
        let counts = std::mem::take(self.counts(id)?);
        let (number, _) = place(id);
        let slot = self.pages.get_mut(number)?;
        let page = slot.as_mut()?;
        page.used -= 1;
        self.count -= 1;
        if page.used == 0 {
            *slot = None;
        }
        Some(Release {
            id,
            received: counts.received,
            returned: counts.returned,
        })
    }

    /// How many ids are known.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether none is known.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The counts of an id that is known.
    fn counts(&mut self, id: SlotId) -> Option<&mut Counts> {
        let (page, place) = place(id);
        let page = self.pages.get_mut(page)?.as_mut()?;
        let counts = &mut page.counts[place];
        (counts.received > 0).then_some(counts)
    }
}

const fn place(id: SlotId) -> (usize, usize) {
    let index = id.get() - 1;
    ((index / PAGE) as usize, (index % PAGE) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_ids_beyond_the_limit_allocate_nothing() {
        let id = |number| SlotId::new(number).unwrap();
        let mut receiver = Received::new(1000);
        assert!(receiver.receive(id(1001)).is_err());
        assert!(receiver.receive(id(u32::MAX)).is_err());
        assert!(receiver.pages.is_empty());
        assert_eq!(receiver.forget(id(u32::MAX)), None);
        receiver.receive(id(1000)).unwrap();
        assert_eq!(receiver.receive(id(1000)).unwrap(), Receipt::Again);
        assert_eq!(receiver.forget(id(1000)).unwrap().received, 2);
        assert!(receiver.pages.iter().all(Option::is_none));
    }
}
