//! The bytes of buffers and texts in shared memory: where they lie, and keeping them there.

use std::rc::Rc;

use hostd_shm::{Arena, ArenaUsage};

use crate::large_blocks::LargeBlocks;
use crate::{MemoryPin, Runtime, Value};

impl Runtime {
    /// From now on, the bytes of array buffers that have `large_min` or more are allocated in this part of a
    /// memory file. They may have `limit` bytes in all, if that is limited.
    pub fn allocate_in(self, arena: Arena, limit: Option<usize>, large_min: usize) {
        self.large_blocks().allocate_in(arena, limit, large_min);
    }

    /// Pins the bytes of a buffer or view that lie in shared memory; none if they lie elsewhere.
    pub fn pin(self, value: &Value) -> Option<MemoryPin> {
        let (start, length) = self.raw_bytes(value)?;
        self.large_blocks().pin(start.expose_provenance(), length)
    }

    /// Where the bytes of a buffer or view begin in this process; `None` for other values.
    pub fn bytes_address(self, value: &Value) -> Option<usize> {
        let (start, _) = self.raw_bytes(value)?;
        Some(start.addr())
    }

    /// Copies the first `length` bytes of a buffer or view to shared memory; none if there is no room,
    /// or it has fewer.
    pub fn copy_shared(self, value: &Value, length: usize) -> Option<MemoryPin> {
        let blocks = self.large_blocks();
        blocks.copy(length, |target| self.copy_to_shared(value, length, target))
    }

    /// Copies a text to shared memory; none if there is no room.
    pub fn share_text(self, text: &str) -> Option<MemoryPin> {
        let blocks = self.large_blocks();
        blocks.copy(text.len(), |target| target.write(0, text.as_bytes()))
    }

    /// What lies in shared memory.
    pub fn shared_usage(self) -> ArenaUsage {
        self.large_blocks().usage()
    }

    /// Gives shared memory that is kept for later buffers back to the system.
    pub fn trim_shared(self) {
        self.large_blocks().trim();
    }

    /// Whether the bytes of a buffer of this length are allocated in shared memory.
    pub(crate) fn shares(self, length: usize) -> bool {
        self.large_blocks().is_large(length)
    }

    pub(crate) fn large_blocks(self) -> &'static Rc<LargeBlocks> {
        self.state.large_blocks()
    }
}
