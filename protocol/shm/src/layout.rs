//! The layout of a segment: every size, and the control words that both processes see.
//!
//! All of it is atomics, valid for every bit pattern. Nothing here is trusted by its reader.

use std::fmt;
use std::time::Duration;

use crate::bell::{HostBell, LaneBell};
use crate::ring::RingControl;
use crate::sync::{AtomicU32, AtomicU64};

/// How many lanes a segment has, the home lane included.
pub const LANES: usize = if cfg!(loom) { 3 } else { 64 };

/// The lane on which the host sends one-way frames; it is never leased for calls.
pub const HOME_LANE: LaneIndex = LaneIndex(0);

/// Bytes that a ring holds; a power of two.
pub const RING_CAPACITY: usize = if cfg!(loom) { 4 } else { 64 * 1024 };

/// The longest time for which the client sleeps without looking at its own state.
pub const SLICE: Duration = Duration::from_millis(100);

/// How long an end spins, at most, before it sleeps. Longer than it takes to wake the other end,
/// else two ends that have fallen asleep once would never find each other awake again.
pub const SPIN_TIME: Duration = Duration::from_micros(50);

/// How long the JS thread spins, at most, after it has told the client something on the home lane.
pub(crate) const PATIENT_SPIN_TIME: Duration = Duration::from_micros(100);

/// How long somebody looks out for the cord, at most: longer than it takes to wake a thread of the
/// host's that does some little work.
pub(crate) const LOOKOUT_TIME: Duration = Duration::from_micros(80);

/// Bytes of a segment.
pub const SEGMENT_LEN: usize = DATA_OFFSET + LANES * 2 * RING_CAPACITY;

/// First word of a segment; its last byte is the version of this layout.
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) const LAYOUT: u64 = u64::from_le_bytes(*b"hostdL\0\x01");

const PAGE: usize = 4096;
pub(crate) const CONTROL_OFFSET: usize = PAGE;
pub(crate) const DATA_OFFSET: usize =
    (CONTROL_OFFSET + LANES * size_of::<LaneControl>()).next_multiple_of(PAGE);

/// Keeps what one side writes off the cache lines of the other (two lines: the hardware fetches
/// them in pairs).
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// The first page of a segment.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) layout: Line<AtomicU64>,
    pub(crate) host: Line<HostBell>,
    /// A [`TopState`](crate::TopState).
    pub(crate) top: Line<AtomicU32>,
    /// Whether somebody watches the [cord](crate::ClientCord), and whether the host has pulled it.
    pub(crate) cord: Line<AtomicU32>,
}

/// The words of one lane.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct LaneControl {
    pub(crate) to_host: RingControl,
    pub(crate) to_client: RingControl,
    /// Where the client sleeps.
    pub(crate) bell: Line<LaneBell>,
    /// Written by the client: nonzero asks the host to break off.
    pub(crate) cancel: Line<AtomicU32>,
}

/// Which of the two rings of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    ToHost,
    ToClient,
}

/// The number of a lane, below [`LANES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneIndex(u8);

impl LaneIndex {
    /// The lane of this number, if there is one.
    pub fn new(number: usize) -> Option<Self> {
        u8::try_from(number)
            .ok()
            .filter(|_| number < LANES)
            .map(Self)
    }

    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// The number, as small as it is.
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// This lane's bit in a set of lanes.
    pub(crate) fn bit(self) -> u64 {
        1 << self.0
    }

    /// All lanes, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LANES).filter_map(Self::new)
    }
}

impl fmt::Display for LaneIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a thread waits for on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read.
    Data,
    /// Room to write.
    Space,
    /// Either.
    Either,
}

impl Interest {
    pub(crate) const DATA_BIT: u32 = 1;
    pub(crate) const SPACE_BIT: u32 = 2;

    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Data => Self::DATA_BIT,
            Self::Space => Self::SPACE_BIT,
            Self::Either => Self::DATA_BIT | Self::SPACE_BIT,
        }
    }

    pub(crate) fn data(self) -> bool {
        self != Self::Space
    }

    pub(crate) fn space(self) -> bool {
        self != Self::Data
    }
}

const _: () = {
    assert!(LANES <= 64, "a set of lanes is a u64");
    assert!(RING_CAPACITY.is_power_of_two() && RING_CAPACITY <= 1 << 30);
    assert!(cfg!(loom) || size_of::<Header>() <= CONTROL_OFFSET);
    assert!(
        align_of::<Header>() <= PAGE && CONTROL_OFFSET.is_multiple_of(align_of::<LaneControl>())
    );
    assert!(size_of::<LaneControl>().is_multiple_of(align_of::<LaneControl>()));
};
