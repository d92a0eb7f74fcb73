//! Both ends in one process, connected by queues: for tests.

use std::sync::Arc;

use super::pipe::{PipeClient, PipeHost, Pipes, Top};
use super::port::Terms;
use super::{ClientEnd, HostEnd};
use crate::ids::Generation;
use crate::limits::Limits;

/// A connected pair.
pub fn pair(generation: Generation, limits: Limits) -> (ClientEnd, MemoryHost) {
    let pipes = Pipes::new(Terms { generation, limits }, Top::Here);
    let client = ClientEnd::pipes(PipeClient {
        pipes: Arc::clone(&pipes),
    });
    (client, MemoryHost(pipes))
}

/// The host's end before it is on its thread.
#[derive(Debug)]
pub struct MemoryHost(Arc<Pipes>);

impl MemoryHost {
    /// The host's end; to be called on the thread that serves it.
    pub fn into_end(self) -> HostEnd {
        HostEnd::pipes(PipeHost::new(self.0))
    }
}
