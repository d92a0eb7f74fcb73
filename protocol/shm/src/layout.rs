//! The layout of a segment: every size, and the control words that both processes see.
//!
//! All of it is atomics, valid for every bit pattern, and its readers trust none of it.

use crate::lane::{LANES, Line, RING_CAPACITY};
use crate::parker::{HostControl, Parker};
use crate::sync::{AtomicU32, AtomicU64};

/// Bytes of a segment.
pub const SEGMENT_LEN: usize = DATA_OFFSET + LANES * 2 * RING_CAPACITY;

/// First word of a segment; its last byte is the version of this layout.
#[cfg(not(loom))]
pub(crate) const LAYOUT: u64 = u64::from_le_bytes(*b"hostdL\0\x01");

const PAGE: usize = 4096;
pub(crate) const CONTROL_OFFSET: usize = PAGE;
pub(crate) const DATA_OFFSET: usize =
    (CONTROL_OFFSET + LANES * size_of::<LaneControl>()).next_multiple_of(PAGE);

/// The first page of a segment.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) layout: Line<AtomicU64>,
    pub(crate) host: Line<HostControl>,
    /// A [`TopState`](crate::TopState).
    pub(crate) top: Line<AtomicU32>,
    /// The word of the wake pipe: a state of [`ClientPipeWord`](crate::ClientPipeWord).
    pub(crate) pipe: Line<AtomicU32>,
}

/// The published indices of a ring.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct RingControl {
    pub(crate) head: Line<AtomicU32>,
    pub(crate) tail: Line<AtomicU32>,
}

/// The words of one lane.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct LaneControl {
    pub(crate) to_host: RingControl,
    pub(crate) to_client: RingControl,
    /// Where the client's thread parks. It announces a `ClientAnnouncement`.
    pub(crate) parker: Line<Parker>,
    /// Written by the client: nonzero has the host interrupt the call.
    pub(crate) cancel: Line<AtomicU32>,
}

const _: () = {
    assert!(cfg!(loom) || size_of::<Header>() <= CONTROL_OFFSET);
    assert!(
        align_of::<Header>() <= PAGE && CONTROL_OFFSET.is_multiple_of(align_of::<LaneControl>())
    );
    assert!(size_of::<LaneControl>().is_multiple_of(align_of::<LaneControl>()));
};
