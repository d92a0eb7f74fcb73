//! The output of an addon: read continuously and handed on at once; the last of it is kept for exit
//! reports. What exceeds a rate limit is dropped and counted.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hostd_protocol::pace::{PAUSE, Pace};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::events::{HostEvents, OutputStream};
use crate::lock;
use crate::report::Tail;

/// A stream of a host that is being read.
#[derive(Debug)]
pub(crate) struct OutputReader {
    tail: Arc<Mutex<Tail>>,
    reading: Option<JoinHandle<()>>,
}

impl OutputReader {
    /// Begins to read. Must be called on the supervisor's thread.
    pub(crate) fn read(pipe: OwnedFd, stream: OutputStream, events: Arc<dyn HostEvents>) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let reading = Receiver::from_owned_fd(pipe).ok().map(|pipe| {
            let tail = Arc::clone(&tail);
            tokio::spawn(read_all(pipe, stream, events, tail))
        });
        Self { tail, reading }
    }

    /// Reads to the end of the stream. A child process of the host may keep it open: callers need a
    /// timeout.
    pub(crate) async fn finish(&mut self) {
        if let Some(reading) = &mut self.reading {
            // The task has no result.
            let _ = reading.await;
            self.reading = None;
        }
    }

    pub(crate) fn tail(&self) -> String {
        lock(&self.tail).text()
    }
}

async fn read_all(
    mut pipe: Receiver,
    stream: OutputStream,
    events: Arc<dyn HostEvents>,
    tail: Arc<Mutex<Tail>>,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut allowance = Allowance::new(Instant::now());
    let (mut dropped, mut dropped_since_pause) = (0, 0);
    let mut pace = Pace::new(READS_MAX);
    loop {
        // The count is reported even if no output follows.
        let deadline = if dropped == 0 {
            Duration::MAX
        } else {
            RESUME_INTERVAL
        };
        let count = match timeout(deadline, pipe.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => count,
            Err(_) => {
                events.dropped(stream, std::mem::take(&mut dropped));
                continue;
            }
        };
        if pace.is_exceeded(1) {
            tokio::time::sleep(PAUSE).await;
        }
        let bytes = &buffer[..count];
        lock(&tail).append(bytes);
        if allowance.take(count, Instant::now()) {
            if dropped != 0 {
                events.dropped(stream, std::mem::take(&mut dropped));
            }
            events.output(stream, bytes);
        } else {
            dropped += count as u64;
            dropped_since_pause += count;
            if dropped_since_pause >= DROPPED_BYTES_PER_PAUSE {
                // The full pipe slows the host down, and other hosts are served meanwhile.
                tokio::time::sleep(PAUSE).await;
                dropped_since_pause = 0;
            }
        }
    }
    if dropped != 0 {
        events.dropped(stream, dropped);
    }
    events.output(stream, &[]);
}

/// How many bytes a stream may print at once.
const BURST_BYTES: u64 = 8 << 20;
/// How many bytes a stream may print each second after a burst.
const RATE_BYTES_PER_S: u64 = 4 << 20;
/// After a drop, output is read again once this many bytes are allowed.
const RESUME_BYTES: u64 = 1 << 20;
/// How long it takes until [`RESUME_BYTES`] are allowed.
const RESUME_INTERVAL: Duration = Duration::from_millis(1000 * RESUME_BYTES / RATE_BYTES_PER_S);
/// After this many dropped bytes there is a [`PAUSE`].
const DROPPED_BYTES_PER_PAUSE: usize = 64 << 10;
/// How often a stream is read within a [`PAUSE`], so that small pieces are read together.
const READS_MAX: usize = 16;

/// A token bucket: how many bytes a stream may still print.
#[derive(Debug)]
struct Allowance {
    left: u64,
    counted: Instant,
    exhausted: bool,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST_BYTES,
            counted: now,
            exhausted: false,
        }
    }

    /// Takes this many bytes; false if they are not allowed now.
    fn take(&mut self, count: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted);
        let fresh = u64::try_from(passed.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_mul(RATE_BYTES_PER_S)
            / 1_000_000;
        if fresh > 0 {
            self.left = BURST_BYTES.min(self.left.saturating_add(fresh));
            self.counted = now;
        }
        let needed = if self.exhausted {
            RESUME_BYTES
        } else {
            count as u64
        };
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
        assert!(
            passed > BURST_BYTES + 9 * RATE_BYTES_PER_S - RESUME_BYTES,
            "{passed}"
        );
        assert!(
            passed < BURST_BYTES + 10 * RATE_BYTES_PER_S + RESUME_BYTES,
            "{passed}"
        );
    }

    #[test]
    fn output_resumes_only_when_enough_bytes_are_allowed() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        while allowance.take(PIECE, begin) {}
        assert!(!allowance.take(1, begin + Duration::from_millis(200)));
        assert!(allowance.take(1, begin + Duration::from_millis(300)));
        assert!(allowance.take(PIECE, begin + Duration::from_millis(300)));
    }
}
