//! The client's objects that live here as proxies: one id, one proxy, held weakly.
//!
//! The engine holds a proxy for as long as JavaScript or the addon does; its death comes back as a
//! token, and the release of its id waits here until a frame takes it along. A proxy may die and
//! its id come in again before the token is seen: the serial number distinguishes the two.

use std::collections::BTreeSet;

use hostd_engine::{FinalizerToken, Value, Weak};
use hostd_protocol::direct::DirectReleases;
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::{Received, Release};
use hostd_protocol::memory::Region;
use rustc_hash::FxHashMap;

/// The tag of the tokens that dead proxies leave behind.
pub(crate) const REMOTE_TOKEN: u8 = 64;

/// The tag of the tokens that array buffers over memory of the client's leave behind.
pub(crate) const MEMORY_TOKEN: u8 = 65;

/// The most memories that are searched for bytes; those that are not found are copied.
const OVERLAPPING_MAX: usize = 64;

/// So many releases ride with one frame: they fit into a notice.
const MOST_RELEASES: usize = 2048;

/// The client's objects that are known here.
#[derive(Debug)]
pub(crate) struct Remotes {
    received: Received,
    proxies: FxHashMap<u32, Proxy>,
    serial: usize,
    released: Vec<Release>,
    /// The client's memory that array buffers use, by its id.
    memories: FxHashMap<u32, UsedMemory>,
    /// Where each begins in this process, and its id.
    addresses: BTreeSet<(usize, u32)>,
}

/// Memory of the client's.
#[derive(Debug)]
struct UsedMemory {
    region: Region,
    address: usize,
    /// How many array buffers use it.
    buffers: u32,
}

#[derive(Debug)]
struct Proxy {
    weak: Weak,
    serial: usize,
}

impl Remotes {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            received: Received::new(limit),
            proxies: FxHashMap::default(),
            serial: 0,
            released: Vec::new(),
            memories: FxHashMap::default(),
            addresses: BTreeSet::new(),
        }
    }

    /// Counts a receipt of an id and returns its proxy, if that lives.
    pub(crate) fn receive(&mut self, id: SlotId) -> Result<Option<Value>> {
        // [`Self::insert`] does not fail.
        let bytes = size_of::<(u32, Proxy)>();
        let room = self.proxies.try_reserve(1);
        room.map_err(|_| ProtocolError::Memory { bytes })?;
        self.received.receive(id)?;
        Ok(self.find(id))
    }

    pub(crate) fn find(&self, id: SlotId) -> Option<Value> {
        self.proxies.get(&id.get())?.weak.get()
    }

    /// Makes the token that the next proxy of this id is to leave behind.
    pub(crate) fn token(&mut self, id: SlotId) -> FinalizerToken {
        self.serial = self.serial.wrapping_add(1);
        FinalizerToken {
            tag: REMOTE_TOKEN,
            words: [id.get() as usize, self.serial, 0],
        }
    }

    pub(crate) fn insert(&mut self, id: SlotId, token: FinalizerToken, weak: Weak) {
        let serial = token.words[1];
        self.proxies.insert(id.get(), Proxy { weak, serial });
    }

    /// A proxy died: its id is released and returned, unless it has another proxy by now.
    pub(crate) fn died(&mut self, token: FinalizerToken) -> Option<SlotId> {
        let [id, serial, _] = token.words;
        let id = u32::try_from(id).ok().and_then(SlotId::new)?;
        if self.proxies.get(&id.get())?.serial != serial {
            return None;
        }
        self.proxies.remove(&id.get());
        self.give_back(id);
        Some(id)
    }

    /// Counts a receipt of a memory, which begins at `address`, and the array buffer that is about to use
    /// it. Returns the token that the buffer is to leave behind.
    pub(crate) fn receive_memory(
        &mut self,
        region: Region,
        address: usize,
    ) -> Result<FinalizerToken> {
        let id = region.id;
        let bytes = size_of::<(u32, UsedMemory)>();
        let room = self.memories.try_reserve(1);
        room.map_err(|_| ProtocolError::Memory { bytes })?;
        self.received.receive(id)?;
        let memory = self.memories.entry(id.get()).or_insert(UsedMemory {
            region,
            address,
            buffers: 0,
        });
        memory.buffers += 1;
        self.addresses.insert((memory.address, id.get()));
        Ok(FinalizerToken {
            tag: MEMORY_TOKEN,
            words: [id.get() as usize, 0, 0],
        })
    }

    /// An array buffer does not use its memory any more, which is released with the last one.
    pub(crate) fn memory_unused(&mut self, token: FinalizerToken) {
        let id = u32::try_from(token.words[0]).ok().and_then(SlotId::new);
        let Some(id) = id else { return };
        if let Some(memory) = self.memories.get_mut(&id.get()) {
            memory.buffers -= 1;
            if memory.buffers == 0 {
                self.addresses.remove(&(memory.address, id.get()));
                self.memories.remove(&id.get());
                self.give_back(id);
            }
        }
    }

    /// Where `length` bytes at this address lie in the client's memory; none if they lie elsewhere.
    pub(crate) fn memory_at(&self, address: usize, length: usize) -> Option<Region> {
        let length = length as u64;
        // Memories overlap if a pool buffer was passed in parts.
        let before = self.addresses.range(..=(address, u32::MAX)).rev();
        before.take(OVERLAPPING_MAX).find_map(|(start, id)| {
            let lent = self.memories.get(id)?.region;
            let from = (address - start) as u64;
            (from.checked_add(length)? <= lent.length).then(|| Region {
                offset: lent.offset + from,
                length,
                ..lent
            })
        })
    }

    /// Whether a buffer uses memory of the client's.
    pub(crate) fn uses_memory(&self) -> bool {
        !self.memories.is_empty()
    }

    /// Gives back every receipt of an id that has no proxy.
    pub(crate) fn give_back(&mut self, id: SlotId) {
        self.released.extend(self.received.forget(id));
    }

    /// Counts that an object which has a proxy here is sent back to the client.
    pub(crate) fn send_back(&mut self, id: SlotId) -> Result {
        self.received.send_back(id)
    }

    /// Takes that back: the frame was never sent.
    pub(crate) fn unsend_back(&mut self, id: SlotId) {
        self.received.unsend_back(id);
    }

    pub(crate) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// The releases that wait, for the next frame: as many as are sent at a time.
    pub(crate) fn take_released(&mut self) -> std::vec::Drain<'_, Release> {
        let most = self.released.len().min(MOST_RELEASES);
        self.released.drain(..most)
    }

    /// All releases that wait, if there are so few that the answer to a direct call has room for them.
    pub(crate) fn take_few_released(&mut self) -> Option<DirectReleases> {
        let mut few = DirectReleases::default();
        few.get_mut(..self.released.len())?;
        for (place, release) in few.iter_mut().zip(self.released.drain(..)) {
            *place = Some(release);
        }
        Some(few)
    }

    pub(crate) fn put_back(&mut self, releases: impl Iterator<Item = Release>) {
        self.released.extend(releases);
    }

    pub(crate) fn len(&self) -> usize {
        self.received.len()
    }
}
