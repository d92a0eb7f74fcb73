//! The two descriptors through which an event loop of the client learns that a turn is due.

use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::WakePipe;

/// A host's wake pipe with the descriptor that one loop watches.
#[derive(Debug)]
pub struct PipeWatch {
    /// The pipe of the host.
    pub pipe: Arc<WakePipe>,
    /// What the loop watches.
    pub descriptor: OwnedFd,
}

impl PipeWatch {
    /// None if the host has no pipe or no descriptor is left.
    pub fn new(pipe: Arc<WakePipe>) -> Option<Self> {
        let descriptor = pipe.descriptor().ok()?;
        Some(Self { pipe, descriptor })
    }
}

/// A pipe of this process that makes a loop run its reader.
#[derive(Debug)]
pub struct LoopSignal {
    reader: PipeReader,
    writer: PipeWriter,
    /// A byte is in the pipe.
    is_set: AtomicBool,
    is_retired: AtomicBool,
}

impl LoopSignal {
    /// A signal that is not set.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self {
            reader,
            writer,
            is_set: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
        })
    }

    /// What the loop watches.
    pub fn descriptor(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    /// Makes the descriptor readable, until [`Self::clear`].
    pub fn set(&self) {
        if !self.is_set.swap(true, Ordering::AcqRel) {
            // At most one byte is in the pipe, so this does not block.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// The loop has noticed the signal.
    pub fn clear(&self) {
        if self.is_set.swap(false, Ordering::AcqRel) {
            let _ = (&self.reader).read(&mut [0]);
        }
    }

    /// Has the loop stop watching when it runs next.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.set();
    }

    /// Whether the loop is to stop watching.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sets_are_one_byte_and_one_clear_takes_it() {
        let signal = LoopSignal::new().unwrap();
        signal.set();
        signal.set();
        assert!(signal.is_set.load(Ordering::Relaxed));
        signal.clear();
        // A second byte would be read here; without one this does not block.
        signal.clear();
        assert!(!signal.is_set.load(Ordering::Relaxed) && !signal.is_retired());
        signal.retire();
        assert!(signal.is_set.load(Ordering::Relaxed) && signal.is_retired());
    }
}
