//! What is done to the tables of a pool while they are locked.

use std::os::fd::OwnedFd;

use hostd_protocol::memory::{PAGE, SharedMemory};

use super::error::{Damaged, PoolError};
use super::table::{CLASSES, PROCESSES, Table, UNIT, class, header, node, state};
use super::{lock, pages, ranges, references};

/// Free memory that the system is not given back at once, in bytes: providing a page again costs ten
/// times as much as copying into it.
const RETAINED_MAX: u64 = 256 << 20;
const UNIT_BYTES: u64 = UNIT as u64;
const PAGE_BYTES: u64 = PAGE as u64;

/// The locked tables of a pool.
pub(crate) struct Tables<'a> {
    pub(crate) table: &'a Table,
    pub(crate) data: &'a SharedMemory,
    pub(crate) control: &'a OwnedFd,
    /// The entry of this process.
    pub(crate) process: usize,
}

/// A buffer that was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocated {
    pub(crate) node: usize,
    pub(crate) generation: u64,
    /// In bytes.
    pub(crate) offset: usize,
    /// Pages that were not resident, and whether one of the others was.
    pub(crate) missing: usize,
    pub(crate) is_stale: bool,
}

/// What a pool holds, in bytes but for the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub struct PoolStats {
    pub size: u64,
    /// Bytes of buffers, with what they are rounded up by.
    pub used: u64,
    pub free: u64,
    /// The largest free range.
    pub largest_free: u64,
    /// Bytes that are preallocated and not in use.
    pub preallocated: u64,
    /// Memory that the pool takes up.
    pub resident: u64,
    /// How many buffers there are.
    pub buffers: u64,
    /// How many processes have the pool open.
    pub processes: u64,
    /// How many buffers were reclaimed from processes that had ended.
    pub reclaimed: u64,
}

/// The pages that a range touches: the first, and how many.
pub(crate) fn touched_pages(offset: usize, length: usize) -> (usize, usize) {
    let first = offset / PAGE;
    (first, (offset + length).div_ceil(PAGE) - first)
}

fn bytes(units: u64) -> Result<usize, Damaged> {
    let bytes = units.checked_mul(UNIT_BYTES).ok_or(Damaged)?;
    usize::try_from(bytes).map_err(|_| Damaged)
}

/// The units of so many bytes, one at least.
pub(crate) fn units_of(length: u64) -> u64 {
    length.div_ceil(UNIT_BYTES).max(1)
}

impl Tables<'_> {
    /// Makes all tables anew from what counts, after a process was killed while it changed them.
    pub(crate) fn rebuild(&self) -> Result<(), PoolError> {
        let size = self.table.size()?;
        references::rebuild(self.table)?;
        ranges::rebuild(self.table, size / UNIT_BYTES)?;
        Ok(pages::rebuild(self.table)?)
    }

    /// Allocates a buffer. Its pages count as resident from now on; the caller provides them.
    pub(crate) fn allocate(&self, length: u64) -> Result<Allocated, PoolError> {
        let units = units_of(length);
        let mut found = self.take(units)?;
        if found.is_none() && self.reclaim()? {
            found = self.take(units)?;
        }
        let Some(number) = found else {
            return Err(self.full(length)?);
        };
        let table = self.table;
        let generation = table.get(header::GENERATION)?.wrapping_add(1);
        table.set(header::GENERATION, generation)?;
        table.set(table.node(number, node::GENERATION)?, generation)?;
        if let Err(error) = references::add(table, number, self.process, 1) {
            self.give_back(number)?;
            return Err(error);
        }
        table.set(table.node(number, node::STATE)?, state::USED)?;
        table.add(header::USED, units)?;
        table.add(header::BUFFERS, 1)?;
        let offset = bytes(table.get(table.node(number, node::OFFSET)?)?)?;
        let (first, count) = touched_pages(offset, bytes(units)?);
        let known = pages::count(table, first, count)?;
        pages::set(table, first, count, true)?;
        Ok(Allocated {
            node: number,
            generation,
            offset,
            missing: count - known,
            is_stale: known > 0,
        })
    }

    /// A node of this size, preallocated or from a free range.
    fn take(&self, units: u64) -> Result<Option<usize>, PoolError> {
        if let Some(class) = self.class(units)? {
            let head = self.table.class(class, class::HEAD)?;
            if let Some(number) = ranges::pop(self.table, head)? {
                self.table.subtract(header::IDLE, units)?;
                return Ok(Some(number));
            }
        }
        ranges::allocate(self.table, units)
    }

    /// Takes back a node without references.
    fn give_back(&self, number: usize) -> Result<(), Damaged> {
        let table = self.table;
        let units = table.get(table.node(number, node::UNITS)?)?;
        if let Some(class) = table.link(table.node(number, node::CLASS)?)? {
            table.set(table.node(number, node::STATE)?, state::IDLE)?;
            ranges::push(table, table.class(class, class::HEAD)?, number)?;
            return table.add(header::IDLE, units);
        }
        let (offset, units) = ranges::free(table, number)?;
        let resident = table.get(header::RESIDENT)?.saturating_mul(PAGE_BYTES);
        let taken = table
            .get(header::USED)?
            .saturating_add(table.get(header::IDLE)?);
        if resident.saturating_sub(taken.saturating_mul(UNIT_BYTES)) > RETAINED_MAX {
            self.discard(offset, units)?;
        }
        Ok(())
    }

    /// Takes back a buffer without references.
    fn retire(&self, number: usize) -> Result<(), Damaged> {
        let table = self.table;
        let units = table.get(table.node(number, node::UNITS)?)?;
        table.subtract(header::USED, units)?;
        table.subtract(header::BUFFERS, 1)?;
        self.give_back(number)
    }

    /// Gives the whole pages of a free range back to the system.
    fn discard(&self, offset: u64, units: u64) -> Result<(), Damaged> {
        let start = bytes(offset)?.div_ceil(PAGE);
        let end = bytes(offset.saturating_add(units))? / PAGE;
        if start >= end {
            return Ok(());
        }
        let count = end - start;
        if pages::count(self.table, start, count)? == 0 {
            return Ok(());
        }
        if self.data.discard(start * PAGE, count * PAGE) {
            pages::set(self.table, start, count, false)?;
        }
        Ok(())
    }

    /// Adds a reference of this process to a buffer of another one.
    pub(crate) fn attach(&self, number: usize, generation: u64) -> Result<(), PoolError> {
        self.check(number, generation)?;
        references::add(self.table, number, self.process, 1)
    }

    fn check(&self, number: usize, generation: u64) -> Result<(), PoolError> {
        if references::is_current(self.table, number, generation)? {
            Ok(())
        } else {
            Err(PoolError::Stale)
        }
    }

    /// Drops a reference of this process.
    pub(crate) fn release(&self, number: usize, generation: u64) -> Result<(), PoolError> {
        let is_current = references::is_current(self.table, number, generation)?;
        if is_current && references::drop_one(self.table, number, self.process)? {
            self.retire(number)?;
        }
        Ok(())
    }

    /// Where a buffer lies, in bytes, and how many bytes it was rounded up to.
    pub(crate) fn place(&self, number: usize) -> Result<(usize, usize), Damaged> {
        let offset = self.table.get(self.table.node(number, node::OFFSET)?)?;
        let units = self.table.get(self.table.node(number, node::UNITS)?)?;
        Ok((bytes(offset)?, bytes(units)?))
    }

    /// How many references a buffer has, over all processes that live.
    pub(crate) fn count(&self, number: usize, generation: u64) -> Result<u64, PoolError> {
        self.reclaim()?;
        self.check(number, generation)?;
        Ok(references::count(self.table, number)?)
    }

    /// Begins a guard of this process.
    pub(crate) fn guard(
        &self,
        number: usize,
        generation: u64,
        is_writer: bool,
    ) -> Result<(), PoolError> {
        self.check(number, generation)?;
        let mut found = references::conflict(self.table, number, is_writer)?;
        if found.is_some() && self.reclaim()? {
            found = references::conflict(self.table, number, is_writer)?;
        }
        if let Some((process, is_writer)) = found {
            let pid = self.table.get(self.table.process(process)?)?;
            let pid = u32::try_from(pid).map_err(|_| Damaged)?;
            return Err(PoolError::Guarded { pid, is_writer });
        }
        if references::guard(self.table, number, self.process, is_writer)? {
            Ok(())
        } else {
            Err(PoolError::Stale)
        }
    }

    /// Ends a guard of this process.
    pub(crate) fn unguard(
        &self,
        number: usize,
        generation: u64,
        is_writer: bool,
    ) -> Result<(), PoolError> {
        if references::is_current(self.table, number, generation)? {
            references::unguard(self.table, number, self.process, is_writer)?;
        }
        Ok(())
    }

    /// Registers another process, whose opened file is `own`, and returns its entry.
    pub(crate) fn register(&self, own: &OwnedFd, pid: u32) -> Result<usize, PoolError> {
        for is_last_try in [false, true] {
            for process in 0..PROCESSES {
                let word = self.table.process(process)?;
                if self.table.get(word)? == 0 && lock::begin_life(own, process)? {
                    self.table.set(word, u64::from(pid))?;
                    return Ok(process);
                }
            }
            if !is_last_try {
                self.reclaim()?;
            }
        }
        Err(PoolError::TooMany {
            what: "processes",
            max: PROCESSES as u64,
        })
    }

    /// Sets the number of a process that was registered before it existed.
    pub(crate) fn set_pid(&self, process: usize, pid: u32) -> Result<(), Damaged> {
        self.table.set(self.table.process(process)?, u64::from(pid))
    }

    /// Gives another process as many references as this one has.
    pub(crate) fn copy_references(&self, to: usize) -> Result<(), PoolError> {
        references::copy(self.table, self.process, to)
    }

    /// Begins with the entry of this process, which it alone shows to live.
    pub(crate) fn enter(&self, pid: u32) -> Result<(), PoolError> {
        // A dead process may have had it.
        let reclaimed = self.remove(self.process)?;
        self.table.add(header::RECLAIMED, reclaimed)?;
        Ok(self.set_pid(self.process, pid)?)
    }

    /// Drops all references of this process and its entry.
    pub(crate) fn leave(&self) -> Result<(), PoolError> {
        self.remove(self.process)?;
        Ok(())
    }

    fn remove(&self, process: usize) -> Result<u64, PoolError> {
        let mut reclaimed = 0;
        references::drop_all(self.table, process, |number| {
            reclaimed += 1;
            self.retire(number)
        })?;
        self.table.set(self.table.process(process)?, 0)?;
        Ok(reclaimed)
    }

    /// Reclaims what processes that have ended refer to. Returns whether there was any.
    pub(crate) fn reclaim(&self) -> Result<bool, PoolError> {
        let mut found = false;
        for process in 0..PROCESSES {
            if process == self.process || self.table.get(self.table.process(process)?)? == 0 {
                continue;
            }
            if !lock::is_alive(self.control, process)? {
                let reclaimed = self.remove(process)?;
                self.table.add(header::RECLAIMED, reclaimed)?;
                found = true;
            }
        }
        Ok(found)
    }

    /// The entry of a size of which buffers are preallocated.
    fn class(&self, units: u64) -> Result<Option<usize>, Damaged> {
        for class in 0..CLASSES {
            let known = self.table.get(self.table.class(class, class::UNITS)?)?;
            if known == units {
                return Ok(Some(class));
            }
            if known == 0 {
                break;
            }
        }
        Ok(None)
    }

    /// The entry of a size, which is made if there is none.
    fn class_for(&self, units: u64) -> Result<usize, PoolError> {
        if let Some(class) = self.class(units)? {
            return Ok(class);
        }
        for class in 0..CLASSES {
            let word = self.table.class(class, class::UNITS)?;
            let total = self.table.get(self.table.class(class, class::TOTAL)?)?;
            if self.table.get(word)? == 0 || total == 0 {
                self.table.set(word, units)?;
                return Ok(class);
            }
        }
        Err(PoolError::TooMany {
            what: "sizes of preallocated buffers",
            max: CLASSES as u64,
        })
    }

    /// Has `count` buffers of a size exist, in use or not. Calls `made` with offset and length of each
    /// that is allocated, in bytes.
    ///
    /// # Errors
    /// There is no room: then nothing is allocated.
    pub(crate) fn preallocate(
        &self,
        length: u64,
        count: u64,
        mut made: impl FnMut(usize, usize) -> Result<(), PoolError>,
    ) -> Result<(), PoolError> {
        let table = self.table;
        let units = units_of(length);
        let room = table.size()? / UNIT_BYTES;
        if units.checked_mul(count).is_none_or(|all| all > room) {
            return Err(self.full(length.saturating_mul(count))?);
        }
        let class = self.class_for(units)?;
        let total = table.class(class, class::TOTAL)?;
        let missing = count.saturating_sub(table.get(total)?);
        for done in 0..missing {
            let mut found = ranges::allocate(table, units);
            if matches!(found, Ok(None)) && self.reclaim()? {
                found = ranges::allocate(table, units);
            }
            let number = match found {
                Ok(Some(number)) => number,
                failed => {
                    let error = self.full(length.saturating_mul(missing - done))?;
                    self.free_idle(class, done)?;
                    return Err(failed.err().unwrap_or(error));
                }
            };
            table.set_link(table.node(number, node::CLASS)?, Some(class))?;
            table.set(table.node(number, node::STATE)?, state::IDLE)?;
            ranges::push(table, table.class(class, class::HEAD)?, number)?;
            table.add(total, 1)?;
            table.add(header::IDLE, units)?;
            let (offset, size) = self.place(number)?;
            let (first, pages) = touched_pages(offset, size);
            pages::set(table, first, pages, true)?;
            if let Err(error) = made(offset, size) {
                self.free_idle(class, done + 1)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Frees up to `count` idle nodes of a size.
    fn free_idle(&self, class: usize, count: u64) -> Result<(), Damaged> {
        let table = self.table;
        for _ in 0..count.min(table.nodes_max() as u64) {
            let head = table.class(class, class::HEAD)?;
            let Some(number) = ranges::pop(table, head)? else {
                break;
            };
            let units = table.get(table.node(number, node::UNITS)?)?;
            table.subtract(header::IDLE, units)?;
            table.subtract(table.class(class, class::TOTAL)?, 1)?;
            ranges::free(table, number)?;
        }
        Ok(())
    }

    /// Frees what is preallocated and idle, and gives all free memory back to the system.
    pub(crate) fn trim(&self) -> Result<(), PoolError> {
        self.reclaim()?;
        for class in 0..CLASSES {
            self.free_idle(class, u64::MAX)?;
        }
        Ok(ranges::each_free(self.table, |offset, units| {
            self.discard(offset, units)
        })?)
    }

    /// Notes that pages could not be provided.
    pub(crate) fn forget_pages(&self, first: usize, count: usize) -> Result<(), Damaged> {
        pages::set(self.table, first, count, false)
    }

    pub(crate) fn stats(&self) -> Result<PoolStats, PoolError> {
        self.reclaim()?;
        let word = |at| self.table.get(at);
        let in_bytes = |at| Ok::<_, Damaged>(word(at)?.saturating_mul(UNIT_BYTES));
        let size = self.table.size()?;
        let used = in_bytes(header::USED)?;
        let preallocated = in_bytes(header::IDLE)?;
        let mut processes = 0;
        for process in 0..PROCESSES {
            processes += u64::from(word(self.table.process(process)?)? != 0);
        }
        Ok(PoolStats {
            size,
            used,
            free: size.saturating_sub(used).saturating_sub(preallocated),
            largest_free: ranges::largest(self.table)?.saturating_mul(UNIT_BYTES),
            preallocated,
            resident: word(header::RESIDENT)?.saturating_mul(PAGE_BYTES),
            buffers: word(header::BUFFERS)?,
            processes,
            reclaimed: word(header::RECLAIMED)?,
        })
    }

    fn full(&self, asked: u64) -> Result<PoolError, PoolError> {
        let stats = self.stats()?;
        Ok(PoolError::Full {
            asked,
            size: stats.size,
            used: stats.used,
            idle: stats.preallocated,
            largest: stats.largest_free,
        })
    }
}
