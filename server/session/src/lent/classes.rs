//! The numbers of classes on the wire: one per prototype, as long as the prototype lives. The encoder
//! asks for the number of each object that crosses by reference, `describe` for its prototype.

use hostd_engine::{Runtime, Value, Weak};
use rustc_hash::FxHashMap;

/// How many prototypes have a number at a time; instances of the others carry none.
const MAX_LIVE: usize = 1 << 16;
/// The table is searched for dead prototypes when it has grown to this size, or to twice what was
/// alive the last time.
const PURGE_MIN: usize = 256;

/// The numbers of prototypes. A number is never given to another prototype: the client keeps what it
/// was told about it.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// By the address of the prototype.
    known: FxHashMap<usize, Class>,
    addresses: FxHashMap<u32, usize>,
    last: u32,
    purge_at: usize,
}

#[derive(Debug)]
struct Class {
    id: u32,
    prototype: Weak,
}

impl Classes {
    /// The number of a prototype, a new one if need be; zero for what gets none.
    pub(crate) fn id(&mut self, rt: Runtime, prototype: &Value) -> u32 {
        let Some(identity) = prototype.identity().filter(|_| prototype.is_object()) else {
            return 0;
        };
        if let Some(class) = self.known.get(&identity)
            // The address may belong to another object by now.
            && class.prototype.is_alive()
        {
            return class.id;
        }
        self.add(rt, identity, prototype)
    }

    #[cold]
    fn add(&mut self, rt: Runtime, identity: usize, prototype: &Value) -> u32 {
        if self.known.len() >= self.purge_at.max(PURGE_MIN) {
            self.known.retain(|_, class| class.prototype.is_alive());
            self.known.shrink_to(PURGE_MIN);
            let known = &self.known;
            self.addresses
                .retain(|id, address| known.get(address).is_some_and(|class| class.id == *id));
            self.addresses.shrink_to(PURGE_MIN);
            self.purge_at = self.known.len().saturating_mul(2);
        }
        if self.known.len() >= MAX_LIVE {
            return 0;
        }
        let (Ok(prototype), Some(id)) = (rt.weak(prototype), self.last.checked_add(1)) else {
            return 0;
        };
        self.last = id;
        if let Some(former) = self.known.insert(identity, Class { id, prototype }) {
            self.addresses.remove(&former.id);
        }
        self.addresses.insert(id, identity);
        id
    }

    pub(crate) fn prototype(&self, id: u32) -> Option<Value> {
        let class = self.known.get(self.addresses.get(&id)?)?;
        (class.id == id).then(|| class.prototype.get())?
    }
}
