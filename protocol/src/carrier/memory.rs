//! Both ends in one process, connected by queues: for tests.

use std::sync::Arc;

use super::client::ClientEnd;
use super::host::HostEnd;
use super::port::Terms;
use super::queue::{QueueClient, QueueHost, Queues, TopWord};
use crate::ids::Generation;
use crate::limits::Limits;

/// A connected pair.
pub fn pair(generation: Generation, limits: Limits) -> (ClientEnd, MemoryHost) {
    let queues = Queues::new(Terms { generation, limits }, TopWord::Here);
    let client = QueueClient::new(Arc::clone(&queues));
    (ClientEnd::Queues(client), MemoryHost(queues))
}

/// The host's end before it is on its thread.
#[derive(Debug)]
pub struct MemoryHost(Arc<Queues>);

impl MemoryHost {
    /// The host's end; to be called on the thread that serves it.
    pub fn into_end(self) -> HostEnd {
        HostEnd::Queues(QueueHost::new(self.0))
    }
}
