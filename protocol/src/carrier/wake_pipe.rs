//! The wake pipe: a pipe of the client's that an event loop watches. The host writes to it when a
//! turn is due, so that no thread of the client is needed to wake the loop.
//!
//! A notification says nothing else, may be repeated and may be lost: if no turn comes soon, the host
//! requests it on the home lane.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use hostd_shm::HostPipeWord;

/// The host's end of the wake pipe, for any of its threads.
#[derive(Debug)]
pub struct HostWakePipe {
    word: HostPipeWord,
    pipe: File,
    /// It was notified, and no turn has come since.
    is_notified: AtomicBool,
}

impl HostWakePipe {
    /// Writes to `pipe`, which is not to block, while a loop watches it.
    pub(super) fn new(word: HostPipeWord, pipe: File) -> Self {
        Self {
            word,
            pipe,
            is_notified: AtomicBool::new(false),
        }
    }

    /// Whether a loop watches it.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.word.is_watched()
    }

    /// Notifies if a turn could be given now. For a thread that wakes the JS thread as well.
    pub fn notify_if_at_top(&self) {
        if self.word.is_at_top() {
            self.notify();
        }
    }

    /// Notifies, unless that was done since the last turn. Whether a loop receives it.
    pub(super) fn notify(&self) -> bool {
        if !self.is_watched() {
            return false;
        }
        if self.is_notified.swap(true, Ordering::AcqRel) {
            return true;
        }
        let is_received = self.word.notify(|| match (&self.pipe).write(&[1]) {
            Ok(_) => true,
            // A full pipe is readable already.
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if !is_received {
            self.rearm();
        }
        is_received
    }

    /// A turn has come, or was declined: the next one is notified again.
    pub fn rearm(&self) {
        self.is_notified.store(false, Ordering::Release);
    }
}
