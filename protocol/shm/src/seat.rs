//! Two ends on one CPU: how that is noticed, and how the JS thread gets away from there.
//!
//! While one of them spins the other can't run, so both give spinning up, and from then on never
//! want to run at the same time: nothing tells the scheduler that they would do better apart. Some
//! virtual machines go there by themselves, for their kernel takes a CPU that has been idle for a
//! while for one that is not to be had.
//!
//! A client that goes to sleep says where, and so does one that wakes the JS thread. Met on its own
//! CPU time and again, the JS thread leaves when it has answered: that CPU is forbidden to it for a
//! moment. It is the one to move since it is ours. A client whose spinning fails meanwhile spins on,
//! or it would sleep, and be pulled to the JS thread's new CPU when it is woken.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Meetings in succession after which the JS thread moves.
const PATIENCE: u32 = 2;
/// Doubled by each move that did not pay, as where there is no room elsewhere, until it is forgotten.
const MOST_PATIENCE: u32 = 4096;
const FORGOTTEN: Duration = Duration::from_millis(50);
/// A move has paid if spinning has paid so often since: it takes as long as some thirty calls.
const PAID: u32 = 32;

/// Where the JS thread sits, as far as it minds.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Meetings in succession.
    met: Cell<u32>,
    patience: Cell<u32>,
    moved: Cell<Option<Instant>>,
    /// What is to be left.
    leaving: Cell<Option<u32>>,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            met: Cell::new(0),
            patience: Cell::new(PATIENCE),
            moved: Cell::new(None),
            leaving: Cell::new(None),
        }
    }

    /// A client was woken that fell asleep `there`, or has woken this thread from there, after
    /// spinning has `won` so often since this thread moved. Whether that is here.
    pub(crate) fn met(&self, there: u32, won: u32) -> bool {
        if there != here() {
            self.met.set(0);
            return false;
        }
        let met = self.met.get() + 1;
        self.met.set(met);
        if met >= self.patience(won) {
            self.leaving.set(Some(there));
        }
        true
    }

    fn patience(&self, won: u32) -> u32 {
        let is_recent = |moved: Instant| moved.elapsed() < FORGOTTEN;
        if won >= PAID || !self.moved.get().is_some_and(is_recent) {
            self.patience.set(PATIENCE);
        }
        self.patience.get()
    }

    /// Whether it is time to leave.
    #[inline]
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// Leaves; `leaving` is called before that, if it is possible. Whether it was.
    pub(crate) fn leave(&self, leaving: impl FnOnce()) -> bool {
        let Some(there) = self.leaving.take() else {
            return false;
        };
        self.met.set(0);
        self.moved.set(Some(Instant::now()));
        self.patience
            .set((self.patience.get() * 2).min(MOST_PATIENCE));
        leave(there, leaving)
    }
}

/// The CPU that this thread runs on.
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) fn here() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0)
}

/// Has this thread run elsewhere; it may come back. Whether there is an elsewhere.
#[cfg(all(not(loom), target_os = "linux"))]
fn leave(there: u32, leaving: impl FnOnce()) -> bool {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return false;
    };
    let mut others = allowed;
    others.unset(there as usize);
    if others.count() == 0 {
        return false;
    }
    leaving();
    if sched_setaffinity(None, &others).is_err() {
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
fn leave(_: u32, _: impl FnOnce()) -> bool {
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
    fn whoever_is_elsewhere_is_no_reason_to_leave() {
        let (seat, cpu) = pinned().unwrap();
        for _ in 0..10 * PATIENCE {
            assert!(seat.met(cpu, 0));
            assert!(!seat.met(cpu + 1, 0));
            assert!(!seat.is_leaving());
        }
    }

    #[test]
    fn where_there_is_no_other_cpu_it_is_tried_less_and_less() {
        let (seat, cpu) = pinned().unwrap();
        let mut tries = 0;
        for _ in 0..1000 {
            seat.moved.set(seat.moved.get().map(|_| Instant::now()));
            seat.met(cpu, 0);
            tries += usize::from(seat.is_leaving());
            assert!(!seat.leave(|| panic!("there is nowhere to go")));
        }
        assert!((5..=10).contains(&tries), "{tries}");
    }

    #[test]
    fn where_leaving_pays_it_is_done_again_soon() {
        let (seat, cpu) = pinned().unwrap();
        for _ in 0..10 {
            (0..PATIENCE).for_each(|_| assert!(seat.met(cpu, PAID)));
            assert!(seat.is_leaving());
            seat.leave(|| ());
        }
    }

    #[test]
    fn it_leaves_and_may_come_back() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        if allowed.count() < 2 {
            eprintln!("not tried: there is one CPU only");
            return;
        }
        let seat = Seat::new();
        // The scheduler may move it too, in between.
        let has_left = (0..100 * PATIENCE).any(|_| {
            seat.met(here(), 0);
            seat.leave(|| ())
        });
        assert!(has_left);
        assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), allowed);
    }
}
