//! Why an operation of a pool fails.

use std::io;

use hostd_protocol::memory::SegmentError;

use crate::memory::mebibytes;

/// Why an operation of a pool failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PoolError {
    #[error(
        "{asked} bytes cannot be allocated from the pool: of its {} ({size} bytes) {used} bytes are \
         in use, {idle} are preallocated, and the largest free range has {largest} bytes; release \
         buffers, call trim(), or make a larger pool",
        mebibytes(*size)
    )]
    Full {
        asked: u64,
        size: u64,
        used: u64,
        idle: u64,
        largest: u64,
    },
    #[error("the size of a pool must be from 1 to {max} bytes, got {size}")]
    BadSize { size: u64, max: u64 },
    #[error(
        "{asked} bytes of the pool cannot be provided: the system refuses memory ({source}); \
         release memory, or use less of the pool"
    )]
    Memory { asked: u64, source: io::Error },
    #[error(
        "{asked} bytes of the pool cannot be provided: the system has {available} bytes of memory \
         left; release memory, or use less of the pool"
    )]
    Unavailable { asked: u64, available: u64 },
    #[error("the tables of the pool cannot be repaired: there is no memory for it; release memory")]
    Repair,
    #[error("{what} of the pool cannot be counted: there are {max} already; release buffers")]
    TooMany { what: &'static str, max: u64 },
    #[error("the pool cannot be made: {0}; make a smaller one, or raise the limits of the process")]
    Create(SegmentError),
    #[error("the pool cannot be mapped: {0}; raise the limits of the process")]
    Map(SegmentError),
    #[error("cannot {step} of the pool: {source}")]
    System {
        step: &'static str,
        source: io::Error,
    },
    #[error(
        "the pool is locked by another process for too long: that is stopped or hangs; continue or \
         end it"
    )]
    Busy,
    #[error(
        "the pool cannot be used: this process was forked in a way that Python does not know of; \
         fork with os.fork() or multiprocessing, or open the pool anew"
    )]
    Forked,
    #[error(
        "the pool cannot be used: its tables are damaged by a process that wrote to them; make a \
         new pool"
    )]
    Corrupt,
    #[error(
        "the pool buffer was released: nothing refers to its memory any more; keep the buffer until \
         all who use it have it"
    )]
    Stale,
    #[error("the pool buffer is {} process {pid}; wait for it with a timeout, or end that guard",
        if *is_writer { "being written by" } else { "being read by" })]
    Guarded { pid: u32, is_writer: bool },
    #[error(
        "a name of a pool has 1 to {max} letters, digits, '-', '_' and '.', and does not begin with \
         '.', got {name:?}"
    )]
    BadName { name: String, max: usize },
    #[error(
        "the pool name {name:?} is taken: process {pid} has a pool of this name; open it with \
         BufferPool.open(), or choose another name"
    )]
    Taken { name: String, pid: u32 },
    #[error(
        "there is no pool named {name:?}; make one with BufferPool(size, name={name:?}) in a process \
         of this user"
    )]
    Unknown { name: String },
    #[error(
        "the pool named {name:?} is gone: process {pid}, which made it, has ended or closed it; make \
         a new one with BufferPool(size, name={name:?})"
    )]
    Abandoned { name: String, pid: u32 },
    #[error(
        "the pool is gone: process {pid}, from which it is opened, has ended or closed it; keep it \
         open there until it was opened here"
    )]
    Gone { pid: u32 },
    #[error(
        "the pool of process {pid} cannot be opened: it belongs to user {owner}, and this process \
         runs as user {user}; a pool is shared between processes of one user"
    )]
    NotOwn { pid: u32, owner: u32, user: u32 },
    #[error(
        "the folder {path} of pool names cannot be used: {why}; remove it, or set XDG_RUNTIME_DIR \
         to a folder of this user"
    )]
    Folder { path: String, why: String },
}

impl From<Damaged> for PoolError {
    fn from(_: Damaged) -> Self {
        Self::Corrupt
    }
}

/// An index in the tables of a pool leads outside of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;
