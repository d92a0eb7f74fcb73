//! Cleanup hooks of an environment, plain and asynchronous: `api::lifecycle` adds and removes them,
//! `teardown` runs them, the youngest first.
//!
//! The handle of an asynchronous hook is known to the whole process, because any thread may finish
//! it. All else is used on the host's thread alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::id::EnvId;
use super::slots::{IdKind, Slots};
use crate::abi::callback::{AsyncHook, CleanupHook};
use crate::abi::checked::Data;
use crate::host::Inbox;

/// One hook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// A plain hook and its argument.
    Plain(CleanupHook, Data),
    /// An asynchronous hook, by its handle.
    Async(usize),
}

/// An asynchronous hook, registered or running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsyncEntry {
    /// Whose it is.
    pub(crate) env: EnvId,
    /// The function.
    pub(crate) hook: AsyncHook,
    /// Its argument.
    pub(crate) argument: Data,
}

/// The inbox of each asynchronous hook's host: the thread that finishes the hook may be another
/// one, and posts that there.
static OWNERS: Mutex<Slots<Arc<Inbox>>> = Mutex::new(Slots::new(IdKind::AsyncHook));

fn owners() -> MutexGuard<'static, Slots<Arc<Inbox>>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives an asynchronous hook its handle. None when there are too many.
pub(crate) fn new_handle(inbox: &Arc<Inbox>) -> Option<usize> {
    owners().insert(Arc::clone(inbox))
}

/// Takes the handle of a hook that is done or removed, once; returns the inbox of its host.
pub(crate) fn take_handle(handle: usize) -> Option<Arc<Inbox>> {
    owners().remove(handle)
}

/// The hooks of an environment, oldest first, each with its place among all that were ever added.
///
/// A threadsafe function has a place as well, and is closed in that order. It is in a table of its
/// own, because there may be many.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    list: Vec<(u64, Hook)>,
    places: u64,
}

impl Hooks {
    /// Adds a hook.
    pub(crate) fn push(&mut self, hook: Hook) {
        let place = self.place();
        self.list.push((place, hook));
    }

    /// A place behind all that were given.
    pub(crate) fn place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    /// The place of the youngest hook; younger threadsafe functions are closed before it runs.
    pub(crate) fn youngest(&self) -> u64 {
        self.list.last().map_or(0, |(place, _)| *place)
    }

    /// Takes the youngest hook. One at a time, because a hook may remove others.
    pub(crate) fn pop(&mut self) -> Option<Hook> {
        self.list.pop().map(|(_, hook)| hook)
    }

    /// Returns whether this pair was added.
    pub(crate) fn contains(&self, hook: CleanupHook, argument: Data) -> bool {
        self.position(hook, argument).is_some()
    }

    /// Removes a plain hook, if it was added.
    pub(crate) fn remove(&mut self, hook: CleanupHook, argument: Data) {
        if let Some(position) = self.position(hook, argument) {
            self.list.remove(position);
        }
    }

    /// Removes an asynchronous hook that has not run.
    pub(crate) fn remove_async(&mut self, handle: usize) {
        self.list
            .retain(|(_, hook)| !matches!(hook, Hook::Async(other) if *other == handle));
    }

    fn position(&self, hook: CleanupHook, argument: Data) -> Option<usize> {
        self.list.iter().rposition(|(_, other)| {
            matches!(other, Hook::Plain(function, data) if function.is(hook) && *data == argument)
        })
    }
}
