//! Lanes as queues in one process: each end of the socket carrier.

mod client;
mod direction;
mod host;
mod leases;
mod shared;
mod sync;

pub(super) use client::{QueueClient, QueueLane};
pub(super) use direction::Direction;
pub(super) use host::QueueHost;
pub(super) use shared::Queues;
