//! Which loop of the client takes the host's turns, and how another thread begins one while no loop
//! does.
//!
//! A loop calls the host only after it has become the owner. So a thread that sees no owner while it
//! announces its turn is served before that call, and its turn never runs callbacks of the loop.

use crate::sync::{Fault, Mutex, MutexGuard, faulty, lock};

/// A state that says whether a loop owns the turns.
pub trait MaybeOwned {
    /// Whether a loop owns the turns.
    fn is_owned(&self) -> bool;
}

/// The state of the turns, the loop that owns them included, locked.
#[derive(Debug)]
pub struct TurnOwner<S>(Mutex<S>);

/// The outcome of [`TurnOwner::claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnClaim {
    /// The turn is announced: it must be sent at once.
    Announced,
    /// The JS thread is not at its top.
    Declined,
    /// A loop owns the turns and must be notified.
    Owned,
}

impl<S: MaybeOwned> TurnOwner<S> {
    /// Locks this state.
    pub fn new(state: S) -> Self {
        Self(Mutex::new(state))
    }

    /// Locks the state, to read or change it.
    pub fn lock(&self) -> MutexGuard<'_, S> {
        lock(&self.0)
    }

    /// As [`Self::lock`]; `None` if the lock is held, as it may be forever in a forked child.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, S>> {
        self.0.try_lock().ok()
    }

    /// Has `announce` announce a turn, unless a loop owns the turns. No loop can become the owner
    /// between the check and the announcement.
    pub fn claim(&self, announce: impl FnOnce() -> bool) -> TurnClaim {
        let owner = self.lock();
        if owner.is_owned() && !faulty(Fault::UncheckedOwner) {
            return TurnClaim::Owned;
        }
        let unlocked = if faulty(Fault::EarlyCheck) {
            drop(owner);
            None
        } else {
            Some(owner)
        };
        let is_announced = announce();
        drop(unlocked);
        if is_announced {
            TurnClaim::Announced
        } else {
            TurnClaim::Declined
        }
    }
}
