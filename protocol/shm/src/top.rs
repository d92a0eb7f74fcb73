//! Whether the JS thread is at its top, that is, outside of every call, where a turn can be given.
//!
//! The word says what the JS thread does, the lane of a turn that was announced, and whether a turn
//! was declined since: then the host requests another one.
//!
//! Upholds I-11.

use std::sync::Arc;

use crate::area::Area;
use crate::lane::LaneNumber;
use crate::sync::{AcqRel, Acquire, AtomicU32};

/// What the JS thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopState {
    /// It runs a call, or waits for a callback inside one.
    Busy,
    /// It waits at its top, for all lanes.
    AtTop,
    /// It was at its top, and a client's thread has announced a turn on this lane.
    Taken(LaneNumber),
}

/// What the host finds in the word when it changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// The state until now.
    pub state: TopState,
    /// A turn was declined since: it is to be requested again.
    pub declined: bool,
}

const BUSY: u32 = 0;
const AT_TOP: u32 = 1;
const TAKEN: u32 = 2;
const KIND: u32 = 0xff;
const LANE_SHIFT: u32 = 8;
const DECLINED: u32 = 1 << 31;
/// How often the client tries to change the word: a host may change it all the time.
const TRIES_MAX: usize = 64;

fn word(area: &Area) -> &AtomicU32 {
    &area.header().top.0
}

/// Every word has a meaning: the other side may write any, and it is only a hint.
fn decode(word: u32) -> Top {
    let lane = (word & !DECLINED) >> LANE_SHIFT;
    let state = match (word & KIND, LaneNumber::new(lane as usize)) {
        (AT_TOP, _) => TopState::AtTop,
        (TAKEN, Some(lane)) => TopState::Taken(lane),
        _ => TopState::Busy,
    };
    Top {
        state,
        declined: word & DECLINED != 0,
    }
}

/// Whether the word says that a turn can be given.
pub(crate) fn is_at_top(area: &Area) -> bool {
    decode(word(area).load(Acquire)).state == TopState::AtTop
}

/// Announces a turn on this lane: see [`ClientRings::try_take_top`](crate::ClientRings::try_take_top).
pub(crate) fn try_take(area: &Area, lane: LaneNumber) -> bool {
    let word = word(area);
    let mut seen = word.load(Acquire);
    for _ in 0..TRIES_MAX {
        let free = seen & KIND == AT_TOP;
        let next = if free {
            TAKEN | u32::from(lane.number()) << LANE_SHIFT | seen & DECLINED
        } else {
            seen | DECLINED
        };
        match word.compare_exchange(seen, next, AcqRel, Acquire) {
            Ok(_) => return free,
            Err(now) => seen = now,
        }
    }
    false
}

/// The host's view of the state word.
#[derive(Debug)]
pub struct HostTop(pub(crate) Arc<Area>);

impl HostTop {
    /// States that the JS thread is at its top.
    pub fn arrive(&self) -> Top {
        decode(word(&self.0).swap(AT_TOP, AcqRel))
    }

    /// States that it is busy. After [`Taken`](TopState::Taken) a turn is on its way.
    pub fn leave(&self) -> Top {
        decode(word(&self.0).swap(BUSY, AcqRel))
    }
}
