//! Pools of buffers that processes of one user share.
//!
//! A pool is two sealed memory files. The data file holds the bytes of buffers and nothing else; a host
//! that is given buffers gets its descriptor. The control file holds the tables: which ranges are buffers,
//! and which process refers to which. Only processes of the same user map it; an index that leads out of
//! the tables is an error, never an access.
//!
//! A process can be killed at any moment. The kernel then releases the lock of the tables and the one by
//! which the process shows that it lives (`lock`), the next process repairs the tables (`table`), and what
//! the dead one referred to is reclaimed when memory is short or somebody counts.

mod address;
mod buffers;
mod error;
mod fork;
mod lock;
mod names;
mod operations;
mod pages;
mod ranges;
mod references;
mod shared;
mod table;
#[cfg(test)]
mod tests;

pub use address::PoolAddress;
pub use buffers::PoolReference;
pub use error::PoolError;
pub use fork::{pools_after_fork_in_child, pools_after_fork_in_parent, pools_before_fork};
pub use operations::PoolStats;
pub use shared::{POOL_LOCK_TIMEOUT, SharedPool, remove_pool_names};
pub use table::POOL_BYTES_MAX;
