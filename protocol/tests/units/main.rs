//! The parts of the protocol, one by one.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test are not recognised as one"
)]

mod calls;
mod confinement;
mod control;
mod handshake;
mod lent;
mod pending;
mod process_exit;
mod value;
