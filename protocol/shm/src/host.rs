//! The host's end: the JS thread serves all lanes and sleeps on one word.

mod lane;
mod shared;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use self::lane::{CancelFlag, HostLane, HostWait};
use self::shared::Shared;
use crate::area::Area;
use crate::bell::{HostSleep, MODE_FUTEX, publish_fence};
use crate::cord::HostCord;
use crate::error::Violation;
use crate::layout::LaneIndex;
use crate::ready::ReadyBitmap;
use crate::sync::{AcqRel, AtomicU32, SeqCst};
use crate::top::HostTop;

/// The host's end of a segment, taken apart. All but the waker stays on the JS thread.
#[derive(Debug)]
pub struct Host {
    /// Waits for all lanes at once.
    pub waiter: HostWaiter,
    /// The lanes, by number; the first is the home lane.
    pub lanes: Vec<HostLane>,
    /// Wakes the JS thread from other threads of this process.
    pub waker: HostWaker,
    /// The word that says whether the JS thread is at its top.
    pub top: HostTop,
    /// The word that says whether the client's cord is watched.
    pub cord: HostCord,
}

impl Host {
    pub(crate) fn new(area: Arc<Area>) -> Self {
        area.header().host.0.mode.store(MODE_FUTEX, SeqCst);
        let rung = Arc::new(AtomicU32::new(0));
        let shared = Rc::new(Shared::new(Arc::clone(&area), Arc::clone(&rung)));
        let lane = |index| HostLane::new(Rc::clone(&shared), index);
        Self {
            lanes: LaneIndex::all().map(lane).collect(),
            waiter: HostWaiter { shared, start: 0 },
            waker: HostWaker {
                area: Arc::clone(&area),
                rung,
            },
            top: HostTop(Arc::clone(&area)),
            cord: HostCord(area),
        }
    }
}

/// What a wait of the JS thread found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Lanes that have something to read, in the order in which to serve them.
    pub lanes: ReadyBitmap,
    /// Whether a [`HostWaker`] rang since the last time that this was said.
    pub rung: bool,
}

impl Ready {
    /// Whether the time was over before anything came.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty() && !self.rung
    }
}

/// Waits for all lanes at once, at the JS thread's top or wherever it serves every lane.
#[derive(Debug)]
pub struct HostWaiter {
    shared: Rc<Shared>,
    /// Where the next round begins.
    start: u8,
}

impl HostWaiter {
    /// Waits until a lane has something to read or a [`HostWaker`] rings, at most for `timeout`.
    /// Pays first what is owed to any client.
    ///
    /// Serve the lanes in the order given, each once, and wait again; a lane that still has
    /// something then is found again without sleeping.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Ready, Violation> {
        let shared = &self.shared;
        let found = shared.wait(HostSleep::All, timeout, |last| {
            match if last {
                shared.last_look()
            } else {
                shared.look()
            } {
                Ok(0) if !shared.rung() => None,
                found => Some(found),
            }
        });
        let lanes = ReadyBitmap::new(found.transpose()?.unwrap_or(0), self.start);
        if let Some(first) = lanes.first() {
            self.shared.serves(first);
            self.start = first.number().wrapping_add(1) % 64;
        }
        Ok(Ready {
            lanes,
            rung: self.shared.take_rung(),
        })
    }

    /// What can be read now, without waiting.
    pub fn poll(&mut self) -> Result<Ready, Violation> {
        self.shared.notify_all();
        let lanes = ReadyBitmap::new(self.shared.look()?, self.start);
        Ok(Ready {
            lanes,
            rung: self.shared.take_rung(),
        })
    }

    /// The next wait is for the client's answer to something that it was told by other means than
    /// the home lane.
    pub fn expect_answer(&mut self) {
        self.shared.expect_answer();
    }

    /// Has this called now and then while the JS thread looks for something to do in vain, with the
    /// time that this has lasted, and with the longest there is before it sleeps. It answers whether
    /// other threads of this process want a CPU: then the JS thread lets them between two looks.
    pub fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        self.shared.on_idle(hook);
    }

    /// Never spin again (for measurements).
    pub fn disable_spin(&mut self) {
        self.shared.disable_spin();
    }
}

/// Wakes the JS thread, from any thread of the host process: control messages, completions,
/// threadsafe functions.
#[derive(Debug, Clone)]
pub struct HostWaker {
    area: Arc<Area>,
    rung: Arc<AtomicU32>,
}

impl HostWaker {
    /// Makes the next or the present wait of the JS thread end. What was written before is visible
    /// after it. Cheap if it has been rung already and the JS thread has not taken notice yet.
    pub fn wake(&self) {
        if self.rung.swap(1, AcqRel) == 0 {
            publish_fence();
            self.area.header().host.0.bell.wake_if(|_| true);
        }
    }
}
