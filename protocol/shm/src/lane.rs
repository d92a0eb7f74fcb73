//! What identifies a lane and its rings, what a thread waits for on it, and their number and size. The
//! protocol uses the same lane numbers for its other carrier.

use std::fmt;

/// How many lanes a segment has, the home lane included.
pub const LANES: usize = if cfg!(loom) { 3 } else { 64 };

/// The lane on which the host sends one-way frames; it is never leased for calls.
pub const HOME_LANE: LaneNumber = LaneNumber(0);

/// Bytes that a ring holds; a power of two.
pub const RING_CAPACITY: usize = if cfg!(loom) { 4 } else { 64 * 1024 };

/// Keeps what one side writes off the cache lines of the other (two lines: the hardware fetches
/// them in pairs).
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// Which of the two rings of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    ToHost,
    ToClient,
}

/// The number of a lane, below [`LANES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneNumber(u8);

impl LaneNumber {
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

    /// The number, in its smallest type.
    pub fn number(self) -> u8 {
        self.0
    }

    /// This lane's bit in a set of lanes.
    pub fn bit(self) -> u64 {
        1 << self.0
    }

    /// All lanes, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LANES).filter_map(Self::new)
    }
}

impl fmt::Display for LaneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a thread waits for on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read.
    Data,
    /// Space to write.
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
};
