//! Whether the JS thread is at its top, so that the owner of pending work may give it a turn.

use std::sync::Arc;

use crate::area::Area;
use crate::sync::{AcqRel, Acquire, AtomicU32, Relaxed};

/// What the JS thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum TopState {
    /// It runs a call, or waits for a callback inside one.
    Busy = 0,
    /// It waits at its top for whatever comes.
    AtTop = 1,
    /// It was at its top, and an owner has announced a turn.
    Taken = 2,
}

fn word(area: &Area) -> &AtomicU32 {
    &area.header().top.0
}

fn state(word: u32) -> TopState {
    match word {
        1 => TopState::AtTop,
        2 => TopState::Taken,
        _ => TopState::Busy,
    }
}

/// The client's view of the state word.
#[derive(Debug, Clone)]
pub struct ClientTop(pub(crate) Arc<Area>);

impl ClientTop {
    /// Announces a turn, if the JS thread is at its top and no other turn is announced. Then the
    /// turn is to be sent at once; else the host rings again when it is at its top.
    pub fn try_take(&self) -> bool {
        let (top, taken) = (TopState::AtTop as u32, TopState::Taken as u32);
        word(&self.0)
            .compare_exchange(top, taken, AcqRel, Relaxed)
            .is_ok()
    }

    /// The state as the host claims it.
    pub fn state(&self) -> TopState {
        state(word(&self.0).load(Acquire))
    }
}

/// The host's view of the state word.
#[derive(Debug)]
pub struct HostTop(pub(crate) Arc<Area>);

impl HostTop {
    /// Says that the JS thread is at its top.
    pub fn arrive(&self) {
        word(&self.0).swap(TopState::AtTop as u32, AcqRel);
    }

    /// Says that it is busy, and returns what was said until now: after
    /// [`Taken`](TopState::Taken) a turn is on its way.
    pub fn leave(&self) -> TopState {
        state(word(&self.0).swap(TopState::Busy as u32, AcqRel))
    }
}
