//! What the addon prints: read all the time, told at once, its end kept.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

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
    while let Ok(count) = pipe.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let bytes = &buffer[..count];
        tail.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(bytes);
        events.output(stream, bytes);
    }
}
