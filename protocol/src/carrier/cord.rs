//! The cord: a pipe of the client's that a loop over there watches by itself. A ring that goes this
//! way needs no thread of the client's in between.
//!
//! It says nothing but that a turn is due, any number of times, and may be lost: whoever pulls it
//! tells the same on the home lane if no turn comes soon.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// The host's end of the cord, for any of its threads.
#[derive(Debug)]
pub struct HostCord {
    word: hostd_shm::HostCord,
    pipe: File,
    /// It was pulled, and no turn has come since.
    pulled: AtomicBool,
}

impl HostCord {
    /// Writes to `pipe`, which is not to block, when it is watched.
    pub(super) fn new(word: hostd_shm::HostCord, pipe: File) -> Self {
        Self {
            word,
            pipe,
            pulled: AtomicBool::new(false),
        }
    }

    /// Whether somebody watches.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.word.is_watched()
    }

    /// Pulls, if a turn could be given now. Of any thread: the JS thread is to be woken as well.
    pub fn pull_if_at_top(&self) {
        if self.word.is_at_top() {
            self.pull();
        }
    }

    /// Pulls, unless that was done since the last turn. Whether it is heard.
    pub(super) fn pull(&self) -> bool {
        if !self.is_watched() {
            return false;
        }
        if self.pulled.swap(true, Ordering::AcqRel) {
            return true;
        }
        let is_heard = self.word.pull(|| match (&self.pipe).write(&[1]) {
            Ok(_) => true,
            // A full one is as good as pulled.
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if !is_heard {
            self.release();
        }
        is_heard
    }

    /// A turn has come, or somebody came for one: the next ring pulls again.
    pub fn release(&self) {
        self.pulled.store(false, Ordering::Release);
    }
}
