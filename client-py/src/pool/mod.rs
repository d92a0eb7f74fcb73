//! Pools of buffers in Python: `BufferPool`, `PoolBuffer` and the guards of a buffer. Tables, files and
//! names are `hostd_client::pool`'s.

mod buffer;
mod errors;
mod export;
mod guard;
mod handle;
mod layout;
mod methods;
mod open;
mod source;

pub(crate) use buffer::PoolBuffer;
pub(crate) use guard::PoolGuard;
pub(crate) use methods::{
    _pool_at, _pool_buffer_at, _pools_after_fork_in_child, _pools_after_fork_in_parent,
    _pools_before_fork, _remove_pool_names,
};
pub(crate) use open::BufferPool;
