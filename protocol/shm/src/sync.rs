//! Atomics and the futex, or loom's models of them.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::time::Duration;

/// A word to park on, shared between processes.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Futex {
    word: AtomicU32,
    #[cfg(loom)]
    gate: (Mutex<()>, Condvar),
}

impl Futex {
    /// The word as it is now; what its last bump published is visible after this.
    pub(crate) fn load(&self) -> u32 {
        self.word.load(Acquire)
    }

    /// Changes the word and wakes every thread that is parked on it.
    pub(crate) fn bump_and_wake(&self) {
        self.word.fetch_add(1, Release);
        self.wake();
    }

    /// Parks if the word still is `seen`: until woken, until `timeout` or a signal, or for a spurious
    /// reason.
    #[cfg(not(loom))]
    pub(crate) fn wait(&self, seen: u32, timeout: Option<Duration>) {
        use rustix::thread::futex::{Flags, Timespec, wait};
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        // The caller polls again after every outcome: EAGAIN, EINTR, ETIMEDOUT.
        let _ = wait(&self.word, Flags::empty(), seen, timeout.as_ref());
    }

    #[cfg(not(loom))]
    pub(crate) fn wake(&self) {
        use rustix::thread::futex::{Flags, wake};
        let _ = wake(&self.word, Flags::empty(), i32::MAX.unsigned_abs());
    }

    /// What [`wait_any`] is to wait for: until the word is no longer `seen`.
    #[cfg(not(loom))]
    fn waiting(&self, seen: u32) -> rustix::thread::futex::Wait {
        use rustix::thread::futex::{Wait, WaitFlags, WaitPtr};
        let mut wait = Wait::new();
        wait.val = seen.into();
        wait.uaddr = WaitPtr::new(self.word.as_ptr().cast());
        wait.flags = WaitFlags::SIZE_U32;
        wait
    }

    /// Time does not pass in the model: a thread that is not woken is a deadlock, which loom reports.
    #[cfg(loom)]
    pub(crate) fn wait(&self, seen: u32, _timeout: Option<Duration>) {
        let guard = lock(&self.gate.0);
        if self.word.load(Acquire) == seen {
            drop(self.gate.1.wait(guard));
        }
    }

    #[cfg(loom)]
    pub(crate) fn wake(&self) {
        let _guard = lock(&self.gate.0);
        self.gate.1.notify_all();
    }
}

/// The most words that one [`wait_any`] takes: the kernel's limit.
#[cfg(not(loom))]
pub(crate) const WAIT_WORDS_MAX: usize = 128;

/// Parks if each of these words still is as it was seen: until one is woken, until `timeout` or a
/// signal, or for a spurious reason. Words beyond [`WAIT_WORDS_MAX`] are left out.
#[cfg(not(loom))]
pub(crate) fn wait_any<'a>(
    words: impl Iterator<Item = (&'a Futex, u32)>,
    timeout: Option<Duration>,
) {
    use rustix::thread::futex::{Wait, WaitvFlags, waitv};
    use rustix::time::{ClockId, Timespec, clock_gettime};
    let mut waits = [Wait::new(); WAIT_WORDS_MAX];
    let mut count = 0;
    for (place, (word, seen)) in waits.iter_mut().zip(words) {
        *place = word.waiting(seen);
        count += 1;
    }
    let end = timeout
        .and_then(|time| Timespec::try_from(time).ok())
        .and_then(|time| clock_gettime(ClockId::Monotonic).checked_add(time));
    // The caller polls again after every outcome.
    let _ = waitv(
        &waits[..count],
        WaitvFlags::empty(),
        end.as_ref(),
        ClockId::Monotonic,
    );
}

/// Whether the kernel has [`wait_any`] (Linux 5.16), and no filter denies it.
#[cfg(not(loom))]
pub(crate) fn has_wait_any() -> bool {
    use rustix::io::Errno;
    use rustix::thread::futex::{WaitvFlags, waitv};
    // It refuses to wait for nothing.
    let refused = waitv(
        &[],
        WaitvFlags::empty(),
        None,
        rustix::time::ClockId::Monotonic,
    );
    refused == Err(Errno::INVAL)
}

/// Sleeps without a word on which another process could wake this thread.
#[cfg(not(loom))]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(loom)]
pub(crate) fn pause(_time: Duration) {
    loom::thread::yield_now();
}

/// Locks; a panic of another holder leaves no state half-changed here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A deliberate fault of the parking protocol, for the test that the model finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(loom),
    expect(unreachable_pub, reason = "exported to the model's test only")
)]
pub enum Fault {
    /// The waker looks for an announcement without a fence after its write.
    NoPublishFence,
    /// The parking thread does not poll again after its announcement.
    NoSecondPoll,
    /// The parking thread announces after its last poll.
    LateAnnouncement,
    /// The parking thread loads the word after its last poll.
    LateLoad,
    /// A wake-up does not change the word.
    NoBump,
    /// A thread announces a turn although a loop owns the turns.
    UncheckedOwner,
    /// A thread checks for an owner before it announces its turn, not while it does.
    EarlyCheck,
}

/// Whether `fault` is to be made.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn faulty(_fault: Fault) -> bool {
    false
}

#[cfg(loom)]
std::thread_local! {
    static FAULT: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

#[cfg(loom)]
pub(crate) fn faulty(fault: Fault) -> bool {
    // Loom runs the threads of a model as coroutines of one thread.
    FAULT.get() == Some(fault)
}

/// Runs `body` with `fault` built in.
#[cfg(loom)]
pub fn with_fault<T>(fault: Fault, body: impl FnOnce() -> T) -> T {
    FAULT.set(Some(fault));
    let result = body();
    FAULT.set(None);
    result
}
