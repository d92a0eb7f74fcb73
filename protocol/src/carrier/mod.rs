//! Carriers: how frames travel from one process to the other, and how threads wait for them.
//!
//! Three carriers, one behaviour: [`lane`] (shared-memory rings, the data plane), [`socket`] (the
//! same bytes as packets on the control socket, where shared memory is not available) and
//! [`memory`] (both ends in one process, for tests). A client's end leases a [`ClientLane`] to one
//! thread at a time; the host's end belongs to the JS thread alone and serves all lanes, one
//! exclusively while a conversation on it is under way.
//!
//! The header of a received frame has been checked: kind, flags, generation, length. An error of
//! `receive` other than [`ProtocolError::Interrupted`](crate::error::ProtocolError) ends the session.
//!
//! `client` and `host` select the carrier; `lane_client` and `lane_host` are the ends over
//! shared-memory rings, `queue` those over queues, which `memory` and `socket` share.

mod client;
mod host;
pub mod lane;
mod lane_client;
mod lane_host;
pub mod memory;
mod port;
mod queue;
pub mod socket;
mod waiting;
mod wake_pipe;

pub use client::{Canceller, ClientEnd, ClientLane};
pub use host::{CancelFlag, HostEnd, HostWaker};
pub use hostd_shm::{ClientPipeWord, IdleSpin, TurnClaim, TurnOwner};
pub use waiting::{Idle, Interrupted, ParkedWait, Uninterruptible, Wake, while_parked};
pub use wake_pipe::HostWakePipe;

#[cfg(test)]
mod tests;
