//! The bulk memory of a session: the bytes of large buffers lie in a memory file that both processes
//! have mapped, and frames say where.
//!
//! A buffer of one of the client's pools is not copied there: the host is handed the file of the pool, and
//! regions name it by its number.
//!
//! The client makes the file of the session. It allocates in the first half, the host in the second; each
//! keeps its tables to itself. The memory of a region is lent like an object, by an id of its own
//! ([`Region::id`]): it is free again when the other side has released that id. The host names regions of
//! memory that was lent to it as well, by the client's id, which is then sent back.
//!
//! The bytes may change at any time, and are garbage if the other side is broken.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

pub use hostd_shm::{
    Arena, ArenaUsage, Block, PAGE, SegmentError, SharedBytes, SharedMemory, hash_piece,
};

use rustc_hash::FxHashMap;
use rustix::fs::fstat;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};

use crate::error::{ProtocolError, Result, violation};
use crate::ids::SlotId;
use crate::memory_files::MemoryFiles;

/// The shortest result, and the shortest text in either direction, whose bytes are shared and not
/// copied into the frame, in bytes: `tests/bench/threshold.py` draws the time of both. Making a short
/// array buffer in shared memory takes longer, even if it is never sent.
pub const SHARED_MIN: usize = 8 << 10;

/// The shortest argument that is shared, in bytes: the addon reads it from the client's cache, or the
/// host does when it copies it.
pub const ARGUMENT_MIN: usize = 16 << 10;

/// The shortest argument that can be written back and is shared, in bytes: it is hashed as well.
pub const WRITABLE_MIN: usize = 32 << 10;

/// The environment variable that replaces all of these in both processes. For measurements only.
pub const SHARED_MIN_VARIABLE: &str = "NAPI_HOSTD_SHARED_MIN";

/// From how many bytes on a buffer or text is shared: `usual`, one of the constants above, except in
/// measurements.
#[inline]
pub fn shared_min(usual: usize) -> usize {
    static REPLACEMENT: LazyLock<Option<usize>> = LazyLock::new(|| {
        let text = std::env::var(SHARED_MIN_VARIABLE).ok();
        text.and_then(|text| text.parse().ok())
    });
    REPLACEMENT.unwrap_or(usual)
}

/// The size of a half, in bytes, where no limit of memory is lower. It is address space: a page takes
/// up memory once it was used.
const HALF_BYTES: u64 = 4 << 30;
/// Of a limited address space (`ulimit -v`), the files of a session take at most this part: the rest is
/// for the program.
const ADDRESS_SPACE_PART: u64 = 16;
/// The size of a half below which none is made, in bytes: nothing large would have room in it.
const HALF_MIN: u64 = 64 << 10;
/// Halves are a multiple of this.
const PAGE_BYTES: u64 = PAGE as u64;

/// The number of the file that stands for the address space of both sides, where they are in one process.
pub const PROCESS_FILE: u32 = u32::MAX;

/// Where the bytes of a buffer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The memory, lent by the side that it belongs to.
    pub id: SlotId,
    /// The number of its file: 0 is the memory of the session.
    pub file: u32,
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// The client's end: it allocates what it sends in the first half.
#[derive(Debug)]
pub struct ClientMemory {
    arena: Mutex<Arena>,
    memory: Arc<SharedMemory>,
    pools: Mutex<Pools>,
    /// To tell how much memory the file takes up; none if there was no descriptor left.
    file: Option<OwnedFd>,
    regions: Arc<HostRegions>,
    half: usize,
}

/// The regions of the host's half that this process uses.
#[derive(Debug, Default)]
pub struct HostRegions(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    /// How often each one is in use, by its offset and length.
    counts: BTreeMap<(usize, usize), u32>,
    /// Whether the memory of all others was given back to the system.
    is_over: bool,
}

impl HostRegions {
    /// Counts a use of these bytes. False if their memory was given back to the system because the host
    /// has ended.
    #[must_use]
    pub fn add(&self, bytes: &SharedBytes) -> bool {
        let mut used = self.lock();
        let key = (bytes.offset(), bytes.len());
        if used.is_over && !used.counts.contains_key(&key) {
            return false;
        }
        *used.counts.entry(key).or_default() += 1;
        true
    }

    /// Ends a use that was counted.
    pub fn remove(&self, bytes: &SharedBytes) {
        let key = (bytes.offset(), bytes.len());
        let counts = &mut self.lock().counts;
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The random id of a pool.
pub type PoolId = [u64; 2];

/// The files of pools that the host was handed.
#[derive(Debug, Default)]
struct Pools {
    numbers: FxHashMap<PoolId, u32>,
    last: u32,
}

impl ClientMemory {
    /// Makes the memory file of a session, and the descriptor that the host is handed. `limit` is the
    /// most memory that the host may use, if that is limited.
    ///
    /// # Errors
    /// The system refuses it, or the limits of this process leave too little room for it.
    pub fn create(limit: Option<u64>) -> Result<(Self, OwnedFd), SegmentError> {
        let half = half_within(limit).ok_or(SegmentError::System {
            step: "size",
            source: rustix::io::Errno::FBIG.into(),
        })?;
        let (memory, file) = SharedMemory::create("napi-hostd-memory", half * 2)?;
        let arena = Arena::new(&memory, 0, half).ok_or(SegmentError::NotSealed)?;
        let client = Self {
            arena: Mutex::new(arena),
            memory,
            pools: Mutex::default(),
            file: fcntl_dupfd_cloexec(&file, 3).ok(),
            regions: Arc::default(),
            half,
        };
        Ok((client, file))
    }

    /// Allocates memory for bytes that are sent; none if the half is full or the system has none left.
    pub fn allocate(&self, length: usize) -> Option<Block> {
        self.arena(|arena| arena.allocate(length))
    }

    /// Takes memory back that the host has released.
    pub fn free(&self, block: Block) {
        self.arena(|arena| arena.free(block));
    }

    /// Gives free memory that is kept for later back to the system.
    pub fn trim(&self) {
        self.arena(Arena::trim);
    }

    /// What the client allocates.
    pub fn usage(&self) -> ArenaUsage {
        self.arena(|arena| arena.usage())
    }

    /// How many bytes of memory the file takes up beside what this process has allocated: what the host
    /// has used of it.
    pub fn host_bytes(&self) -> u64 {
        let own = || {
            let usage = self.usage();
            (usage.allocated + usage.retained) as u64
        };
        let before = own();
        let all = self.used_bytes();
        // What is freed meanwhile is not the host's.
        all.saturating_sub(before.max(own()))
    }

    /// How many bytes of memory the file takes up; 0 if that is unknown.
    pub fn used_bytes(&self) -> u64 {
        let status = self.file.as_ref().and_then(|file| fstat(file).ok());
        status.map_or(0, |status| status.st_blocks.unsigned_abs() * 512)
    }

    /// The regions of the host that are in use here.
    pub fn regions(&self) -> &Arc<HostRegions> {
        &self.regions
    }

    /// Gives the memory of everything that is not in use back to the system: the host has ended. What is
    /// in use keeps the whole file mapped.
    pub fn host_has_ended(&self) {
        self.arena(Arena::retain_nothing);
        let mut used = self.regions.lock();
        // A message of the host that is not read yet may name others.
        used.is_over = true;
        let mut at = self.half;
        let ranges = used
            .counts
            .keys()
            .map(|(start, length)| (*start, start + length));
        for (start, end) in ranges.chain([(self.half * 2, self.half * 2)]) {
            let unused = (start / PAGE * PAGE).saturating_sub(at);
            if unused > 0 {
                self.memory.discard(at, unused);
            }
            at = at.max(end.next_multiple_of(PAGE));
        }
    }

    /// The number by which regions name the file of a pool. If the host does not have it yet, `send` sends
    /// it with that number. None if it cannot be sent.
    pub fn attach(&self, pool: PoolId, send: impl FnOnce(u32) -> bool) -> Option<u32> {
        let mut pools = self.pools();
        if let Some(number) = pools.numbers.get(&pool) {
            return Some(*number);
        }
        pools.numbers.try_reserve(1).ok()?;
        let number = pools.last.checked_add(1)?;
        if !send(number) {
            return None;
        }
        pools.last = number;
        pools.numbers.insert(pool, number);
        Some(number)
    }

    /// Forgets the file of a pool. Returns its number, if the host has it.
    pub fn detach(&self, pool: PoolId) -> Option<u32> {
        self.pools().numbers.remove(&pool)
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a region that the host has sent begins in memory of this process: in its half, or in a pool.
    pub fn is_own(&self, region: Region) -> bool {
        region.file != 0 || region.offset < self.half as u64
    }

    /// The bytes of a region that the host has sent.
    ///
    /// # Errors
    /// It is not in the host's half.
    pub fn of_host(&self, region: Region) -> Result<SharedBytes> {
        let (offset, length) = place(region)?;
        if region.file != 0 {
            return violation("a region of a file of the client's");
        }
        if offset < self.half {
            return Err(OUTSIDE);
        }
        self.memory.bytes(offset, length).ok_or(OUTSIDE)
    }

    fn arena<T>(&self, act: impl FnOnce(&mut Arena) -> T) -> T {
        act(&mut self.arena.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The host's end: it allocates what it sends in the second half.
#[derive(Debug)]
pub struct HostMemory {
    memory: Arc<SharedMemory>,
    half: usize,
    /// The most memory that this process may use, if that is limited.
    limit: Option<usize>,
    files: MemoryFiles,
}

impl HostMemory {
    /// Opens what the client has made. `limit` is the most memory that this process may use, if that is
    /// limited.
    ///
    /// # Errors
    /// The memory file is not sealed, or cannot be mapped.
    pub fn open(file: &OwnedFd, limit: Option<u64>) -> Result<Self, SegmentError> {
        let memory = SharedMemory::open(file)?;
        let half = memory.len() / 2;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let files = MemoryFiles::default();
        Ok(Self {
            memory,
            half,
            limit,
            files,
        })
    }

    /// The files of pools that the client hands over.
    pub fn files(&self) -> &MemoryFiles {
        &self.files
    }

    /// The host's half, to allocate in, as far as the limit allows. To be called once.
    pub fn arena(&self) -> Option<Arena> {
        let length = self.limit.map_or(self.half, |limit| limit.min(self.half));
        Arena::new(&self.memory, self.half, length / PAGE * PAGE)
    }

    /// The most memory that this process may use, if that is limited.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// The bytes of a region that the client has sent.
    ///
    /// # Errors
    /// It is not in the client's half, or not in the file of a pool.
    pub fn of_client(&self, region: Region) -> Result<SharedBytes> {
        let (offset, length) = place(region)?;
        if region.file == 0 {
            let is_ours = offset.checked_add(length).is_none_or(|end| end > self.half);
            let bytes = self.memory.bytes(offset, length).filter(|_| !is_ours);
            return bytes.ok_or(OUTSIDE);
        }
        self.files
            .get(region.file)?
            .bytes(offset, length)
            .ok_or(OUTSIDE)
    }
}

/// The size of a half within this limit and those of this process; none if they leave too little room.
fn half_within(limit: Option<u64>) -> Option<usize> {
    let address_space = getrlimit(Resource::As).current;
    let file_size = getrlimit(Resource::Fsize).current;
    let half = [
        limit,
        address_space.map(|bytes| bytes / ADDRESS_SPACE_PART / 2),
        file_size.map(|bytes| bytes / 2),
    ];
    let half = half.into_iter().flatten().fold(HALF_BYTES, u64::min);
    usize::try_from(half / PAGE_BYTES * PAGE_BYTES)
        .ok()
        .filter(|half| *half as u64 >= HALF_MIN)
}

const OUTSIDE: ProtocolError = ProtocolError::violation("a region outside of the sender's memory");

/// Its offset and its length.
fn place(region: Region) -> Result<(usize, usize)> {
    let number = |number| usize::try_from(number).map_err(|_| OUTSIDE);
    Ok((number(region.offset)?, number(region.length)?))
}
