//! Cleanup hooks of an environment: plain, asynchronous, and those of threadsafe functions, in one
//! list, run youngest first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EnvId;
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
    /// What is called.
    pub(crate) hook: AsyncHook,
    /// What it is called with.
    pub(crate) argument: Data,
}

/// Whose thread an asynchronous hook belongs to: the thread that does the work of the hook may be
/// another one, and says that it is done.
static OWNERS: Mutex<Slots<Arc<Inbox>>> = Mutex::new(Slots::new(IdKind::AsyncHook));

fn owners() -> MutexGuard<'static, Slots<Arc<Inbox>>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives an asynchronous hook its handle. None when there are too many.
pub(crate) fn new_handle(inbox: &Arc<Inbox>) -> Option<usize> {
    owners().insert(Arc::clone(inbox))
}

/// Takes the handle of a hook that is done or removed, once: who is to be told of it.
pub(crate) fn take_handle(handle: usize) -> Option<Arc<Inbox>> {
    owners().remove(handle)
}

/// The hooks of an environment, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Hooks(Vec<Hook>);

impl Hooks {
    /// Adds a hook.
    pub(crate) fn push(&mut self, hook: Hook) {
        self.0.push(hook);
    }

    /// Takes the youngest hook. One at a time, because a hook may remove others.
    pub(crate) fn pop(&mut self) -> Option<Hook> {
        self.0.pop()
    }

    /// Whether this very pair was added.
    pub(crate) fn contains(&self, hook: CleanupHook, argument: Data) -> bool {
        self.position(hook, argument).is_some()
    }

    /// Removes a plain hook; unknown ones are passed over.
    pub(crate) fn remove(&mut self, hook: CleanupHook, argument: Data) {
        if let Some(position) = self.position(hook, argument) {
            self.0.remove(position);
        }
    }

    /// Removes an asynchronous hook that has not run.
    pub(crate) fn remove_async(&mut self, handle: usize) {
        self.0
            .retain(|hook| !matches!(hook, Hook::Async(other) if *other == handle));
    }

    fn position(&self, hook: CleanupHook, argument: Data) -> Option<usize> {
        self.0.iter().rposition(|other| {
            matches!(other, Hook::Plain(function, data) if function.is(hook) && *data == argument)
        })
    }
}
