//! A pool of buffers that processes of one user share: two memory files, one with the data and one with
//! the tables, and this process' part in it.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Tables` is not general over its lifetime, as a closure is"
)]

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use hostd_protocol::memory::{PAGE, SharedBytes, SharedMemory};

use super::address::{Files, PoolAddress};
use super::error::PoolError;
use super::lock::{self, Locker, TablesLock};
use super::names::{self, PublishedName};
use super::operations::{Allocated, PoolStats, Tables, touched_pages};
use super::ranges;
use super::table::{POOL_BYTES_MAX, Table, UNIT, header};
use crate::instance;
use crate::memory;
use crate::scratch::random;

/// How long an operation waits for the lock of the tables, which is held for microseconds.
pub const POOL_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the drop of a pool waits for it.
const LEAVE_LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a release waits for it, which can run in the collector.
const RELEASE_LOCK_TIMEOUT: Duration = Duration::from_millis(5);
/// How long a fork waits for it.
const FORK_LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// From this size on an allocation is compared with the memory that is left: the system would end a
/// process instead of refusing memory to it.
const CHECKED_MIN: usize = 64 << 20;

/// The pools of this process, so that each is opened once. Without a lock, which a thread could hold
/// while another one forks.
static POOLS: ArcSwapOption<Vec<Weak<SharedPool>>> = ArcSwapOption::const_empty();

/// A pool of buffers, as this process has it open.
#[derive(Debug)]
pub struct SharedPool {
    id: [u64; 2],
    size: u64,
    memory: Arc<SharedMemory>,
    data: OwnedFd,
    table: Table,
    /// Replaced in a forked child, which needs locks of its own.
    control: ArcSwap<OwnedFd>,
    member: Member,
    /// Buffers that were released while the tables were locked.
    pending: ArcSwapOption<Pending>,
    /// What a fork that is under way has prepared for its child.
    prepared: ArcSwapOption<Prepared>,
    name: ArcSwapOption<PublishedName>,
}

/// The process that uses a pool, and its entry in the tables, in one word.
#[derive(Debug, Default)]
struct Member(AtomicU64);

impl Member {
    fn set(&self, entry: usize) {
        let word = (entry as u64) << 32 | u64::from(process::id());
        self.0.store(word, Ordering::Release);
    }

    /// The entry of this process.
    fn entry(&self) -> Result<usize, PoolError> {
        let word = self.0.load(Ordering::Acquire);
        if word & u64::from(u32::MAX) == u64::from(process::id()) {
            usize::try_from(word >> 32).map_err(|_| PoolError::Corrupt)
        } else {
            Err(PoolError::Forked)
        }
    }
}

#[derive(Debug)]
struct Pending {
    node: usize,
    generation: u64,
    next: Option<Arc<Pending>>,
}

/// The control file as a forked child is to use it, and the child's entry.
#[derive(Debug)]
struct Prepared {
    control: Arc<OwnedFd>,
    entry: usize,
}

/// A reference of this process to a buffer of a pool, dropped with it.
#[derive(Debug)]
pub struct PoolReference {
    pool: Arc<SharedPool>,
    node: usize,
    generation: u64,
    bytes: SharedBytes,
}

/// The pools of this process that are in use.
fn pools() -> Vec<Arc<SharedPool>> {
    let pools = POOLS.load();
    let known = pools.iter().flat_map(|pools| pools.iter());
    known.filter_map(Weak::upgrade).collect()
}

fn known(id: [u64; 2]) -> Option<Arc<SharedPool>> {
    // A pool that a process without an entry has inherited is of no use.
    pools()
        .into_iter()
        .find(|pool| pool.id == id && pool.member.entry().is_ok())
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
    /// Makes a pool of `size` bytes at least, and gives it a name if there is one.
    ///
    /// # Errors
    /// The system refuses, or the name is not allowed or taken.
    pub fn create(size: u64, name: Option<&str>) -> Result<Arc<Self>, PoolError> {
        let bad_size = || PoolError::BadSize {
            size,
            max: POOL_BYTES_MAX,
        };
        let rounded = size.checked_next_multiple_of(PAGE as u64);
        let rounded = rounded.ok_or_else(bad_size)?;
        let tables = Table::bytes(rounded).ok_or_else(bad_size)?;
        let length = usize::try_from(rounded).map_err(|_| bad_size())?;
        let size = rounded;
        let (memory, data) =
            SharedMemory::create("napi_python-pool", length).map_err(PoolError::Create)?;
        let (mapped, control) =
            SharedMemory::create("napi_python-pool-tables", tables).map_err(PoolError::Create)?;
        let id = [random(), random()];
        let table = Table::create(mapped, size, id)?;
        ranges::begin(&table, size / UNIT as u64)?;
        let files = Files {
            control,
            data,
            memory,
            table,
        };
        let pool = Self::join(files, id)?;
        if let Some(name) = name {
            let published = PublishedName::publish(name, pool.address())?;
            pool.name.store(Some(Arc::new(published)));
        }
        Ok(pool)
    }

    /// Opens the pool with a name, of this process or another one of this user.
    ///
    /// # Errors
    /// There is none, or the process that made it has ended or closed it.
    pub fn open_named(name: &str) -> Result<Arc<Self>, PoolError> {
        let address = names::look_up(name)?;
        Self::open(&address).map_err(|error| match error {
            PoolError::Gone { pid } => PoolError::Abandoned {
                name: name.to_owned(),
                pid,
            },
            error => error,
        })
    }

    /// Opens the pool at an address.
    ///
    /// # Errors
    /// The process of the address has ended, has closed the pool, or runs as another user.
    pub fn open(address: &PoolAddress) -> Result<Arc<Self>, PoolError> {
        match known(address.id) {
            Some(pool) => Ok(pool),
            None => Self::join(address.open()?, address.id),
        }
    }

    /// Registers this process in the tables of a pool.
    fn join(files: Files, id: [u64; 2]) -> Result<Arc<Self>, PoolError> {
        let Files {
            control,
            data,
            memory,
            table,
        } = files;
        let pool = Self {
            id,
            size: table.size()?,
            memory,
            data,
            table,
            control: ArcSwap::from_pointee(control),
            // No process has this entry.
            member: Member::default(),
            pending: ArcSwapOption::empty(),
            prepared: ArcSwapOption::empty(),
            name: ArcSwapOption::empty(),
        };
        let entry = lock::begin_any_life(&pool.control.load())?;
        let locker = Locker {
            entry,
            is_new: true,
        };
        pool.with_tables(POOL_LOCK_TIMEOUT, locker, |tables| {
            tables.enter(process::id())
        })?;
        pool.member.set(entry);
        let pool = Arc::new(pool);
        POOLS.rcu(|known| {
            let known = known.iter().flat_map(|pools| pools.iter());
            let used = known.filter(|known| known.strong_count() > 0).cloned();
            Some(Arc::new(
                used.chain([Arc::downgrade(&pool)]).collect::<Vec<_>>(),
            ))
        });
        Ok(pool)
    }

    /// Locks the tables, repairs them if a process was killed while it changed them, and calls `body`.
    fn with_tables<R>(
        &self,
        timeout: Duration,
        locker: Locker,
        body: impl FnOnce(&Tables<'_>) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        let control = self.control.load_full();
        let _lock = TablesLock::acquire(&self.table, &control, locker, timeout)?;
        let tables = Tables {
            table: &self.table,
            data: &self.memory,
            control: &control,
            process: locker.entry,
        };
        if self.table.get(header::DIRTY)? != 0 {
            tables.rebuild()?;
        }
        self.table.set(header::DIRTY, 1)?;
        let mut pending = self.pending.swap(None);
        while let Some(released) = pending.take() {
            tables.release(released.node, released.generation)?;
            pending.clone_from(&released.next);
        }
        let done = body(&tables);
        if !matches!(done, Err(PoolError::Corrupt)) {
            self.table.set(header::DIRTY, 0)?;
        }
        done
    }

    fn locked<R>(
        &self,
        timeout: Duration,
        body: impl FnOnce(&Tables<'_>) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        let locker = Locker {
            entry: self.member.entry()?,
            is_new: false,
        };
        self.with_tables(timeout, locker, body)
    }

    /// Where other processes find the pool, while this one has it open.
    pub fn address(&self) -> PoolAddress {
        PoolAddress::of(process::id(), &self.control.load(), &self.data, self.id)
    }

    /// The pool of this process that has these bytes, and where they begin in it.
    pub fn at(address: usize, length: usize) -> Option<(Arc<Self>, usize)> {
        let pools = POOLS.load();
        let mut open = pools.iter().flat_map(|pools| pools.iter());
        open.find_map(|pool| {
            let pool = pool.upgrade()?;
            let offset = pool.memory.offset_of(address)?;
            let end = offset.checked_add(length)?;
            (end <= pool.memory.len()).then_some((pool, offset))
        })
    }

    /// The random id of the pool.
    pub fn id(&self) -> [u64; 2] {
        self.id
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The name that this process has given to it.
    pub fn name(&self) -> Option<String> {
        let name = self.name.load();
        name.as_ref().map(|name| name.name().to_owned())
    }

    /// The memory of its buffers.
    pub fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    /// The file of that memory: sealed against a change of its size, without anything but buffers in it.
    pub fn data_file(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// Gives up the name that this process has given to it.
    pub fn remove_name(&self) {
        let name = self.name.swap(None);
        // A forked child has a copy of what belongs to its parent.
        if let Some(name) = name.filter(|name| name.is_own()) {
            name.remove();
        }
    }

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

    /// Frees what is preallocated and not in use, and gives free memory back to the system.
    pub fn trim(&self) -> Result<(), PoolError> {
        self.locked(POOL_LOCK_TIMEOUT, |tables| tables.trim())
    }

    /// What it holds, after buffers of processes that have ended were reclaimed.
    pub fn stats(&self) -> Result<PoolStats, PoolError> {
        self.locked(POOL_LOCK_TIMEOUT, |tables| tables.stats())
    }

    /// Before a fork: registers the child with the references of this process, under an opened file that
    /// only the child keeps.
    fn prepare(&self) -> Result<Prepared, PoolError> {
        // The kernel releases it if the fork fails.
        let control = lock::reopen(&self.control.load())?;
        let entry = self.locked(FORK_LOCK_TIMEOUT, |tables| {
            let entry = tables.register(&control, process::id())?;
            tables.copy_references(entry)?;
            Ok(entry)
        })?;
        Ok(Prepared {
            control: Arc::new(control),
            entry,
        })
    }

    /// In a forked child: takes over what was prepared. Without that the pool is of no use to the child.
    fn adopt(&self) {
        let Some(prepared) = self.prepared.swap(None) else {
            return;
        };
        self.control.store(Arc::clone(&prepared.control));
        self.member.set(prepared.entry);
        // If the tables stay locked, the child is shown with the number of its parent.
        let _ = self.locked(FORK_LOCK_TIMEOUT, |tables| {
            Ok(tables.set_pid(prepared.entry, process::id())?)
        });
    }
}

impl Drop for SharedPool {
    fn drop(&mut self) {
        self.remove_name();
        instance::detach_pool(self.id);
        // Without it, others find the entry without a lock and reclaim it.
        let _ = self.locked(LEAVE_LOCK_TIMEOUT, |tables| tables.leave());
        // One by one: the drop of a long list would be a deep recursion.
        let mut pending = self.pending.swap(None);
        while let Some(released) = pending.take() {
            pending.clone_from(&released.next);
        }
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

/// Before a fork: prepares all pools for the child.
pub fn pools_before_fork() {
    for pool in pools() {
        let prepared = pool.prepare().ok().map(Arc::new);
        pool.prepared.store(prepared);
    }
}

/// In the parent, after a fork or a failed one.
pub fn pools_after_fork_in_parent() {
    for pool in pools() {
        pool.prepared.store(None);
    }
}

/// In a forked child.
pub fn pools_after_fork_in_child() {
    for pool in pools() {
        pool.adopt();
    }
}

/// The interpreter ends: gives up the names of all pools, which would outlive the process.
pub fn remove_pool_names() {
    for pool in pools() {
        pool.remove_name();
    }
}
