//! What the addon prints: read all the time, told at once, its end kept. What comes faster than
//! anybody reads is dropped, and how much that was is told.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::options::{Events, Stream};
use crate::report::Tail;

/// A stream that is being read.
#[derive(Debug)]
pub(crate) struct Output {
    tail: Arc<Mutex<Tail>>,
    reading: Option<JoinHandle<()>>,
}

impl Output {
    /// Begins to read. To be called inside the supervisor's runtime.
    pub(crate) fn read(pipe: Option<OwnedFd>, stream: Stream, events: Arc<dyn Events>) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let reading = pipe
            .and_then(|pipe| Receiver::from_owned_fd(pipe).ok())
            .map(|pipe| {
                let tail = Arc::clone(&tail);
                tokio::spawn(read_all(pipe, stream, events, tail))
            });
        Self { tail, reading }
    }

    /// Reads to the end of the stream. A process that the host has left behind may keep it open:
    /// whoever calls this has a time-out.
    pub(crate) async fn finish(&mut self) {
        if let Some(reading) = &mut self.reading {
            // It ends by itself or not at all.
            let _ = reading.await;
            self.reading = None;
        }
    }

    /// The end of what was written.
    pub(crate) fn tail(&self) -> String {
        self.tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text()
    }
}

async fn read_all(
    mut pipe: Receiver,
    stream: Stream,
    events: Arc<dyn Events>,
    tail: Arc<Mutex<Tail>>,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut allowance = Allowance::new(Instant::now());
    let (mut dropped, mut at_once) = (0, 0);
    loop {
        // Somebody wants to know, also if nothing follows.
        let patience = if dropped == 0 { FOREVER } else { REFILL };
        let count = match timeout(patience, pipe.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => count,
            Err(_) => {
                events.dropped(stream, std::mem::take(&mut dropped));
                continue;
            }
        };
        let bytes = &buffer[..count];
        tail.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(bytes);
        if allowance.take(count, Instant::now()) {
            if dropped != 0 {
                events.dropped(stream, std::mem::take(&mut dropped));
            }
            events.output(stream, bytes);
        } else {
            dropped += count as u64;
            at_once += count;
            if at_once >= AT_ONCE {
                // It goes on printing, if slower, and other hosts are served.
                tokio::time::sleep(PAUSE).await;
                at_once = 0;
            }
        }
    }
    if dropped != 0 {
        events.dropped(stream, dropped);
    }
    events.output(stream, &[]);
}

/// So many bytes a stream may print at once,
const BURST: u64 = 8 << 20;
/// and so many each second after that.
const RATE: u64 = 4 << 20;
/// Who prints more is heard again when there is room for so much, not for each drop of it.
const RESUME: u64 = 1 << 20;
/// That takes so long.
const REFILL: Duration = Duration::from_millis(1000 * RESUME / RATE);
const FOREVER: Duration = Duration::MAX;
/// After so many bytes that are dropped there is a pause.
const AT_ONCE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(1);

/// What a stream may still print.
#[derive(Debug)]
struct Allowance {
    left: u64,
    counted: Instant,
    exhausted: bool,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            counted: now,
            exhausted: false,
        }
    }

    /// Whether so many bytes may be printed now.
    fn take(&mut self, count: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted);
        let fresh = u64::try_from(passed.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_mul(RATE)
            / 1_000_000;
        if fresh > 0 {
            self.left = BURST.min(self.left.saturating_add(fresh));
            self.counted = now;
        }
        let needed = if self.exhausted { RESUME } else { count as u64 };
        self.exhausted = self.left < needed;
        if !self.exhausted {
            self.left = self.left.saturating_sub(count as u64);
        }
        !self.exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 16 << 10;

    #[test]
    fn burst_passes_and_what_follows_is_bounded() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        let mut passed = 0;
        // Ten seconds of 16 MiB a second.
        for piece in 0..10_240_u32 {
            let now = begin + Duration::from_micros(977) * piece;
            passed += u64::from(allowance.take(PIECE, now)) * PIECE as u64;
        }
        assert!(passed > BURST + 9 * RATE - RESUME, "{passed}");
        assert!(passed < BURST + 10 * RATE + RESUME, "{passed}");
    }

    #[test]
    fn who_was_stopped_is_heard_again_in_pieces_that_are_worth_it() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        while allowance.take(PIECE, begin) {}
        assert!(!allowance.take(1, begin + Duration::from_millis(200)));
        assert!(allowance.take(1, begin + Duration::from_millis(300)));
        assert!(allowance.take(PIECE, begin + Duration::from_millis(300)));
    }
}
