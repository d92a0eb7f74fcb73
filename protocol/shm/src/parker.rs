//! Where an end parks, and how the other end finds it there.
//!
//! Upholds I-4.

use std::time::Duration;

use crate::lane::{Interest, LaneNumber};
use crate::sync::{AtomicU32, AtomicU64, Fault, Futex, Relaxed, SeqCst, faulty, fence};

/// The words of one parked thread: a futex and what the thread announced.
///
/// Zero announces nothing. Otherwise the meaning is that of a [`ClientAnnouncement`] or a
/// [`HostAnnouncement`].
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Parker {
    futex: Futex,
    announced: AtomicU32,
}

impl Parker {
    /// Parks unless `is_ready` is true after `announcement` was made. The caller polls again
    /// afterwards in any case.
    pub(crate) fn park(
        &self,
        announcement: u32,
        timeout: Option<Duration>,
        is_ready: impl FnOnce() -> bool,
    ) {
        let mut seen = self.futex.load();
        if faulty(Fault::LateAnnouncement) {
            if !is_ready() {
                self.announced.store(announcement, SeqCst);
                self.futex.wait(seen, timeout);
            }
        } else {
            self.announced.store(announcement, SeqCst);
            fence(SeqCst);
            let is_ready = !faulty(Fault::NoSecondPoll) && is_ready();
            if faulty(Fault::LateLoad) {
                seen = self.futex.load();
            }
            if !is_ready {
                self.futex.wait(seen, timeout);
            }
        }
        self.withdraw();
    }

    /// Announces a wait for several words at once, of which this one is as it is returned. The caller
    /// polls once more before it waits.
    #[cfg(not(loom))]
    pub(crate) fn announce(&self, announcement: u32) -> u32 {
        let seen = self.futex.load();
        self.announced.store(announcement, SeqCst);
        seen
    }

    /// The word to wait on.
    #[cfg(not(loom))]
    pub(crate) fn futex(&self) -> &Futex {
        &self.futex
    }

    /// The wait is over.
    pub(crate) fn withdraw(&self) {
        self.announced.store(0, SeqCst);
    }

    /// Unparks the thread if its announcement `concerns` the caller, which has published its news and
    /// passed a fence since. Whether it did.
    #[inline]
    pub(crate) fn unpark_if(&self, concerns: impl FnOnce(u32) -> bool) -> bool {
        let announced = self.announced.load(SeqCst);
        let is_concerned = announced != 0 && concerns(announced);
        if is_concerned {
            self.unpark();
        }
        is_concerned
    }

    /// Unparks the thread, for any reason that it waits.
    #[cold]
    pub(crate) fn unpark(&self) {
        if faulty(Fault::NoBump) {
            self.futex.wake();
        } else {
            self.futex.bump_and_wake();
        }
    }
}

/// The fence between a write and the load of the other end's announcement.
#[inline]
pub(crate) fn publish_fence() {
    if !faulty(Fault::NoPublishFence) {
        fence(SeqCst);
    }
}

/// What a client's thread announces: its [`Interest`] as bits, and its CPU above them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAnnouncement;

impl ClientAnnouncement {
    const INTEREST_BITS: u32 = 2;

    /// The announcement of a thread that parks on `cpu`.
    pub(crate) fn encode(interest: Interest, cpu: u32) -> u32 {
        cpu.wrapping_add(1) << Self::INTEREST_BITS | interest.bits()
    }

    /// The CPU of the parked thread, if it was announced.
    pub(crate) fn cpu(announced: u32) -> Option<u32> {
        (announced >> Self::INTEREST_BITS).checked_sub(1)
    }
}

/// The words of the JS thread, for all lanes.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct HostControl {
    /// Lanes that the JS thread polls before it parks. Clients set bits, the host clears them.
    pub(crate) ready: AtomicU64,
    /// It announces a [`HostAnnouncement`].
    pub(crate) parker: Parker,
    /// How the JS thread parks: [`MODE_FUTEX`]. Other values are reserved for a wait on file
    /// descriptors.
    pub(crate) mode: AtomicU32,
    /// The CPU of the client that woke the JS thread last, plus one; zero once the JS thread has
    /// read it.
    waker_cpu: AtomicU32,
    /// Counts migrations of the JS thread away from a client's CPU.
    pub(crate) migrations: AtomicU32,
    /// The CPU from which the JS thread woke a client last, plus one.
    host_cpu: AtomicU32,
}

impl HostControl {
    /// A client that runs on `cpu` is about to wake the JS thread.
    pub(crate) fn set_waker_cpu(&self, cpu: u32) {
        self.waker_cpu.store(cpu.wrapping_add(1), Relaxed);
    }

    /// The JS thread is about to wake a client from `cpu`.
    pub(crate) fn set_host_cpu(&self, cpu: u32) {
        self.host_cpu.store(cpu.wrapping_add(1), Relaxed);
    }

    /// Whether the JS thread woke a client last from another CPU than `cpu`.
    pub(crate) fn is_host_elsewhere(&self, cpu: u32) -> bool {
        let host_cpu = self.host_cpu.load(Relaxed);
        host_cpu != 0 && host_cpu != cpu.wrapping_add(1)
    }

    /// The CPU of the client that has woken the JS thread since the last call, if one did.
    pub(crate) fn take_waker_cpu(&self) -> Option<u32> {
        self.waker_cpu.swap(0, Relaxed).checked_sub(1)
    }
}

/// The JS thread parks on the futex word.
pub(crate) const MODE_FUTEX: u32 = 0;

/// What the JS thread announces.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HostAnnouncement {
    /// It waits for data of every lane.
    All,
    /// It waits on one lane only.
    Lane(LaneNumber, Interest),
}

impl HostAnnouncement {
    const ALL: u32 = u32::MAX;

    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::All => Self::ALL,
            Self::Lane(lane, interest) => (u32::from(lane.number()) + 1) << 2 | interest.bits(),
        }
    }

    /// Whether the thread that announced this waits for these bits of the lane.
    #[inline]
    pub(crate) fn concerns(announced: u32, lane: LaneNumber, bits: u32) -> bool {
        if announced == Self::ALL {
            return bits & Interest::DATA_BIT != 0;
        }
        announced >> 2 == u32::from(lane.number()) + 1 && announced & bits != 0
    }
}
