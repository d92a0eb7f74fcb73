//! The bulk memory of a host process as its client uses it: blocks that are freed when they are dropped,
//! in the process that allocated them.

use std::sync::Arc;

use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::memory::{Block, ClientMemory, HostRegions, Region, SharedBytes};

use crate::fork;

/// Memory that is shared with a host, for the bytes of one argument.
#[derive(Debug)]
pub struct LentMemory {
    /// Taken when it is dropped.
    block: Option<Block>,
    bytes: SharedBytes,
    memory: Arc<ClientMemory>,
    epoch: u32,
}

impl LentMemory {
    /// Allocates memory; none if there is no room or no memory left.
    pub fn allocate(memory: &Arc<ClientMemory>, length: usize) -> Option<Self> {
        let block = memory.allocate(length)?;
        Some(Self {
            bytes: block.bytes().clone(),
            block: Some(block),
            memory: Arc::clone(memory),
            epoch: fork::epoch(),
        })
    }

    /// Its bytes, which the host may change at any time.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }
}

impl Drop for LentMemory {
    fn drop(&mut self) {
        // In a forked child the tables are the parent's, and a thread that does not exist there may hold
        // their lock.
        if let Some(block) = self.block.take()
            && self.epoch == fork::epoch()
        {
            self.memory.free(block);
        }
    }
}

/// Bytes that the host has sent in its memory. They stay when it ends.
#[derive(Debug)]
pub struct HostBytes {
    bytes: SharedBytes,
    regions: Arc<HostRegions>,
    epoch: u32,
}

impl HostBytes {
    /// The bytes of a region.
    ///
    /// # Errors
    /// It is not in the memory of the host; [`ProtocolError::Disconnected`] if the host has ended, and the
    /// bytes with it.
    pub fn new(memory: &ClientMemory, region: Region) -> Result<Self> {
        let bytes = memory.of_host(region)?;
        let regions = Arc::clone(memory.regions());
        if !regions.add(&bytes) {
            return Err(ProtocolError::Disconnected);
        }
        Ok(Self {
            bytes,
            regions,
            epoch: fork::epoch(),
        })
    }

    /// The bytes, which the host may change at any time while it lives.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }
}

impl Drop for HostBytes {
    fn drop(&mut self) {
        // As for memory that is lent.
        if self.epoch == fork::epoch() {
            self.regions.remove(&self.bytes);
        }
    }
}
