//! The client's objects that live here as proxies: one id, one proxy, held weakly.
//!
//! The engine holds a proxy for as long as JavaScript or the addon does; its death comes back as a
//! token, and the release of its id waits here until a frame takes it along. A proxy may die and
//! its id come in again before the token is seen: the serial number distinguishes the two.

use hostd_engine::{FinalizerToken, Value, Weak};
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::{Received, Release};
use rustc_hash::FxHashMap;

/// The tag of the tokens that dead proxies leave behind.
pub(crate) const REMOTE_TOKEN: u8 = 64;

/// So many releases ride with one frame: they fit into a notice.
const MOST_RELEASES: usize = 2048;

/// The client's objects that are known here.
#[derive(Debug)]
pub(crate) struct Remotes {
    received: Received,
    proxies: FxHashMap<u32, Proxy>,
    serial: usize,
    released: Vec<Release>,
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

    pub(crate) fn put_back(&mut self, releases: impl Iterator<Item = Release>) {
        self.released.extend(releases);
    }

    pub(crate) fn len(&self) -> usize {
        self.received.len()
    }
}
