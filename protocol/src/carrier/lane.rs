//! The shared-memory carrier: frames through the rings of `hostd-shm`.

use super::client::ClientEnd;
use super::host::HostEnd;
use super::lane_client::LaneClient;
use super::lane_host::LaneHost;
use super::port::Terms;
use crate::ids::Generation;
use crate::limits::Limits;

pub use hostd_shm::{Segment, SegmentError};

/// The client's end of a segment that it made.
pub fn client(segment: Segment, generation: Generation, limits: Limits) -> ClientEnd {
    ClientEnd::Lanes(LaneClient::new(segment, Terms { generation, limits }))
}

/// The host's end of the client's segment; stays on the JS thread.
pub fn host(segment: Segment, generation: Generation, limits: Limits) -> HostEnd {
    HostEnd::Lanes(LaneHost::new(segment, Terms { generation, limits }))
}
