//! What a host says before its world is there: while it loads its addon, nobody can read it yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostd_protocol::frame::Header;
use hostd_protocol::ids::Generation;

/// So much is kept; of a host that says more before anybody can hear it, the rest is lost.
const MOST_NOTICES: usize = 1024;
const MOST_BYTES: usize = 1 << 20;

/// What is kept until a world is there.
#[derive(Debug, Default)]
pub(crate) struct Early {
    kept: Mutex<Kept>,
}

/// What was said, in its order.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// A turn is due, which nobody could give.
    pub(crate) is_rung: bool,
    pub(crate) notices: Vec<(Header, Vec<u8>)>,
    bytes: usize,
}

impl Early {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host rang. It takes it that it was heard, and need not ring again.
    pub(crate) fn ring(&self) {
        self.kept().is_rung = true;
    }

    /// Keeps a notice; false if there is no room for it.
    pub(crate) fn keep(&self, header: Header, body: &[u8]) -> bool {
        let mut kept = self.kept();
        let bytes = kept.bytes.saturating_add(body.len());
        if kept.notices.len() >= MOST_NOTICES || bytes > MOST_BYTES {
            return false;
        }
        kept.bytes = bytes;
        kept.notices.push((header, body.to_vec()));
        true
    }

    /// The world of this generation is there: takes what was said for it. What a host said that
    /// never came so far is dropped.
    pub(crate) fn take(&self, generation: Generation) -> Kept {
        let mut kept = std::mem::take(&mut *self.kept());
        kept.notices
            .retain(|(header, _)| header.generation == generation);
        kept
    }
}
