//! Finalizers: the calls that are due when an object dies.
//!
//! One table per host. The token that the engine queues at the object's death has the id of an
//! entry only. So the entry is removed and run once: by the death, `napi_remove_wrap`, a deleted
//! reference or the teardown, whichever is first. A later token finds no entry.

use hostd_engine::{FinalizerId, FinalizerToken};

use super::EnvId;
use super::slots::{IdKind, Slots};
use crate::abi::callback::Finalize;
use crate::abi::checked::Data;
use crate::abi::status::{NapiResult, Status};

/// The tag of this crate's tokens.
pub(crate) const TAG_FINALIZER: u8 = 0;

/// What an entry belongs to, which decides when teardown runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A buffer or array buffer: first in teardown.
    Buffer,
    /// A wrap: its entry stays while the wrap does, whether it has a finalizer or not.
    Wrap,
    /// An external or `napi_add_finalizer`.
    Object,
    /// Instance data; no object.
    Instance,
    /// `node_api_post_finalizer`: already due.
    Posted,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finalizer {
    /// Whose it is.
    pub(crate) env: EnvId,
    /// What it belongs to.
    pub(crate) owner: Owner,
    /// What it calls; without it the entry only carries its data.
    pub(crate) call: Option<Finalize>,
    /// The first pointer it is given.
    pub(crate) data: Data,
    /// The second pointer it is given.
    pub(crate) hint: Data,
    /// Its place among all that were ever added, which the table gives it.
    pub(crate) order: u64,
    /// What takes its token off its object.
    pub(crate) attached: Option<FinalizerId>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Finalizers {
    slots: Slots<Finalizer>,
    order: u64,
}

impl Finalizers {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(IdKind::Finalizer),
            order: 0,
        }
    }

    /// Adds an entry and gives its id.
    pub(crate) fn insert(&mut self, finalizer: Finalizer) -> NapiResult<usize> {
        self.order += 1;
        let order = self.order;
        self.slots
            .insert(Finalizer { order, ..finalizer })
            .ok_or(Status::GenericFailure)
    }

    /// The entry with this id.
    pub(crate) fn get(&self, id: usize) -> Option<&Finalizer> {
        self.slots.get(id)
    }

    /// Takes an entry out; the caller decides whether it runs.
    #[must_use]
    pub(crate) fn remove(&mut self, id: usize) -> Option<Finalizer> {
        self.slots.remove(id)
    }

    /// Notes what takes an entry's token off its object.
    pub(crate) fn set_attached(&mut self, id: usize, attached: FinalizerId) {
        if let Some(finalizer) = self.slots.get_mut(id) {
            finalizer.attached = Some(attached);
        }
    }

    /// Makes the entry of a wrap call nothing; false if it is none.
    pub(crate) fn disarm_wrap(&mut self, id: usize) -> bool {
        let entry = self.slots.get_mut(id);
        let Some(wrap) = entry.filter(|entry| entry.owner == Owner::Wrap) else {
            return false;
        };
        wrap.call = None;
        true
    }

    /// The ids of an environment's entries that `which` accepts, youngest first.
    pub(crate) fn of(&self, env: EnvId, which: impl Fn(Owner) -> bool) -> Vec<usize> {
        let mut found: Vec<(u64, usize)> = self
            .slots
            .iter()
            .filter(|(_, entry)| entry.env == env && which(entry.owner))
            .map(|(id, entry)| (entry.order, id))
            .collect();
        found.sort_unstable_by(|left, right| right.cmp(left));
        found.into_iter().map(|(_, id)| id).collect()
    }
}

/// An environment's instance data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    /// The addon's pointer.
    pub(crate) data: Data,
    /// The entry of its finalizer.
    pub(crate) finalizer: Option<usize>,
}

impl Instance {
    /// None was set.
    pub(crate) const NONE: Self = Self {
        data: Data::NULL,
        finalizer: None,
    };
}

/// The token for an entry.
pub(crate) fn token(id: usize) -> FinalizerToken {
    FinalizerToken {
        tag: TAG_FINALIZER,
        words: [id, 0, 0],
    }
}
