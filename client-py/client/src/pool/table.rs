//! The control file of a pool: its words, and where each table lies. Only processes of the same user map
//! it, never a host.
//!
//! What counts is the state of each node and of each reference; all links between them, the free lists
//! and the counters can be rebuilt from that. A state is one word, which is written last when something
//! begins to count and first when it ceases to, so that a process can be killed between any two writes.
//! While a process changes the tables, [`DIRTY`] is set: a process that finds it set rebuilds.

use std::sync::Arc;

use hostd_protocol::memory::{PAGE, SharedMemory};

use super::error::{Damaged, PoolError};

/// Bytes of a unit: every buffer begins at a multiple of it.
pub(crate) const UNIT: usize = 64;
/// The largest pool, in bytes.
pub const POOL_BYTES_MAX: u64 = 16 << 40;
/// The most processes that have a pool open at a time.
pub(crate) const PROCESSES: usize = 1024;
/// The most sizes of which buffers are preallocated.
pub(crate) const CLASSES: usize = 64;
/// Free ranges are listed by size: eight lists for each power of two.
pub(crate) const BINS: usize = 320;

const NODES_MAX: usize = 1 << 20;
const RECORDS_MAX: usize = 1 << 20;
const WORD: usize = size_of::<u64>();

/// The first word: the layout below.
const LAYOUT: u64 = 0x706f_6f6c_0000_0001;

/// A word of the header.
pub(crate) mod header {
    pub(crate) const LAYOUT: usize = 0;
    pub(crate) const ID: usize = 1;
    pub(crate) const SIZE: usize = 3;
    /// Not 0 while a process changes the tables.
    pub(crate) const DIRTY: usize = 4;
    /// How many nodes and records were ever used, and the first of each that is free again.
    pub(crate) const NODES_TOUCHED: usize = 5;
    pub(crate) const NODES_FREE: usize = 6;
    pub(crate) const RECORDS_TOUCHED: usize = 7;
    pub(crate) const RECORDS_FREE: usize = 8;
    pub(crate) const GENERATION: usize = 9;
    /// Units of buffers, units of what is preallocated and idle, and how many buffers there are.
    pub(crate) const USED: usize = 10;
    pub(crate) const IDLE: usize = 11;
    pub(crate) const BUFFERS: usize = 12;
    /// Pages that take up memory.
    pub(crate) const RESIDENT: usize = 13;
    /// Buffers that were reclaimed from processes that had ended.
    pub(crate) const RECLAIMED: usize = 14;
    /// Who has locked the tables, and how often they were locked: see `lock`.
    pub(crate) const LOCK: usize = 15;
    pub(crate) const WORDS: usize = 16;
}

/// A word of a process: `PID` is 0 if the entry is free.
pub(crate) mod process {
    pub(crate) const PID: usize = 0;
    pub(crate) const WORDS: usize = 1;
}

/// A word of a size of which buffers are preallocated: its units, 0 if the entry is free; the first idle
/// node; how many nodes there are in all.
pub(crate) mod class {
    pub(crate) const UNITS: usize = 0;
    pub(crate) const HEAD: usize = 1;
    pub(crate) const TOTAL: usize = 2;
    pub(crate) const WORDS: usize = 3;
}

/// A word of a node: a range of the data file. Links hold the number of a node plus one, or 0.
pub(crate) mod node {
    pub(crate) const STATE: usize = 0;
    pub(crate) const OFFSET: usize = 1;
    pub(crate) const UNITS: usize = 2;
    pub(crate) const GENERATION: usize = 3;
    /// The ranges before and behind it.
    pub(crate) const BEFORE: usize = 4;
    pub(crate) const BEHIND: usize = 5;
    /// Its neighbours in a list of free ranges, idle nodes, or free nodes.
    pub(crate) const PREVIOUS: usize = 6;
    pub(crate) const NEXT: usize = 7;
    /// The first of its references.
    pub(crate) const RECORD: usize = 8;
    /// The size of which it was preallocated, plus one.
    pub(crate) const CLASS: usize = 9;
    pub(crate) const WORDS: usize = 10;
}

/// What a node is. Only `USED` and `IDLE` survive a rebuild.
pub(crate) mod state {
    /// Describes nothing.
    pub(crate) const NONE: u64 = 0;
    pub(crate) const FREE: u64 = 1;
    /// A buffer, which has references.
    pub(crate) const USED: u64 = 2;
    /// Preallocated, without references.
    pub(crate) const IDLE: u64 = 3;
}

/// A word of a record: the references of one process to one node.
pub(crate) mod record {
    /// 1 if it counts.
    pub(crate) const STATE: usize = 0;
    pub(crate) const NODE: usize = 1;
    pub(crate) const PROCESS: usize = 2;
    pub(crate) const COUNT: usize = 3;
    /// How many guards read, and [`WRITER`] if one writes.
    pub(crate) const GUARDS: usize = 4;
    pub(crate) const NEXT: usize = 5;
    pub(crate) const WORDS: usize = 6;

    pub(crate) const WRITER: u64 = 1 << 63;
}

/// Where the tables lie, in words.
#[derive(Clone, Copy, Debug)]
struct Places {
    nodes_max: usize,
    records_max: usize,
    /// Pages of the data file.
    pages: usize,
    processes: usize,
    classes: usize,
    bins: usize,
    nodes: usize,
    records: usize,
    resident: usize,
    end: usize,
}

/// Words of the bitmap of non-empty bins.
pub(crate) const BIN_WORDS: usize = BINS / 64;

impl Places {
    fn of(size: u64) -> Option<Self> {
        if size == 0 || size > POOL_BYTES_MAX {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        let nodes_max = size.div_ceil(UNIT).min(NODES_MAX);
        let records_max = (nodes_max * 4).clamp(1024, RECORDS_MAX);
        let pages = size.div_ceil(PAGE);
        let processes = header::WORDS;
        let classes = processes + PROCESSES * process::WORDS;
        let bins = classes + CLASSES * class::WORDS;
        let nodes = bins + BIN_WORDS + BINS;
        let records = nodes + nodes_max * node::WORDS;
        let resident = records + records_max * record::WORDS;
        Some(Self {
            nodes_max,
            records_max,
            pages,
            processes,
            classes,
            bins,
            nodes,
            records,
            resident,
            end: resident + pages.div_ceil(64),
        })
    }
}

/// The words of a control file. All but the identity in the header is read and written under its lock.
#[derive(Debug)]
pub(crate) struct Table {
    memory: Arc<SharedMemory>,
    places: Places,
    /// How many more writes take effect: the process is killed after the last.
    #[cfg(test)]
    pub(crate) writes_left: std::sync::atomic::AtomicU64,
}

impl Table {
    /// The bytes of the control file of a pool of this size; none if no pool can have it.
    pub(crate) fn bytes(size: u64) -> Option<usize> {
        Some((Places::of(size)?.end * WORD).next_multiple_of(PAGE))
    }

    /// The tables of a control file that was made a moment ago, for a pool of this size in bytes.
    pub(crate) fn create(
        memory: Arc<SharedMemory>,
        size: u64,
        id: [u64; 2],
    ) -> Result<Self, PoolError> {
        let table = Self::of(memory, size)?;
        table.set(header::ID, id[0])?;
        table.set(header::ID + 1, id[1])?;
        table.set(header::SIZE, size)?;
        table.set(header::LAYOUT, LAYOUT)?;
        Ok(table)
    }

    /// The tables of a control file of another process; none if it is not that of the pool with this id.
    pub(crate) fn open(memory: Arc<SharedMemory>, id: [u64; 2]) -> Option<Self> {
        let word = |at: usize| memory.word(at * WORD);
        let is_it = word(header::LAYOUT) == Some(LAYOUT)
            && word(header::ID) == Some(id[0])
            && word(header::ID + 1) == Some(id[1]);
        let size = word(header::SIZE).filter(|_| is_it)?;
        let fits = Self::bytes(size) == Some(memory.len());
        Self::of(memory, size).ok().filter(|_| fits)
    }

    fn of(memory: Arc<SharedMemory>, size: u64) -> Result<Self, PoolError> {
        Ok(Self {
            memory,
            places: Places::of(size).ok_or(Damaged)?,
            #[cfg(test)]
            writes_left: std::sync::atomic::AtomicU64::new(u64::MAX),
        })
    }

    #[inline]
    pub(crate) fn get(&self, word: usize) -> Result<u64, Damaged> {
        self.memory.word(word * WORD).ok_or(Damaged)
    }

    #[inline]
    pub(crate) fn set(&self, word: usize, value: u64) -> Result<(), Damaged> {
        #[cfg(test)]
        {
            use std::sync::atomic::Ordering::Relaxed;
            let left = self.writes_left.load(Relaxed);
            if left == 0 {
                return Err(Damaged);
            }
            self.writes_left.store(left - 1, Relaxed);
        }
        if self.memory.set_word(word * WORD, value) {
            Ok(())
        } else {
            Err(Damaged)
        }
    }

    /// Writes a word if it is still `old`; whether it was.
    #[inline]
    pub(crate) fn exchange(&self, word: usize, old: u64, new: u64) -> bool {
        self.memory.exchange_word(word * WORD, old, new)
    }

    pub(crate) fn add(&self, word: usize, amount: u64) -> Result<(), Damaged> {
        self.set(word, self.get(word)?.wrapping_add(amount))
    }

    pub(crate) fn subtract(&self, word: usize, amount: u64) -> Result<(), Damaged> {
        self.set(word, self.get(word)?.saturating_sub(amount))
    }

    /// The number that a word holds plus one; none for 0.
    pub(crate) fn link(&self, word: usize) -> Result<Option<usize>, Damaged> {
        let link = usize::try_from(self.get(word)?).map_err(|_| Damaged)?;
        Ok(link.checked_sub(1))
    }

    pub(crate) fn set_link(&self, word: usize, to: Option<usize>) -> Result<(), Damaged> {
        self.set(word, to.map_or(0, |number| number as u64 + 1))
    }

    /// A word of a node.
    pub(crate) fn node(&self, number: usize, field: usize) -> Result<usize, Damaged> {
        let places = &self.places;
        if number >= places.nodes_max {
            return Err(Damaged);
        }
        Ok(places.nodes + number * node::WORDS + field)
    }

    /// A word of a record.
    pub(crate) fn record(&self, number: usize, field: usize) -> Result<usize, Damaged> {
        let places = &self.places;
        if number >= places.records_max {
            return Err(Damaged);
        }
        Ok(places.records + number * record::WORDS + field)
    }

    /// A word of a process.
    pub(crate) fn process(&self, number: usize) -> Result<usize, Damaged> {
        if number >= PROCESSES {
            return Err(Damaged);
        }
        Ok(self.places.processes + number * process::WORDS + process::PID)
    }

    /// A word of a size of which buffers are preallocated.
    pub(crate) fn class(&self, number: usize, field: usize) -> Result<usize, Damaged> {
        if number >= CLASSES {
            return Err(Damaged);
        }
        Ok(self.places.classes + number * class::WORDS + field)
    }

    /// A word of the bitmap of non-empty bins.
    pub(crate) fn bin_word(&self, number: usize) -> usize {
        self.places.bins + number
    }

    /// The first node of a bin.
    pub(crate) fn bin(&self, number: usize) -> Result<usize, Damaged> {
        if number >= BINS {
            return Err(Damaged);
        }
        Ok(self.places.bins + BIN_WORDS + number)
    }

    /// A word of the bitmap of resident pages.
    pub(crate) fn resident(&self, number: usize) -> Result<usize, Damaged> {
        if number >= self.places.pages.div_ceil(64) {
            return Err(Damaged);
        }
        Ok(self.places.resident + number)
    }

    pub(crate) fn nodes_max(&self) -> usize {
        self.places.nodes_max
    }

    pub(crate) fn records_max(&self) -> usize {
        self.places.records_max
    }

    pub(crate) fn pages(&self) -> usize {
        self.places.pages
    }

    /// The size of the pool in bytes, which does not change.
    pub(crate) fn size(&self) -> Result<u64, Damaged> {
        self.get(header::SIZE)
    }
}
