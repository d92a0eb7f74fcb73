//! The client's end: lanes leased to one thread at a time.

#![expect(
    unsafe_code,
    reason = "leased lanes and buffers: see the invariants in lib.rs"
)]

mod lane;

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use self::lane::cancel_word;
pub use self::lane::{ClientLane, LaneHandle};
use crate::area::Area;
use crate::cord::ClientCord;
use crate::error::Stopped;
use crate::layout::{HOME_LANE, LANES, LaneIndex};
use crate::lease::Leases;
use crate::top::ClientTop;

/// What a check says about a wait: it is asked before a thread sleeps, at least every
/// [`SLICE`](crate::SLICE), and after [`Client::wake_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on waiting.
    Continue,
    /// Give up.
    Stop,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Ready,
    /// The check said so.
    Stopped,
}

/// The client's end of a segment. Cloning it is cheap; any thread may use it.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    area: Arc<Area>,
    leases: Leases,
    home_leased: AtomicBool,
    lanes: [UnsafeCell<ClientLane>; LANES],
}

// SAFETY: a lane in its cell is reached through its lease only, and there is one at a time
// (invariant 4); a `ClientLane` may be sent between threads. All else is `Sync` by itself.
unsafe impl Sync for Shared {}
// SAFETY: all parts may be sent.
unsafe impl Send for Shared {}

impl Client {
    pub(crate) fn new(area: Arc<Area>) -> Self {
        let lanes = std::array::from_fn(|number| {
            let index = LaneIndex::new(number).unwrap_or(HOME_LANE);
            UnsafeCell::new(ClientLane::new(Arc::clone(&area), index))
        });
        let home_leased = AtomicBool::new(false);
        Self {
            shared: Arc::new(Shared {
                area,
                leases: Leases::new(),
                home_leased,
                lanes,
            }),
        }
    }

    /// Leases a lane for a call, if one is free and nobody waits for one. Lock-free.
    ///
    /// `hint` is the lane that the calling thread had last: it gets that one if it is free, with
    /// its memory warm and its spinning adapted.
    #[inline]
    pub fn try_lease(&self, hint: Option<LaneIndex>) -> Option<Lease> {
        let index = self.shared.leases.try_lease(hint)?;
        Some(Lease {
            shared: Arc::clone(&self.shared),
            index,
        })
    }

    /// Leases a lane for a call; waits for one if none is free, first come first served, for as
    /// long as `check` allows.
    pub fn lease(
        &self,
        hint: Option<LaneIndex>,
        check: &mut dyn FnMut() -> Verdict,
    ) -> Result<Lease, Stopped> {
        if let Some(lease) = self.try_lease(hint) {
            return Ok(lease);
        }
        let index = self.shared.leases.lease(hint, check)?;
        Ok(Lease {
            shared: Arc::clone(&self.shared),
            index,
        })
    }

    /// Leases the home lane, on which the host's one-way frames come. None if it is leased.
    pub fn try_lease_home(&self) -> Option<Lease> {
        if self.shared.home_leased.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Lease {
            shared: Arc::clone(&self.shared),
            index: HOME_LANE,
        })
    }

    /// Wakes every thread of this process that waits on a lane or for one, so that it asks its
    /// check: for whoever has found out that the host is dead, after having set its flag.
    pub fn wake_all(&self) {
        for index in LaneIndex::all() {
            self.shared.area.lane(index).bell.0.ring();
        }
        self.shared.leases.wake_all();
    }

    /// A handle to a lane that other threads may use while it is leased.
    pub fn handle(&self, index: LaneIndex) -> LaneHandle {
        LaneHandle::new(Arc::clone(&self.shared.area), index)
    }

    /// The word that says whether the JS thread is at its top.
    pub fn top(&self) -> ClientTop {
        ClientTop(Arc::clone(&self.shared.area))
    }

    /// The word that says whether the cord is watched.
    pub fn cord(&self) -> ClientCord {
        ClientCord(Arc::clone(&self.shared.area))
    }

    /// To be called in a forked child, before it uses anything of this client. The child does not
    /// inherit the mapping; this puts private memory in its place, so that frames of the parent
    /// that unwind in the child write nothing that anybody sees, instead of faulting. The caller
    /// makes its checks say [`Verdict::Stop`] there.
    #[cfg(all(not(loom), target_os = "linux"))]
    pub fn detach_forked(&self) -> Result<(), crate::SegmentError> {
        self.shared.leases.forget_waiters();
        self.shared.area.detach_forked()
    }
}

/// A lane for as long as it is leased; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    index: LaneIndex,
}

impl Deref for Lease {
    type Target = ClientLane;

    #[inline]
    fn deref(&self) -> &ClientLane {
        // SAFETY: invariant 4: this is the only lease of the lane, and it is borrowed shared.
        unsafe { &*self.shared.lanes[self.index.get()].get() }
    }
}

impl DerefMut for Lease {
    #[inline]
    fn deref_mut(&mut self) -> &mut ClientLane {
        // SAFETY: invariant 4: this is the only lease of the lane, and it is borrowed mutably.
        unsafe { &mut *self.shared.lanes[self.index.get()].get() }
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        // A model that has failed is over, and its atomics with it.
        if cfg!(loom) && std::thread::panicking() {
            return;
        }
        self.notify();
        if self.index == HOME_LANE {
            self.shared.home_leased.store(false, Ordering::Release);
        } else {
            self.shared.leases.give_back(self.index);
        }
    }
}
