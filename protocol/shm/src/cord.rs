//! The word that says whether somebody watches the cord: a descriptor of the client's that the host
//! may write to when a turn is due, beside the home lane.
//!
//! Nobody hears a cord that is not watched. So the client first takes the word back and then looks
//! whether the cord was pulled, and the host pulls and then looks at the word: one of the two finds
//! out. The word is a hint between two who may lie; what it costs at worst is a turn that comes late.

use std::sync::Arc;

use crate::area::Area;
use crate::bell::publish_fence;
use crate::sync::{AtomicU32, Fault, SeqCst, faulty, fence};
use crate::top::is_at_top;

const WATCHED: u32 = 1;

fn word(area: &Area) -> &AtomicU32 {
    &area.header().cord.0
}

/// The client's view of the word.
#[derive(Debug, Clone)]
pub struct ClientCord(pub(crate) Arc<Area>);

impl ClientCord {
    /// Says that somebody watches the cord from now on.
    pub fn watch(&self) {
        word(&self.0).store(WATCHED, SeqCst);
    }

    /// Says that nobody does any more, and looks then whether it was pulled: whoever did that may
    /// take it for heard.
    pub fn leave(&self, was_pulled: impl FnOnce() -> bool) -> bool {
        if faulty(Fault::LateAnnouncement) {
            let was_pulled = was_pulled();
            word(&self.0).store(0, SeqCst);
            return was_pulled;
        }
        word(&self.0).store(0, SeqCst);
        fence(SeqCst);
        was_pulled()
    }
}

/// The host's view of the word, for any of its threads.
#[derive(Debug, Clone)]
pub struct HostCord(pub(crate) Arc<Area>);

impl HostCord {
    /// Whether somebody watches.
    pub fn is_watched(&self) -> bool {
        word(&self.0).load(SeqCst) == WATCHED
    }

    /// Whether a turn could be given now.
    pub fn is_at_top(&self) -> bool {
        is_at_top(&self.0)
    }

    /// Pulls the cord by means of `pull`, which says whether it could. Whether that was heard.
    pub fn pull(&self, pull: impl FnOnce() -> bool) -> bool {
        if !self.is_watched() || !pull() {
            return false;
        }
        publish_fence();
        faulty(Fault::NoSecondLook) || self.is_watched()
    }
}
