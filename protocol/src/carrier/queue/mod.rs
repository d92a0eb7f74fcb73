//! Lanes as queues in one process: each end of the socket carrier.

mod blocks;
mod client;
mod direction;
mod host;
mod shared;
mod sync;

pub(super) use blocks::Block;
pub(super) use client::QueueLane;
pub(super) use direction::{Marks, QUEUE_BYTES};
pub(super) use host::QueueHost;
pub(super) use shared::{Queues, Side};
