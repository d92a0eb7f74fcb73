//! A set of lanes that have something to read, in the order in which they are to be served.

use crate::lane::{LANES, LaneNumber};

/// Lanes to serve. The iterator yields each once, beginning after the lane that was first in the
/// round before, so that no lane can starve another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyBitmap {
    bits: u64,
    start: u8,
}

impl ReadyBitmap {
    /// These lanes, to be served from lane `start` on.
    pub fn new(bits: u64, start: u8) -> Self {
        Self { bits, start }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// The lane to serve next.
    pub(crate) fn first(&self) -> Option<LaneNumber> {
        let offset = self
            .bits
            .rotate_right(u32::from(self.start))
            .trailing_zeros();
        if self.bits == 0 {
            return None;
        }
        LaneNumber::new((offset as usize + usize::from(self.start)) % u64::BITS as usize)
    }
}

impl Iterator for ReadyBitmap {
    type Item = LaneNumber;

    fn next(&mut self) -> Option<LaneNumber> {
        let lane = self.first()?;
        self.bits &= !lane.bit();
        Some(lane)
    }
}

/// Bits of all lanes that exist.
pub(crate) const ALL_LANES: u64 = u64::MAX >> (u64::BITS as usize - LANES);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn begins_at_its_start_and_wraps() {
        let lanes = ReadyBitmap::new(1 << 1 | 1 << 5 | 1 << 63, 5);
        assert_eq!(lanes.map(LaneNumber::get).collect::<Vec<_>>(), [5, 63, 1]);
        assert_eq!(ReadyBitmap::new(0, 9).next(), None);
    }
}
