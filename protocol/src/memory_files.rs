//! Memory files that the client hands to a running host: those of its buffer pools. A descriptor travels
//! with the control message that gives its file a number. Numbers begin at 1; 0 is the memory of the
//! session.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostd_shm::SharedMemory;
use rustc_hash::FxHashMap;

use crate::error::{Result, violation};

/// How long the JS thread waits for a file that a frame names. It was sent before the frame; the control
/// thread may not have read it yet.
const FILE_TIMEOUT: Duration = Duration::from_secs(5);

/// The memory files that a host has received.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Descriptors whose messages were not read yet.
    descriptors: VecDeque<OwnedFd>,
    files: FxHashMap<u32, Arc<SharedMemory>>,
    /// No more files come.
    is_closed: bool,
}

impl MemoryFiles {
    /// Keeps a descriptor for the message that it came with.
    pub(crate) fn push(&self, descriptor: OwnedFd) {
        self.state().descriptors.push_back(descriptor);
    }

    /// The message was read that gives the next descriptor a number: maps the file.
    ///
    /// # Errors
    /// There is no descriptor, or it is not a memory file that can be mapped.
    pub fn arrived(&self, number: u32) -> Result {
        let descriptor = self.state().descriptors.pop_front();
        let file = descriptor.map(|descriptor| SharedMemory::open(&descriptor));
        let Some(Ok(file)) = file else {
            return violation("a memory file without the descriptor of one");
        };
        let former = self.state().files.insert(number, file);
        self.shared.changed.notify_all();
        drop(former);
        Ok(())
    }

    /// Adds memory that is not handed over: that of the process, where the client is in the same one.
    pub fn add(&self, number: u32, memory: Arc<SharedMemory>) {
        let former = self.state().files.insert(number, memory);
        drop(former);
    }

    /// Forgets a file, which is unmapped once no buffer uses it.
    pub fn forget(&self, number: u32) {
        let former = self.state().files.remove(&number);
        drop(former);
    }

    /// The client is gone: ends all waits.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.shared.changed.notify_all();
    }

    /// The file with this number. Waits for it if it is on its way.
    ///
    /// # Errors
    /// It was not sent.
    pub fn get(&self, number: u32) -> Result<Arc<SharedMemory>> {
        let is_missing = |state: &mut State| !state.files.contains_key(&number) && !state.is_closed;
        let changed = &self.shared.changed;
        let waited = changed.wait_timeout_while(self.state(), FILE_TIMEOUT, is_missing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.files.get(&number) {
            Some(file) => Ok(Arc::clone(file)),
            None => violation("a region of a memory file that was not sent"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}
