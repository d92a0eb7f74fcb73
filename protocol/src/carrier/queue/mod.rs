//! Lanes as queues in one process: the memory carrier, and both ends of the socket carrier.

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
pub(super) use shared::TopWord;
