//! The client's end: lanes leased to one thread at a time.

#![expect(
    unsafe_code,
    reason = "leased lanes and buffers: see the invariants in lib.rs"
)]

mod lane;
#[cfg(not(loom))]
mod waiter;

use std::cell::UnsafeCell;
use std::ops::{ControlFlow, Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use self::lane::cancel_word;
pub use self::lane::{ClientRings, Waited};
#[cfg(not(loom))]
pub use self::waiter::{LaneWaiter, LaneWaiterWaker, WAIT_LANES_MAX, can_wait_for_lanes};
use crate::area::Area;
use crate::lane::{HOME_LANE, LANES, LaneNumber};
use crate::lease::Leases;
use crate::wake_pipe::ClientPipeWord;

/// The client's end of a segment. Cloning it is cheap; any thread may use it.
///
/// A wait takes a `check`, which says whether to go on. It is called before a thread parks, at least
/// every [`PARK_MAX`](hostd_wait::constants::PARK_MAX), and after [`SegmentClient::wake_all`].
#[derive(Debug, Clone)]
pub struct SegmentClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    area: Arc<Area>,
    leases: Leases,
    /// The host is gone.
    disconnected: AtomicBool,
    lanes: [UnsafeCell<ClientRings>; LANES],
}

// SAFETY: L; a lane in its cell is reached through its only lease, and `ClientRings` may be sent
// between threads. All else is `Sync` by itself.
unsafe impl Sync for Shared {}
// SAFETY: L; a lease is dropped before the `Shared` that it holds, and all parts may be sent.
unsafe impl Send for Shared {}

impl SegmentClient {
    pub(crate) fn new(area: Arc<Area>) -> Self {
        let lanes = std::array::from_fn(|number| {
            let index = LaneNumber::new(number).unwrap_or(HOME_LANE);
            UnsafeCell::new(ClientRings::new(Arc::clone(&area), index))
        });
        Self {
            shared: Arc::new(Shared {
                area,
                leases: Leases::default(),
                disconnected: AtomicBool::new(false),
                lanes,
            }),
        }
    }

    /// Leases a lane for a call, if one is free and no thread waits for one. Lock-free.
    ///
    /// `hint` is the lane that the calling thread had last: it gets that one if it is free, with
    /// its memory warm and its spinning adapted.
    #[inline]
    pub fn try_lease(&self, hint: Option<LaneNumber>) -> Option<Lease> {
        self.shared
            .leases
            .try_lease(hint)
            .map(|index| self.leased(index))
    }

    /// Leases a lane for a call; waits for one if none is free, first come first served, for as
    /// long as `check` allows.
    pub fn lease(
        &self,
        hint: Option<LaneNumber>,
        check: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Lease> {
        if let Some(lease) = self.try_lease(hint) {
            return Some(lease);
        }
        let index = self.shared.leases.lease(hint, check)?;
        Some(self.leased(index))
    }

    /// Leases the home lane, on which the host's one-way frames come. None if it is leased.
    pub fn try_lease_home(&self) -> Option<Lease> {
        let leases = &self.shared.leases;
        leases.try_lease_home().then(|| self.leased(HOME_LANE))
    }

    #[inline]
    fn leased(&self, index: LaneNumber) -> Lease {
        let shared = Arc::clone(&self.shared);
        Lease { shared, index }
    }

    /// Has every thread of this process that waits on a lane or for one call its check: after a flag
    /// was set that the checks read, as when the host has died.
    pub fn wake_all(&self) {
        for index in LaneNumber::all() {
            self.shared.area.lane(index).parker.0.unpark();
        }
        self.shared.leases.wake_all();
    }

    /// The host is gone: sets what [`is_disconnected`](Self::is_disconnected) tells, and has every
    /// thread that waits call its check.
    pub fn disconnect(&self) {
        self.shared.disconnected.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether the host is gone.
    #[inline]
    pub fn is_disconnected(&self) -> bool {
        self.shared.disconnected.load(Ordering::Acquire)
    }

    /// As [`ClientRings::set_cancel`], also while another thread has leased the lane.
    pub fn set_cancel(&self, index: LaneNumber, word: u32) {
        lane::set_cancel(&self.shared.area, index, word);
    }

    /// The word of the wake pipe.
    pub fn pipe_word(&self) -> ClientPipeWord {
        ClientPipeWord(Arc::clone(&self.shared.area))
    }

    /// To be called in a forked child, before it uses anything of this client. The child does not
    /// inherit the mapping; this maps private memory in its place, so that frames of the parent
    /// that unwind in the child write there, instead of faulting. The caller has its checks break
    /// in the child.
    #[cfg(not(loom))]
    pub fn detach_forked(&self) -> Result<(), crate::SegmentError> {
        self.shared.leases.forget_waiters();
        self.shared.area.detach_forked()
    }
}

/// A lane for as long as it is leased; returned when dropped.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    index: LaneNumber,
}

impl Lease {
    /// Whether the host is gone.
    #[inline]
    pub fn is_disconnected(&self) -> bool {
        self.shared.disconnected.load(Ordering::Acquire)
    }

    /// The lane, and the flag that says whether the host is gone, for the check of a wait on it.
    pub fn with_disconnected(&mut self) -> (&mut ClientRings, &AtomicBool) {
        let shared = &*self.shared;
        // SAFETY: L; this is the only lease of the lane, and it is borrowed mutably.
        let lane = unsafe { &mut *shared.lanes[self.index.get()].get() };
        (lane, &shared.disconnected)
    }
}

impl Deref for Lease {
    type Target = ClientRings;

    #[inline]
    fn deref(&self) -> &ClientRings {
        // SAFETY: L; this is the only lease of the lane, and it is borrowed shared.
        unsafe { &*self.shared.lanes[self.index.get()].get() }
    }
}

impl DerefMut for Lease {
    #[inline]
    fn deref_mut(&mut self) -> &mut ClientRings {
        // SAFETY: L; this is the only lease of the lane, and it is borrowed mutably.
        unsafe { &mut *self.shared.lanes[self.index.get()].get() }
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        // A model that has failed has dropped its atomics.
        if cfg!(loom) && std::thread::panicking() {
            return;
        }
        self.notify();
        self.shared.leases.give_back(self.index);
    }
}
