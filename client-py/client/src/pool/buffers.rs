//! Buffers of a pool: their allocation, and the references of this process to them.

use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::memory::{PAGE, SharedBytes};

use super::error::PoolError;
use super::operations::{Allocated, touched_pages};
use super::shared::{POOL_LOCK_TIMEOUT, Pending, SharedPool};
use crate::memory;

/// How long a release waits for the lock of the tables. It can run in the collector.
const RELEASE_LOCK_TIMEOUT: Duration = Duration::from_millis(5);
/// From this size on an allocation is compared with the memory that is left: the system would end a
/// process instead of refusing memory to it.
const CHECKED_MIN: usize = 64 << 20;

/// A reference of this process to a buffer of a pool, dropped with it.
#[derive(Debug)]
pub struct PoolReference {
    pool: Arc<SharedPool>,
    node: usize,
    generation: u64,
    bytes: SharedBytes,
}

/// Fails if the system would have to end a process to provide so many bytes.
fn check_available(asked: usize) -> Result<(), PoolError> {
    if asked < CHECKED_MIN {
        return Ok(());
    }
    let asked = asked as u64;
    match memory::available() {
        Some(available) if available < asked => Err(PoolError::Unavailable { asked, available }),
        _ => Ok(()),
    }
}

impl SharedPool {
    /// Allocates `length` bytes. They are zero if `zero` is true.
    ///
    /// # Errors
    /// There is no room in the pool, the system has no memory, or the tables are locked for longer than
    /// `timeout`.
    pub fn allocate(
        self: &Arc<Self>,
        length: usize,
        zero: bool,
        timeout: Duration,
    ) -> Result<PoolReference, PoolError> {
        let allocated = self.locked(timeout, |tables| tables.allocate(length as u64))?;
        let Allocated {
            node,
            generation,
            offset,
            missing,
            is_stale,
        } = allocated;
        let reference = self.reference(node, generation, offset, length)?;
        if missing > 0 {
            let checked = check_available(missing.saturating_mul(PAGE));
            checked
                .and_then(|()| self.provide(offset, length))
                .inspect_err(|_| self.forget_pages(offset, length))?;
        }
        if zero && is_stale {
            reference.bytes.clear();
        }
        Ok(reference)
    }

    /// Has the system provide the pages of a range.
    fn provide(&self, offset: usize, length: usize) -> Result<(), PoolError> {
        let (first, count) = touched_pages(offset, length.max(1));
        let provided = self.memory.populate(first * PAGE, count * PAGE);
        provided.map_err(|source| PoolError::Memory {
            asked: length as u64,
            source,
        })
    }

    /// Notes that pages could not be provided. What stays noted is provided at the first access.
    fn forget_pages(&self, offset: usize, length: usize) {
        let (first, count) = touched_pages(offset, length.max(1));
        let _ = self.locked(POOL_LOCK_TIMEOUT, |tables| {
            Ok(tables.forget_pages(first, count)?)
        });
    }

    fn reference(
        self: &Arc<Self>,
        node: usize,
        generation: u64,
        offset: usize,
        length: usize,
    ) -> Result<PoolReference, PoolError> {
        let bytes = self
            .memory
            .bytes(offset, length)
            .ok_or(PoolError::Corrupt)?;
        Ok(PoolReference {
            pool: Arc::clone(self),
            node,
            generation,
            bytes,
        })
    }

    /// Refers to a buffer that another process has, by what [`PoolReference::key`] returned there.
    ///
    /// # Errors
    /// The buffer was released, or is shorter than `length`.
    pub fn attach(
        self: &Arc<Self>,
        (node, generation): (usize, u64),
        length: usize,
    ) -> Result<PoolReference, PoolError> {
        let offset = self.locked(POOL_LOCK_TIMEOUT, |tables| {
            let (offset, size) = tables.place(node).map_err(|_| PoolError::Stale)?;
            if length > size {
                return Err(PoolError::Stale);
            }
            tables.attach(node, generation)?;
            Ok(offset)
        })?;
        self.reference(node, generation, offset, length)
    }

    /// Has `count` buffers of `length` bytes exist, in use or not, so that one is allocated in constant
    /// time.
    ///
    /// # Errors
    /// There is no room in the pool, or the system has no memory.
    pub fn preallocate(&self, length: usize, count: u64) -> Result<(), PoolError> {
        let mut made = Vec::new();
        self.locked(POOL_LOCK_TIMEOUT, |tables| {
            tables.preallocate(length as u64, count, |offset, length| {
                made.try_reserve(1).map_err(|_| PoolError::Repair)?;
                made.push((offset, length));
                Ok(())
            })
        })?;
        let all = made.iter().map(|(_, length)| length).sum();
        let checked = check_available(all);
        let provided = checked.and_then(|()| {
            made.iter()
                .try_for_each(|(offset, length)| self.provide(*offset, *length))
        });
        provided.inspect_err(|_| {
            for (offset, length) in &made {
                self.forget_pages(*offset, *length);
            }
        })
    }
}

impl PoolReference {
    /// The bytes of the buffer.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// The pool.
    pub fn pool(&self) -> &Arc<SharedPool> {
        &self.pool
    }

    /// What [`SharedPool::attach`] of another process takes: valid while there is a reference.
    pub fn key(&self) -> (usize, u64) {
        (self.node, self.generation)
    }

    /// How many references there are to the buffer, over all processes that live.
    pub fn count(&self) -> Result<u64, PoolError> {
        self.pool.locked(POOL_LOCK_TIMEOUT, |tables| {
            tables.count(self.node, self.generation)
        })
    }

    /// Tries to begin a guard: one that writes excludes all others, one that reads those that write.
    ///
    /// # Errors
    /// [`PoolError::Guarded`] if a guard excludes it.
    pub fn guard(&self, is_writer: bool) -> Result<(), PoolError> {
        self.pool.locked(POOL_LOCK_TIMEOUT, |tables| {
            tables.guard(self.node, self.generation, is_writer)
        })
    }

    /// Ends a guard.
    pub fn unguard(&self, is_writer: bool) -> Result<(), PoolError> {
        self.pool.locked(POOL_LOCK_TIMEOUT, |tables| {
            tables.unguard(self.node, self.generation, is_writer)
        })
    }
}

impl Drop for PoolReference {
    fn drop(&mut self) {
        let (node, generation) = self.key();
        // A thread that has found the tables locked for long does not wait again.
        let timeout = match *self.pool.pending.load() {
            Some(_) => Duration::ZERO,
            None => RELEASE_LOCK_TIMEOUT,
        };
        let released = self
            .pool
            .locked(timeout, |tables| tables.release(node, generation));
        if matches!(released, Err(PoolError::Busy)) {
            // The next who locks the tables in this process releases it.
            self.pool.pending.rcu(|next| {
                Some(Arc::new(Pending {
                    node,
                    generation,
                    next: next.clone(),
                }))
            });
        }
    }
}
