//! The protocol between the two processes: frames, values, calls, limits, ids, handshake, and the
//! carriers that transport frames.
//!
//! Independent of the engine, Node-API and Python. The peer may be hostile: counts are checked before
//! memory is allocated for them, and everything malformed is a [`error::ProtocolError`].
#![forbid(unsafe_code)]

pub mod bulk;
pub mod calls;
pub mod carrier;
mod codec;
pub mod confinement;
pub mod control;
pub mod direct;
pub mod error;
pub mod failure;
pub mod frame;
pub mod handover;
pub mod handshake;
pub mod ids;
pub mod in_process;
pub mod lent;
pub mod limits;
pub mod memory;
pub mod memory_files;
pub mod message;
pub mod pace;
pub mod package;
pub mod parts;
pub mod pending;
pub mod process_exit;
pub mod profile;
pub mod value;

pub use hostd_shm::{SealedMapping, exit_status};
