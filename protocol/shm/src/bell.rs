//! Where an end sleeps, and how the other one finds it there.

use std::time::Duration;

use crate::layout::{Interest, LaneIndex};
use crate::sync::{AtomicU32, AtomicU64, Fault, Futex, Relaxed, SeqCst, faulty, fence};

/// One sleeper: the word it sleeps on and what it announced.
///
/// Zero announces nothing. Otherwise the two ends agree on the meaning: see [`LaneBell`] and
/// [`HostBell`].
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct Bell {
    word: Futex,
    sleeping: AtomicU32,
}

impl Bell {
    /// Sleeps unless `ready` finds something after `announcement` has been made. The caller looks
    /// again after it in any case.
    pub(crate) fn sleep(
        &self,
        announcement: u32,
        timeout: Option<Duration>,
        ready: impl FnOnce() -> bool,
    ) {
        let mut seen = self.word.seen();
        if faulty(Fault::LateAnnouncement) {
            if !ready() {
                self.sleeping.store(announcement, SeqCst);
                self.word.wait(seen, timeout);
            }
        } else {
            self.sleeping.store(announcement, SeqCst);
            fence(SeqCst);
            let awake = !faulty(Fault::NoSecondLook) && ready();
            if faulty(Fault::LateSeen) {
                seen = self.word.seen();
            }
            if !awake {
                self.word.wait(seen, timeout);
            }
        }
        self.sleeping.store(0, SeqCst);
    }

    /// Wakes the sleeper if its announcement is one that `concerns` the caller, who has published
    /// its news and passed a fence since. Whether it was woken.
    #[inline]
    pub(crate) fn wake_if(&self, concerns: impl FnOnce(u32) -> bool) -> bool {
        let announced = self.sleeping.load(SeqCst);
        let is_concerned = announced != 0 && concerns(announced);
        if is_concerned {
            self.ring();
        }
        is_concerned
    }

    /// Wakes the sleeper, whatever it waits for.
    #[cold]
    pub(crate) fn ring(&self) {
        if faulty(Fault::NoBump) {
            self.word.wake_only();
        } else {
            self.word.ring();
        }
    }
}

/// The fence between a write and the look for a sleeper.
#[inline]
pub(crate) fn publish_fence() {
    if !faulty(Fault::NoWakerFence) {
        fence(SeqCst);
    }
}

/// Where the client's thread sleeps on its lane. It announces a [`LaneSleep`].
pub(crate) type LaneBell = Bell;

/// What a client's thread announces: its [`Interest`] as bits, and its CPU above them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneSleep;

impl LaneSleep {
    const INTEREST: u32 = 2;

    /// The announcement of a thread that goes to sleep on `cpu`.
    pub(crate) fn encode(interest: Interest, cpu: u32) -> u32 {
        cpu.wrapping_add(1) << Self::INTEREST | interest.bits()
    }

    /// The CPU of the sleeper, if it said it.
    pub(crate) fn cpu(announced: u32) -> Option<u32> {
        (announced >> Self::INTEREST).checked_sub(1)
    }
}

/// Where the JS thread sleeps, for all lanes.
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
#[repr(C)]
pub(crate) struct HostBell {
    /// Lanes that the JS thread looks at before it sleeps. Clients set bits, the host clears them.
    pub(crate) ready: AtomicU64,
    /// It announces a [`HostSleep`].
    pub(crate) bell: Bell,
    /// How the JS thread sleeps: [`MODE_FUTEX`]. Other values are reserved for a wait on file
    /// descriptors.
    pub(crate) mode: AtomicU32,
    /// The CPU of the client that woke the JS thread last, plus one; the JS thread takes it down.
    waker: AtomicU32,
    /// Counts how often the JS thread left a CPU to a client.
    pub(crate) moves: AtomicU32,
    /// The CPU from which the JS thread woke a client last, plus one.
    seat: AtomicU32,
}

impl HostBell {
    /// A client that runs on this CPU is about to wake the JS thread.
    pub(crate) fn wakes_from(&self, cpu: u32) {
        self.waker.store(cpu.wrapping_add(1), Relaxed);
    }

    /// The JS thread is about to wake a client from this CPU.
    pub(crate) fn sits_on(&self, cpu: u32) {
        self.seat.store(cpu.wrapping_add(1), Relaxed);
    }

    /// Whether the JS thread woke a client last from another CPU than this one.
    pub(crate) fn is_elsewhere(&self, cpu: u32) -> bool {
        let seat = self.seat.load(Relaxed);
        seat != 0 && seat != cpu.wrapping_add(1)
    }

    /// The CPU of the client that woke the JS thread since this was asked last, if one did.
    pub(crate) fn take_waker(&self) -> Option<u32> {
        self.waker.swap(0, Relaxed).checked_sub(1)
    }
}

/// The JS thread sleeps on the futex word.
pub(crate) const MODE_FUTEX: u32 = 0;

/// What the JS thread announces.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HostSleep {
    /// It waits for data of every lane.
    All,
    /// It waits on one lane only.
    Lane(LaneIndex, Interest),
}

impl HostSleep {
    const ALL: u32 = u32::MAX;

    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::All => Self::ALL,
            Self::Lane(lane, interest) => Self::lane(lane, interest.bits()),
        }
    }

    fn lane(lane: LaneIndex, bits: u32) -> u32 {
        let number = u32::from(lane.number()) + 1;
        number << 2 | bits
    }

    /// Whether a sleeper that announced `announced` waits for these bits of the lane.
    #[inline]
    pub(crate) fn concerns(announced: u32, lane: LaneIndex, bits: u32) -> bool {
        if announced == Self::ALL {
            return bits & Interest::DATA_BIT != 0;
        }
        announced >> 2 == u32::from(lane.number()) + 1 && announced & bits != 0
    }
}
