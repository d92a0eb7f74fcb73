//! Cleanup hooks of an environment: plain, asynchronous, and those of threadsafe functions, in one
//! list, run youngest first.

use super::EnvId;
use crate::abi::callback::{AsyncHook, CleanupHook};
use crate::abi::check::Data;

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
