//! What lies where in a part of a memory file. Only the process that allocates knows: its tables are
//! in private memory, so a peer that writes to the file changes data and nothing else.

use std::fmt;
use std::sync::Arc;

use offset_allocator::{Allocation, Allocator};

use crate::memory::{PAGE, SharedBytes, SharedMemory};

/// The pages of the first part of an arena, and the most blocks there: most arenas need no more, and the
/// tables of the second part take up 3 MiB.
const FIRST_PAGES: u32 = 64 << 20 >> PAGE.trailing_zeros();
const FIRST_BLOCKS_MAX: u32 = 1 << 10;
/// The most blocks of the second part.
const SECOND_BLOCKS_MAX: u32 = 1 << 16;

/// Free memory that the system is not given back at once, in bytes and as a part of the arena: providing
/// a page again costs ten times as much as copying into it.
const RETAINED_MAX: usize = 256 << 20;
const RETAINED_PART: usize = 16;
/// What the allocator needs for each block, in bytes, and a little more.
const BYTES_PER_BLOCK: usize = 48;

/// Allocates blocks of pages in a part of a memory file.
pub struct Arena {
    memory: Arc<SharedMemory>,
    /// The first page of the part.
    first: usize,
    pages: usize,
    first_part: Part,
    second_part: Part,
    /// The pages that take up memory.
    resident: Bits,
    /// The pages that are allocated.
    taken: Bits,
    resident_free: usize,
    taken_count: usize,
    /// The most pages that are free and not given back.
    retained_max: usize,
}

/// A part of an arena, with tables of its own.
struct Part {
    /// Its first page, relative to the arena.
    start: u32,
    pages: u32,
    blocks_max: u32,
    /// Made for the first block.
    allocator: Option<Allocator>,
}

impl Part {
    fn new(start: u32, pages: u32, blocks_max: u32) -> Self {
        Self {
            start,
            pages,
            blocks_max: blocks_max.min(pages),
            allocator: None,
        }
    }

    /// Allocates pages; none if there is no room, or no memory for the tables.
    fn allocate(&mut self, count: u32) -> Option<Allocation> {
        if count > self.pages {
            return None;
        }
        if self.allocator.is_none() {
            // The allocator does not report that there is no memory, so this is tried first.
            let tables = BYTES_PER_BLOCK.checked_mul(self.blocks_max as usize)?;
            let mut memory: Vec<u8> = Vec::new();
            memory.try_reserve_exact(tables).ok()?;
            drop(memory);
            self.allocator = Some(Allocator::with_max_allocs(self.pages, self.blocks_max));
        }
        self.allocator.as_mut()?.allocate(count)
    }

    fn free(&mut self, allocation: Allocation) {
        if let Some(allocator) = &mut self.allocator {
            allocator.free(allocation);
        }
    }
}

/// A block of an arena. It is free again once it is given back to [`Arena::free`].
#[must_use = "the block is taken until it is given back"]
pub struct Block {
    bytes: SharedBytes,
    allocation: Allocation,
    /// Its pages, relative to the arena.
    pages: (usize, usize),
}

impl fmt::Debug for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Block").field(&self.bytes).finish()
    }
}

impl Block {
    /// Its bytes.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }
}

/// What an arena holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub struct ArenaUsage {
    pub limit: usize,
    pub allocated: usize,
    /// Free, but not given back to the system.
    pub retained: usize,
}

impl Arena {
    /// An arena over the bytes from `offset` on, both multiples of the page size; none if they are not,
    /// or not inside the memory.
    pub fn new(memory: &Arc<SharedMemory>, offset: usize, length: usize) -> Option<Self> {
        let end = offset.checked_add(length)?;
        let fits =
            end <= memory.len() && offset.is_multiple_of(PAGE) && length.is_multiple_of(PAGE);
        let pages = u32::try_from(length / PAGE).ok()?;
        let first = pages.min(FIRST_PAGES);
        fits.then(|| Self {
            memory: Arc::clone(memory),
            first: offset / PAGE,
            pages: length / PAGE,
            first_part: Part::new(0, first, FIRST_BLOCKS_MAX),
            second_part: Part::new(first, pages - first, SECOND_BLOCKS_MAX),
            resident: Bits::default(),
            taken: Bits::default(),
            resident_free: 0,
            taken_count: 0,
            retained_max: (RETAINED_MAX / PAGE).min(length / PAGE / RETAINED_PART),
        })
    }

    /// Allocates `length` bytes. Their pages are provided by the system, so that no access to them fails
    /// for lack of memory. None if there is no room or no memory left.
    pub fn allocate(&mut self, length: usize) -> Option<Block> {
        let count = length.div_ceil(PAGE).max(1);
        if count > self.pages {
            return None;
        }
        let units = u32::try_from(count).ok()?;
        self.resident.reserve(self.pages)?;
        self.taken.reserve(self.pages)?;
        let (part, allocation) = if let Some(allocation) = self.first_part.allocate(units) {
            (&mut self.first_part, allocation)
        } else {
            let allocation = self.second_part.allocate(units)?;
            (&mut self.second_part, allocation)
        };
        let start = (part.start + allocation.offset) as usize;
        let known = self.resident.count(start, count);
        let offset = (self.first + start) * PAGE;
        let bytes = self.memory.bytes(offset, length);
        let provided = known == count || self.memory.populate(offset, count * PAGE).is_ok();
        let (Some(bytes), true) = (bytes, provided) else {
            part.free(allocation);
            return None;
        };
        self.resident_free -= known;
        self.taken_count += count;
        self.resident.set(start, count, true);
        self.taken.set(start, count, true);
        Some(Block {
            bytes,
            allocation,
            pages: (start, count),
        })
    }

    /// As [`Self::allocate`], with all bytes zero.
    pub fn allocate_zeroed(&mut self, length: usize) -> Option<Block> {
        let before = self.resident_free;
        let block = self.allocate(length)?;
        // Pages that the system has just provided are zero.
        if self.resident_free != before {
            block.bytes.clear();
        }
        Some(block)
    }

    /// Takes a block of this arena back.
    pub fn free(&mut self, block: Block) {
        let Block {
            bytes,
            allocation,
            pages: (start, count),
        } = block;
        drop(bytes);
        if start < self.second_part.start as usize {
            self.first_part.free(allocation);
        } else {
            self.second_part.free(allocation);
        }
        self.taken.set(start, count, false);
        self.taken_count -= count;
        self.resident_free += count;
        if self.resident_free > self.retained_max {
            self.discard(start, count);
        }
    }

    /// Gives the memory of everything that is free back to the system.
    pub fn trim(&mut self) {
        let mut at = 0;
        while self.resident_free > 0 && at < self.pages {
            let is_idle = |page| self.resident.get(page) && !self.taken.get(page);
            let count = (at..self.pages).take_while(|page| is_idle(*page)).count();
            if count > 0 {
                self.discard(at, count);
            }
            at += count.max(1);
        }
    }

    /// As [`Self::trim`], and from now on what is freed is given back at once.
    pub fn retain_nothing(&mut self) {
        self.retained_max = 0;
        self.trim();
    }

    /// What it holds.
    pub fn usage(&self) -> ArenaUsage {
        ArenaUsage {
            limit: self.pages * PAGE,
            allocated: self.taken_count * PAGE,
            retained: self.resident_free * PAGE,
        }
    }

    /// The memory that it allocates from.
    pub fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    fn discard(&mut self, start: usize, count: usize) {
        if self
            .memory
            .discard((self.first + start) * PAGE, count * PAGE)
        {
            self.resident.set(start, count, false);
            self.resident_free -= count;
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Arena")
            .field("first", &self.first)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

/// One bit for each page.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Makes room for bits, all clear at first; none without memory.
    fn reserve(&mut self, count: usize) -> Option<()> {
        if self.0.is_empty() {
            let words = count.div_ceil(64);
            self.0.try_reserve_exact(words).ok()?;
            self.0.resize(words, 0);
        }
        Some(())
    }

    fn get(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// How many of these bits are set.
    fn count(&self, start: usize, count: usize) -> usize {
        Self::words(start, count)
            .map(|(at, mask)| (self.0.get(at).map_or(0, |word| word & mask)).count_ones() as usize)
            .sum()
    }

    fn set(&mut self, start: usize, count: usize, value: bool) {
        for (at, mask) in Self::words(start, count) {
            if let Some(word) = self.0.get_mut(at) {
                *word = if value { *word | mask } else { *word & !mask };
            }
        }
    }

    /// The words that hold these bits, each with its mask.
    fn words(start: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
        let end = start + count;
        (start / 64..end.div_ceil(64)).map(move |at| {
            let from = start.saturating_sub(at * 64);
            let to = (end - at * 64).min(64);
            (at, (u64::MAX << from) & (u64::MAX >> (64 - to)))
        })
    }
}
