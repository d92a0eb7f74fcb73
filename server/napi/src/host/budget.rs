//! How much one turn does at most: the client waits for it, and other calls wait behind it.

use std::time::{Duration, Instant};

/// What a turn may still do: a number of items, and a time at which it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    items: usize,
    end: Option<Instant>,
    /// When the clock was read, after how many items it is read again, and how many of these are
    /// left.
    read_at: Option<Instant>,
    stride: u32,
    left: u32,
}

/// Where an item takes less than this, the clock is read less often.
const QUICK_ITEM: Duration = Duration::from_micros(5);
/// The most items between two readings of the clock.
const STRIDE_MAX: u32 = 8;

impl Budget {
    pub(super) fn new(items: usize, time: Duration) -> Self {
        Self {
            items,
            end: Instant::now().checked_add(time),
            ..Self::default()
        }
    }

    /// Any number of items, until `end`.
    pub(super) fn until(end: Instant) -> Self {
        Self {
            items: usize::MAX,
            end: Some(end),
            ..Self::default()
        }
    }

    /// Counts an item that was done; false if that was the last one.
    pub fn spend(&mut self) -> bool {
        self.items = self.items.saturating_sub(1);
        if self.items > 0 && self.left > 1 {
            self.left -= 1;
            return true;
        }
        let now = Instant::now();
        self.pace(now);
        self.items > 0 && self.end.is_none_or(|end| now < end)
    }

    /// Decides how many items may be done before the clock is read again.
    fn pace(&mut self, now: Instant) {
        let is_quick = |read_at| now.saturating_duration_since(read_at) < QUICK_ITEM * self.stride;
        self.stride = if self.read_at.is_some_and(is_quick) {
            (self.stride * 2).min(STRIDE_MAX)
        } else {
            1
        };
        self.left = self.stride;
        self.read_at = Some(now);
    }

    /// Whether nothing more may be done in this turn.
    pub fn is_spent(&self) -> bool {
        self.items == 0 || self.end.is_some_and(|end| Instant::now() >= end)
    }
}
