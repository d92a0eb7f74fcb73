//! The parts of the protocol, one by one.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test are not recognised as one"
)]

mod calls;
mod control;
mod lent;
mod pending;
