//! The host's objects that the client holds: one object, one id, and a strong value behind it.

use hostd_engine::{MemoryPin, Value};
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::{Lent, Release};
use hostd_protocol::value::HostKind;
use rustc_hash::FxHashMap;

/// An object that the client holds.
#[derive(Debug)]
pub(crate) struct LentObject {
    /// The object; this is what keeps it alive.
    pub(crate) value: Value,
    pub(crate) kind: HostKind,
    /// The class id that was sent to the client, or zero.
    pub(crate) class: u32,
    /// The number of the watch of a promise; zero if it is not watched.
    pub(crate) watch: u32,
    /// An iterator that the client has begun to read and not come to the end of.
    pub(crate) unfinished: bool,
    /// The bytes of a buffer: lent by themselves, so that they stay where they are while Python has a
    /// view of them, whatever becomes of the buffer.
    #[expect(dead_code, reason = "its drop is what matters")]
    pub(crate) memory: Option<MemoryPin>,
}

impl LentObject {
    /// An object without bytes of its own, which nothing is known of yet.
    pub(crate) fn new(value: Value, kind: HostKind, class: u32) -> Self {
        Self {
            value,
            kind,
            class,
            watch: 0,
            unfinished: false,
            memory: None,
        }
    }
}

/// All objects that the client holds, by id and by identity.
#[derive(Debug)]
pub(crate) struct Objects {
    table: Lent<LentObject>,
    ids: FxHashMap<usize, SlotId>,
}

impl Objects {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            table: Lent::new(limit),
            ids: FxHashMap::default(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: SlotId) -> Option<&LentObject> {
        self.table.get(id)
    }

    #[inline]
    pub(crate) fn find(&self, identity: usize) -> Option<SlotId> {
        if self.ids.is_empty() {
            return None;
        }
        self.ids.get(&identity).copied()
    }

    pub(crate) fn again(&mut self, id: SlotId) -> Result {
        self.table.again(id)
    }

    /// Lends an object that is not lent yet; counts one sending. Values without an identity are
    /// never looked up again, each sending is an id of its own.
    pub(crate) fn lend(&mut self, object: LentObject) -> Result<SlotId> {
        let identity = object.value.identity();
        let bytes = size_of::<(usize, SlotId)>();
        let room = self.ids.try_reserve(1);
        room.map_err(|_| ProtocolError::Memory { bytes })?;
        let id = self.table.lend(object)?;
        if let Some(identity) = identity {
            self.ids.insert(identity, id);
        }
        Ok(id)
    }

    /// Takes a sending back whose frame was never sent.
    pub(crate) fn unsend(&mut self, id: SlotId) {
        if let Some(object) = self.table.unsend(id) {
            self.forget(&object);
        }
    }

    /// The client gives receipts back; the object if that was all of them.
    pub(crate) fn release(&mut self, release: Release) -> Result<Option<LentObject>> {
        let released = self.table.release(release)?;
        if let Some(object) = &released {
            self.forget(object);
        }
        Ok(released)
    }

    /// Notes by which watch a promise is watched; zero if by none.
    pub(crate) fn set_watch(&mut self, id: SlotId, watch: u32) {
        if let Some(object) = self.table.get_mut(id) {
            object.watch = watch;
        }
    }

    pub(crate) fn set_unfinished(&mut self, id: SlotId, unfinished: bool) {
        if let Some(object) = self.table.get_mut(id) {
            object.unfinished = unfinished;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes everything back: the session is over.
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        drop(self.table.drain());
    }

    fn forget(&mut self, object: &LentObject) {
        if let Some(identity) = object.value.identity() {
            self.ids.remove(&identity);
        }
    }
}
