//! Notices that a host sends while it loads its addon. Its generation has no tables yet, so they are
//! kept and read when the load is done.

use std::sync::Mutex;

use hostd_client::lock;
use hostd_protocol::frame::Header;
use hostd_protocol::ids::Generation;

use crate::fallible;

/// The most notices that are kept; further ones are dropped.
const PRELOAD_NOTICES_MAX: usize = 1024;
/// The most bytes of notices that are kept.
const PRELOAD_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct PreloadNotices {
    kept: Mutex<Kept>,
}

/// What was kept, in the order of arrival.
#[derive(Default)]
pub(crate) struct Kept {
    /// The host requested a turn.
    pub(crate) is_turn_requested: bool,
    pub(crate) notices: Vec<(Header, Vec<u8>)>,
    bytes: usize,
}

impl PreloadNotices {
    /// A host requested a turn. It does not request it again.
    pub(crate) fn request_turn(&self) {
        lock(&self.kept).is_turn_requested = true;
    }

    /// Keeps a notice; false if there is no room for it.
    pub(crate) fn keep(&self, header: Header, body: &[u8]) -> bool {
        let mut kept = lock(&self.kept);
        let bytes = kept.bytes.saturating_add(body.len());
        if kept.notices.len() >= PRELOAD_NOTICES_MAX || bytes > PRELOAD_BYTES_MAX {
            return false;
        }
        let Some(copy) = fallible::copied(body) else {
            return false;
        };
        kept.bytes = bytes;
        kept.notices.push((header, copy));
        true
    }

    /// Takes what was kept for this generation, which has loaded its addon, and drops the rest.
    pub(crate) fn take(&self, generation: Generation) -> Kept {
        let mut kept = std::mem::take(&mut *lock(&self.kept));
        kept.notices
            .retain(|(header, _)| header.generation == generation);
        kept
    }
}
