//! Classes as the client knows them: a number per prototype, for as long as the prototype lives.

use hostd_engine::{Runtime, Value, Weak};
use rustc_hash::FxHashMap;

/// How many prototypes get a number; instances of the others carry none.
const MOST: usize = 1 << 16;

/// The numbers of prototypes.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    ids: FxHashMap<usize, u32>,
    prototypes: Vec<Weak>,
}

impl Classes {
    /// The number of a prototype, a new one if need be; zero for what gets none.
    pub(crate) fn id(&mut self, rt: Runtime, prototype: &Value) -> u32 {
        let Some(identity) = prototype.identity().filter(|_| prototype.is_object()) else {
            return 0;
        };
        if let Some(&id) = self.ids.get(&identity) {
            // The address may have another tenant by now.
            if self
                .prototypes
                .get(id as usize - 1)
                .is_some_and(Weak::is_alive)
            {
                return id;
            }
        }
        if self.prototypes.len() >= MOST {
            return 0;
        }
        let (Ok(weak), Ok(id)) = (rt.weak(prototype), u32::try_from(self.prototypes.len() + 1))
        else {
            return 0;
        };
        self.prototypes.push(weak);
        self.ids.insert(identity, id);
        id
    }

    /// The prototype with this number, if it lives.
    pub(crate) fn prototype(&self, id: u32) -> Option<Value> {
        let index = (id as usize).checked_sub(1)?;
        self.prototypes.get(index)?.get()
    }
}
