//! Carriers: how frames travel from one process to the other, and how threads wait for them.
//!
//! Two carriers, one behaviour: [`lane`] (shared-memory rings, the data plane) and [`socket`] (the
//! same bytes as packets on the control socket, where shared memory is not available). A client's end
//! leases a [`ClientLane`] to one thread at a time; the host's end belongs to the JS thread alone and
//! serves all lanes, one exclusively while a conversation on it is under way.
//!
//! The header of a received frame has been checked: kind, flags, generation, length. An error of
//! `receive` other than [`ProtocolError::Interrupted`](crate::error::ProtocolError) ends the session.
//!
//! `client` and `host` select the carrier; `lane_client` and `lane_host` are the ends over
//! shared-memory rings, `queue` those over the queues of a socket.

mod client;
mod host;
pub mod lane;
mod lane_client;
mod lane_host;
mod port;
mod queue;
pub mod socket;
mod waiting;
mod wake_pipe;

pub use client::{ClientEnd, ClientLane};
pub use host::{CancelFlag, HostEnd, HostWaker};
pub use hostd_shm::{
    ClientPipeWord, ClientRings, IdleSpin, LaneWaiter, LaneWaiterWaker, MaybeOwned, Switch,
    TurnClaim, TurnOwner, WAIT_LANES_MAX, WaitLimit, can_wait_for_lanes,
};
pub use lane_client::{HostRunner, LeasedLane};
pub use waiting::{Idle, Interrupted, ParkedWait, Uninterruptible, Wake, while_parked};
pub use wake_pipe::HostWakePipe;

#[cfg(test)]
mod tests;
