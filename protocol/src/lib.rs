//! What the two processes say to each other: frames, values, calls, limits, ids, handshake, and
//! the carriers that bring frames from one to the other.
//!
//! Knows neither the engine nor Node-API nor Python. Everything that is read here was written by
//! someone who may be hostile: counts are checked before anything is allocated for them, and
//! whatever is wrong is a [`error::ProtocolError`].
#![forbid(unsafe_code)]

pub mod calls;
pub mod carrier;
mod codec;
pub mod confinement;
pub mod control;
pub mod door;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod ids;
pub mod lent;
pub mod limits;
pub mod message;
pub mod package;
pub mod pending;
pub mod value;
