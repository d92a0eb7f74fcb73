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
use hostd_protocol::memory::{PAGE, SharedMemory};

use super::address::{Files, PoolAddress};
use super::error::PoolError;
use super::lock::{self, Locker, TablesLock};
use super::names::{self, PublishedName};
use super::operations::{PoolStats, Tables};
use super::ranges;
use super::table::{POOL_BYTES_MAX, Table, UNIT, header};
use crate::instance;
use crate::scratch::random;

/// How long an operation waits for the lock of the tables, which is held for microseconds.
pub const POOL_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the drop of a pool waits for it.
const LEAVE_LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// The pools of this process, so that each is opened once. Without a lock, which a thread could hold
/// while another one forks.
static POOLS: ArcSwapOption<Vec<Weak<SharedPool>>> = ArcSwapOption::const_empty();

/// A pool of buffers, as this process has it open.
#[derive(Debug)]
pub struct SharedPool {
    id: [u64; 2],
    size: u64,
    pub(super) memory: Arc<SharedMemory>,
    data: OwnedFd,
    table: Table,
    /// Replaced in a forked child, which needs locks of its own.
    pub(super) control: ArcSwap<OwnedFd>,
    pub(super) member: Member,
    /// Buffers that were released while the tables were locked.
    pub(super) pending: ArcSwapOption<Pending>,
    /// What a fork that is under way has prepared for its child.
    pub(super) prepared: ArcSwapOption<Prepared>,
    name: ArcSwapOption<PublishedName>,
}

/// The process that uses a pool, and its entry in the tables, in one word.
#[derive(Debug, Default)]
pub(super) struct Member(AtomicU64);

impl Member {
    pub(super) fn set(&self, entry: usize) {
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

/// A list of buffers that were released while the tables were locked.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) node: usize,
    pub(super) generation: u64,
    pub(super) next: Option<Arc<Pending>>,
}

/// The control file as a forked child is to use it, and the child's entry.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) control: Arc<OwnedFd>,
    pub(super) entry: usize,
}

/// The pools of this process that are in use.
pub(super) fn pools() -> Vec<Arc<SharedPool>> {
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

    pub(super) fn locked<R>(
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

    /// Frees what is preallocated and not in use, and gives free memory back to the system.
    pub fn trim(&self) -> Result<(), PoolError> {
        self.locked(POOL_LOCK_TIMEOUT, |tables| tables.trim())
    }

    /// What it holds, after buffers of processes that have ended were reclaimed.
    pub fn stats(&self) -> Result<PoolStats, PoolError> {
        self.locked(POOL_LOCK_TIMEOUT, |tables| tables.stats())
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

/// The interpreter ends: gives up the names of all pools, which would outlive the process.
pub fn remove_pool_names() {
    for pool in pools() {
        pool.remove_name();
    }
}
