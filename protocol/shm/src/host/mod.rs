//! The host's end: the JS thread serves all lanes and parks on one word.

mod lane;
mod shared;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use self::lane::{CancelWord, HostRings, HostWait};
use self::shared::Shared;
pub use self::shared::{Switch, WaitLimit};
use crate::area::Area;
use crate::error::Violation;
use crate::lane::LaneNumber;
use crate::parker::{HostAnnouncement, MODE_FUTEX, publish_fence};
use crate::ready::ReadyBitmap;
use crate::sync::{AcqRel, AtomicU32, SeqCst};
use crate::top::HostTop;
use crate::wake_pipe::HostPipeWord;

/// The host's end of a segment, taken apart. All but `waker` and `pipe` stay on the JS thread.
#[derive(Debug)]
pub struct SegmentHost {
    /// Waits for all lanes at once.
    pub waiter: HostWaiter,
    /// The lanes, by number; the first is the home lane.
    pub lanes: Vec<HostRings>,
    /// Wakes the JS thread from other threads of this process.
    pub waker: FutexWaker,
    /// The word that says whether the JS thread is at its top.
    pub top: HostTop,
    /// The word of the client's wake pipe.
    pub pipe: HostPipeWord,
}

impl SegmentHost {
    pub(crate) fn new(area: Arc<Area>) -> Self {
        area.header().host.0.mode.store(MODE_FUTEX, SeqCst);
        let woken = Arc::new(AtomicU32::new(0));
        let shared = Rc::new(Shared::new(Arc::clone(&area), Arc::clone(&woken)));
        let lane = |index| HostRings::new(Rc::clone(&shared), index);
        Self {
            lanes: LaneNumber::all().map(lane).collect(),
            waiter: HostWaiter { shared, start: 0 },
            waker: FutexWaker {
                area: Arc::clone(&area),
                woken,
            },
            top: HostTop(Arc::clone(&area)),
            pipe: HostPipeWord(area),
        }
    }
}

/// What a wait of the JS thread found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Lanes that have something to read, in the order in which to serve them.
    pub lanes: ReadyBitmap,
    /// Whether a [`FutexWaker`] woke the JS thread since this was last reported.
    pub woken: bool,
}

impl Ready {
    /// Whether the timeout expired before anything came.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty() && !self.woken
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
    /// Notifies all clients, then waits until a lane has something to read, a [`FutexWaker`] wakes
    /// the thread, or `timeout` expires.
    ///
    /// Serve the lanes in the order given, each once, and wait again; a lane that still has
    /// something then is found again without parking.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Ready, Violation> {
        let shared = &self.shared;
        let found =
            shared.wait(HostAnnouncement::All, timeout, |is_announced| {
                match if is_announced {
                    shared.last_poll()
                } else {
                    shared.poll()
                } {
                    Ok(0) if !shared.is_woken() => None,
                    found => Some(found),
                }
            });
        let lanes = ReadyBitmap::new(found.transpose()?.unwrap_or(0), self.start);
        if let Some(first) = lanes.first() {
            self.shared.hot.set(Some(first));
            self.start = first.number().wrapping_add(1) % 64;
        }
        Ok(Ready {
            lanes,
            woken: self.shared.take_woken(),
        })
    }

    /// The next wait is for the client's answer to something other than a frame on the home lane,
    /// as a notification through the wake pipe.
    pub fn expect_answer(&mut self) {
        self.shared.expects_answer.set(true);
    }

    /// Has every wait of this end call `switch`, in place of spinning and parking, with the time that it
    /// may take: where the client's end runs on the same thread. It returns once that has notified this
    /// end, or for no reason; true wakes the thread as a [`FutexWaker`] does. Can be set once.
    pub fn on_wait(&mut self, switch: Box<Switch>) {
        let _ = self.shared.switch.set(switch);
    }

    /// Calls `switch` of [`on_wait`](Self::on_wait) once, with the limit that it was called with before, and
    /// returns what that returned. None, and nothing is called, if there is none, or something is to be
    /// done first.
    #[inline]
    pub fn switch_once(&self) -> Option<bool> {
        let switch = self.shared.switch.get()?;
        self.shared.is_quiet().then(|| switch(WaitLimit::Unchanged))
    }

    /// Has `hook` called while the JS thread spins without success, with the time since it began, and
    /// with the maximum before it parks. It returns whether other threads of this process need a CPU:
    /// then the JS thread yields between polls.
    pub fn on_idle(&mut self, hook: fn(Duration) -> bool) {
        self.shared.on_idle.set(hook);
    }
}

/// Wakes the JS thread, from any thread of the host process: control messages, completions,
/// threadsafe functions.
#[derive(Debug, Clone)]
pub struct FutexWaker {
    area: Arc<Area>,
    woken: Arc<AtomicU32>,
}

impl FutexWaker {
    /// Makes the next or the present wait of the JS thread end. What was written before is visible
    /// after it. Cheap while an earlier wake-up has not been reported yet.
    pub fn wake(&self) {
        if self.woken.swap(1, AcqRel) == 0 {
            publish_fence();
            self.area.header().host.0.parker.unpark_if(|_| true);
        }
    }
}
