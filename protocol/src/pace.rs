//! Bounds how fast this side reads what the other side sends unsolicited.

use std::time::{Duration, Instant};

/// How long a reader pauses that has exceeded its pace.
pub const PAUSE: Duration = Duration::from_millis(1);

/// Counts pieces within each [`PAUSE`].
#[derive(Debug)]
pub struct Pace {
    max: usize,
    count: usize,
    since: Instant,
}

impl Pace {
    /// At most `max` pieces are read within a [`PAUSE`].
    pub fn new(max: usize) -> Self {
        Self {
            max,
            count: 0,
            since: Instant::now(),
        }
    }

    /// Counts what was read. Whether the reader is to pause now: the other side blocks if it continues
    /// to send, and the reader then finds more at once.
    pub fn is_exceeded(&mut self, pieces: usize) -> bool {
        self.count_at(pieces, Instant::now())
    }

    fn count_at(&mut self, pieces: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= PAUSE {
            (self.count, self.since) = (0, now);
        }
        self.count = self.count.saturating_add(pieces);
        let is_exceeded = self.count > self.max;
        if is_exceeded {
            // A new count begins after the pause.
            (self.count, self.since) = (0, now + PAUSE);
        }
        is_exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bursts_exceed_it() {
        let mut pace = Pace::new(4);
        let begin = pace.since;
        for piece in 0..1000 {
            assert!(!pace.count_at(1, begin + Duration::from_micros(250) * piece));
        }
        let now = begin + Duration::from_secs(1);
        let paused = (0..10).filter(|_| pace.count_at(1, now)).count();
        assert_eq!(paused, 2);
        assert!(pace.count_at(usize::MAX, now + PAUSE));
    }
}
