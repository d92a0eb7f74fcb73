//! Large blocks of the engine's heap that lie in shared memory: the bytes of array buffers, so that
//! another process can be shown them without a copy.
//!
//! The engine asks for zeroed memory for the bytes of an array buffer and for a few tables of its own;
//! all other blocks come from the C library.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use hostd_shm::{Arena, ArenaUsage, Block};

/// Bytes before a block, so that what follows the engine's own eight bytes is aligned to 64.
const LEAD: usize = 56;

/// The large blocks of one engine, by their addresses.
#[derive(Debug, Default)]
pub(crate) struct LargeBlocks {
    arena: RefCell<Option<Arena>>,
    blocks: RefCell<BTreeMap<usize, Held>>,
    /// Where the memory of the arena is mapped.
    start: Cell<usize>,
    length: Cell<usize>,
    /// The most bytes that all large blocks may have together, if that is limited.
    limit: Cell<Option<usize>>,
    /// The smallest block that lies there, in bytes.
    large_min: Cell<usize>,
    /// Whether what is allocated is none of an array buffer.
    is_private: Cell<bool>,
}

#[derive(Debug)]
struct Held {
    block: Block,
    /// Bytes from its address on.
    size: usize,
    /// Whether the engine has not freed it.
    is_used: bool,
    pins: u32,
}

impl LargeBlocks {
    /// From now on, large blocks are allocated there.
    pub(crate) fn allocate_in(&self, arena: Arena, limit: Option<usize>, large_min: usize) {
        self.limit.set(limit);
        self.large_min.set(large_min);
        let all = arena.memory().bytes(0, 0);
        self.start.set(all.map_or(0, |all| all.address()));
        self.length.set(arena.memory().len());
        *self.arena.borrow_mut() = Some(arena);
    }

    /// What `act` allocates does not lie here: it is none of an array buffer.
    pub(crate) fn privately<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.is_private.replace(true);
        let done = act();
        self.is_private.set(before);
        done
    }

    pub(crate) fn usage(&self) -> ArenaUsage {
        let arena = self.arena.borrow();
        arena.as_ref().map(Arena::usage).unwrap_or_default()
    }

    /// Gives memory that is kept for later blocks back to the system.
    pub(crate) fn trim(&self) {
        if let Some(arena) = self.arena.borrow_mut().as_mut() {
            arena.trim();
        }
    }

    /// Whether a block lies here.
    #[inline]
    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.get()) < self.length.get()
    }

    /// Whether blocks of this size are allocated here.
    pub(crate) fn is_large(&self, size: usize) -> bool {
        size >= self.large_min.get() && self.length.get() > 0
    }

    /// The address of a new block, all zero; none if it is small, or there is no room.
    pub(crate) fn allocate(&self, size: usize) -> Option<usize> {
        if !self.is_large(size) || self.is_private.get() {
            return None;
        }
        let block = self
            .arena
            .borrow_mut()
            .as_mut()?
            .allocate_zeroed(size.checked_add(LEAD)?)?;
        let address = block.bytes().address() + LEAD;
        self.hold(address, block, size, true);
        Some(address)
    }

    /// Whether a block of this size that has no room here has none within the limit either: what the
    /// kernel limits for the process does not include the blocks that are here.
    pub(crate) fn is_beyond(&self, size: usize) -> bool {
        let Some(limit) = self.limit.get() else {
            return false;
        };
        let arena = self.arena.borrow();
        let allocated = arena.as_ref().map_or(0, |arena| arena.usage().allocated);
        // Some of what is free is in pieces that are too small.
        self.is_large(size) && allocated.saturating_add(size) > limit - limit / 8
    }

    /// Its size in bytes, 0 if it is none.
    pub(crate) fn size(&self, address: usize) -> usize {
        let blocks = self.blocks.borrow();
        blocks.get(&address).map_or(0, |held| held.size)
    }

    /// The engine frees a block; its memory stays while it is pinned.
    pub(crate) fn free(&self, address: usize) {
        self.change(address, |held| held.is_used = false);
    }

    fn hold(&self, address: usize, block: Block, size: usize, is_used: bool) {
        let held = Held {
            block,
            size,
            is_used,
            pins: u32::from(!is_used),
        };
        self.blocks.borrow_mut().insert(address, held);
    }

    /// Changes a block, and gives its memory back if nothing uses it any more.
    fn change(&self, address: usize, change: impl FnOnce(&mut Held)) {
        let mut blocks = self.blocks.borrow_mut();
        let Some(held) = blocks.get_mut(&address) else {
            return;
        };
        change(held);
        if held.is_used || held.pins > 0 {
            return;
        }
        let held = blocks.remove(&address);
        if let (Some(held), Some(arena)) = (held, self.arena.borrow_mut().as_mut()) {
            arena.free(held.block);
        }
    }

    /// Pins the block that has these bytes.
    pub(crate) fn pin(self: &Rc<Self>, address: usize, length: usize) -> Option<MemoryPin> {
        if !self.contains(address) {
            return None;
        }
        let mut blocks = self.blocks.borrow_mut();
        let (start, held) = blocks.range_mut(..=address).next_back()?;
        let end = address.checked_add(length)?;
        if end > *start + held.size || !held.is_used {
            return None;
        }
        held.pins = held.pins.checked_add(1)?;
        Some(MemoryPin {
            address: *start,
            offset: held.block.bytes().offset() + LEAD + (address - start),
            blocks: Rc::clone(self),
        })
    }

    /// A copy of bytes in shared memory, freed with its pin; none if there is no room. `fill` writes it.
    pub(crate) fn copy(
        self: &Rc<Self>,
        length: usize,
        fill: impl FnOnce(&hostd_shm::SharedBytes) -> bool,
    ) -> Option<MemoryPin> {
        let block = self.arena.borrow_mut().as_mut()?.allocate(length)?;
        if !fill(block.bytes()) {
            self.arena.borrow_mut().as_mut()?.free(block);
            return None;
        }
        let (address, offset) = (block.bytes().address(), block.bytes().offset());
        self.hold(address, block, length, false);
        Some(MemoryPin {
            address,
            offset,
            blocks: Rc::clone(self),
        })
    }
}

/// Keeps bytes in shared memory where they are, even if their array buffer is detached or freed.
pub struct MemoryPin {
    blocks: Rc<LargeBlocks>,
    address: usize,
    offset: usize,
}

impl MemoryPin {
    /// Where the bytes begin in the memory file.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Debug for MemoryPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryPin").field(&self.offset).finish()
    }
}

impl Drop for MemoryPin {
    fn drop(&mut self) {
        self.blocks
            .change(self.address, |held| held.pins = held.pins.saturating_sub(1));
    }
}
