//! Two ends on one CPU: how that is noticed, and how the JS thread gets away from there.
//!
//! While one of them spins the other can't run, so both give spinning up, and from then on never
//! want to run at the same time: nothing tells the scheduler that they would do better apart. Some
//! virtual machines go there by themselves, for their kernel takes a CPU that has been idle for a
//! while for one that is not to be had.
//!
//! A client that goes to sleep says where. The JS thread, waking it from the same CPU time and
//! again, leaves: that CPU is forbidden to it for a moment. It is the one to move since it is ours.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Wake-ups on one CPU, in succession, after which the JS thread moves.
const PATIENCE: u32 = 2;
/// Doubled by each move that another one follows so soon: there may be no room elsewhere.
const SOON: Duration = Duration::from_millis(50);
const MOST_PATIENCE: u32 = 4096;

/// Who sits where when a client is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// The client slept on another CPU.
    Apart,
    /// It slept on this one, where it may not run before this thread sleeps.
    Together,
    /// It did, and this thread has left for another one.
    Left,
}

/// Where the JS thread sits, as far as it minds.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Clients woken in succession that slept on the CPU of this thread.
    met: Cell<u32>,
    patience: Cell<u32>,
    moved: Cell<Option<Instant>>,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            met: Cell::new(0),
            patience: Cell::new(PATIENCE),
            moved: Cell::new(None),
        }
    }

    /// A client was woken that went to sleep `there`.
    pub(crate) fn woke(&self, there: u32) -> Company {
        if there != here() {
            self.met.set(0);
            return Company::Apart;
        }
        let met = self.met.get() + 1;
        self.met.set(met);
        if met >= self.patience() && self.move_on(there) {
            Company::Left
        } else {
            Company::Together
        }
    }

    fn patience(&self) -> u32 {
        let is_recent = |moved: Instant| moved.elapsed() < SOON;
        if !self.moved.get().is_some_and(is_recent) {
            self.patience.set(PATIENCE);
        }
        self.patience.get()
    }

    fn move_on(&self, there: u32) -> bool {
        self.met.set(0);
        self.moved.set(Some(Instant::now()));
        self.patience
            .set((self.patience.get() * 2).min(MOST_PATIENCE));
        leave(there)
    }
}

/// The CPU that this thread runs on.
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) fn here() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0)
}

/// Has this thread run elsewhere; it may come back. Whether there is an elsewhere.
#[cfg(all(not(loom), target_os = "linux"))]
fn leave(there: u32) -> bool {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return false;
    };
    let mut others = allowed;
    others.unset(there as usize);
    if others.count() == 0 || sched_setaffinity(None, &others).is_err() {
        return false;
    }
    // What was allowed a moment ago is allowed still.
    let _ = sched_setaffinity(None, &allowed);
    true
}

/// No lanes here, or no CPUs in the model.
#[cfg(any(loom, not(target_os = "linux")))]
pub(crate) fn here() -> u32 {
    0
}

#[cfg(any(loom, not(target_os = "linux")))]
fn leave(_: u32) -> bool {
    false
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use super::*;

    /// The seat of a thread that may run on one CPU only, and that CPU.
    fn pinned() -> rustix::io::Result<(Seat, u32)> {
        let mut one = rustix::thread::CpuSet::new();
        let cpu = here();
        one.set(cpu as usize);
        rustix::thread::sched_setaffinity(None, &one)?;
        Ok((Seat::new(), cpu))
    }

    #[test]
    fn whoever_sleeps_elsewhere_is_no_reason_to_move() {
        let (seat, cpu) = pinned().unwrap();
        for _ in 0..10 * PATIENCE {
            seat.woke(cpu);
            seat.woke(cpu + 1);
        }
        assert!(seat.moved.get().is_none());
    }

    #[test]
    fn where_there_is_no_other_cpu_it_is_tried_less_and_less() {
        let (seat, cpu) = pinned().unwrap();
        let mut tries = 0;
        for _ in 0..1000 {
            seat.moved.set(seat.moved.get().map(|_| Instant::now()));
            let before = seat.patience.get();
            assert_eq!(seat.woke(cpu), Company::Together);
            tries += usize::from(seat.patience.get() != before);
        }
        assert!((1..=10).contains(&tries), "{tries}");
    }

    #[test]
    fn it_moves_and_may_come_back() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        if allowed.count() < 2 {
            eprintln!("not tried: there is one CPU only");
            return;
        }
        let seat = Seat::new();
        // The scheduler may move it too, in between.
        let moved = (0..100 * PATIENCE).any(|_| seat.woke(here()) == Company::Left);
        assert!(moved);
        assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), allowed);
    }
}
