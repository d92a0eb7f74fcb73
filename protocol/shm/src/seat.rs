//! Two ends on one CPU: how that is noticed, and how the JS thread gets away from there.
//!
//! While one of them spins the other can't run, so both give spinning up, and from then on never
//! want to run at the same time: nothing tells the scheduler that they would do better apart. Some
//! virtual machines go there by themselves, for their kernel takes a CPU that has been idle for a
//! while for one that is not to be had.
//!
//! A client that goes to sleep says where, and so does one that wakes the JS thread. Met on its own
//! CPU time and again, the JS thread leaves when it has answered: that CPU is forbidden to it for a
//! moment. It is the one to move since it is ours. It says so before it wakes the client, which looks
//! for what comes next for longer then, and lets others run between two looks: if it slept, it would
//! be pulled to the JS thread's new CPU when it is woken, and if it only looked, the JS thread might
//! not come to leave.
//!
//! Something that is told unasked, now and then, and answered is over before a move could pay, and the
//! next time the scheduler seats both anew: such meetings do not add up. Those of calls do, however
//! rare these are.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Meetings in succession after which the JS thread moves; a single event has five.
const PATIENCE: u32 = 6;
/// What it counts to be woken for a call, so that the answer to it is one too many: with a client
/// that calls, a conversation has begun.
const CALL: u32 = PATIENCE - 1;
/// What is told so long after the last meeting has nothing to do with it.
const PAUSE: Duration = Duration::from_micros(500);
/// Doubled by each move that did not pay, as where there is no room elsewhere, until it is forgotten.
const MOST_PATIENCE: u32 = 4096;
const FORGOTTEN: Duration = Duration::from_millis(50);
/// A move has paid if spinning has paid so often since: it takes as long as some thirty calls.
const PAID: u32 = 32;

/// Whoever has a CPU for longer than this is none for whom it was left.
const LONG: Duration = Duration::from_micros(500);
/// For how long it is not left then, at first and at most.
const GRUDGE: Duration = Duration::from_millis(50);
const LONGEST_GRUDGE: Duration = Duration::from_secs(2);

/// Leaves the CPU, between two looks for what comes, to whoever else wants it: the other end, or who
/// is to give it something to say. Not where others are about who take it for long: leaving it to
/// them costs more than it can bring.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Courtesy {
    /// When it is tried again, and for how long it was given up.
    again: Option<Instant>,
    grudge: Duration,
}

impl Courtesy {
    pub(crate) fn step_aside(&mut self) {
        self.step(give_way);
    }

    fn step(&mut self, give_way: impl FnOnce()) {
        let start = Instant::now();
        if self.again.is_some_and(|again| start < again) {
            return;
        }
        give_way();
        let taken = start.elapsed();
        if taken < LONG {
            self.again = None;
            return;
        }
        // Long after the last time it is another story.
        let is_old = self
            .again
            .is_some_and(|again| start - again > LONGEST_GRUDGE);
        let longer = if is_old { GRUDGE } else { self.grudge * 2 };
        self.grudge = longer.clamp(GRUDGE, LONGEST_GRUDGE);
        self.again = start.checked_add(taken + self.grudge);
    }
}

/// Where the JS thread sits, as far as it minds.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Meetings in succession, and when the last one was.
    met: Cell<u32>,
    last: Cell<Option<Instant>>,
    patience: Cell<u32>,
    moved: Cell<Option<Instant>>,
    /// What is to be left, and whether the client was told.
    leaving: Cell<Option<u32>>,
    is_told: Cell<bool>,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            met: Cell::new(0),
            last: Cell::new(None),
            patience: Cell::new(PATIENCE),
            moved: Cell::new(None),
            leaving: Cell::new(None),
            is_told: Cell::new(false),
        }
    }

    /// A client was woken that fell asleep `there`, or has woken this thread from there, after
    /// spinning has `won` so often since this thread moved. Whether that is here.
    pub(crate) fn met(&self, there: u32, won: u32) -> bool {
        self.met_for(1, there, won)
    }

    /// The same of a client that has woken this thread for a call.
    pub(crate) fn called(&self, there: u32, won: u32) -> bool {
        self.met_for(CALL, there, won)
    }

    fn met_for(&self, weight: u32, there: u32, won: u32) -> bool {
        if there != here() {
            self.met.set(0);
            return false;
        }
        let met = self.met.get().saturating_add(weight);
        self.met.set(met);
        let now = Instant::now();
        self.last.set(Some(now));
        if met >= self.patience(won) {
            self.met.set(0);
            self.moved.set(Some(now));
            self.patience
                .set((self.patience.get() * 2).min(MOST_PATIENCE));
            self.leaving.set(elsewhere(there).map(|_| there));
        }
        true
    }

    /// A client is about to be told what it did not ask for.
    pub(crate) fn begin(&self) {
        let is_over = |last: Instant| last.elapsed() >= PAUSE;
        if self.last.get().is_some_and(is_over) {
            self.met.set(0);
        }
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

    /// Whether the client is to be told now that this thread leaves; once.
    pub(crate) fn tell(&self) -> bool {
        self.is_leaving() && !self.is_told.replace(true)
    }

    /// Leaves, if it is time. Whether it did.
    pub(crate) fn leave(&self) -> bool {
        self.is_told.set(false);
        self.leaving.take().is_some_and(leave)
    }
}

/// The CPU that this thread runs on.
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) fn here() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0)
}

/// The CPUs that this thread may run on, and those of them that are not `there`, if there are any.
#[cfg(all(not(loom), target_os = "linux"))]
fn elsewhere(there: u32) -> Option<[rustix::thread::CpuSet; 2]> {
    let allowed = rustix::thread::sched_getaffinity(None).ok()?;
    let mut others = allowed;
    others.unset(there as usize);
    (others.count() > 0).then_some([allowed, others])
}

/// Has this thread run elsewhere; it may come back. Whether it did.
#[cfg(all(not(loom), target_os = "linux"))]
fn leave(there: u32) -> bool {
    use rustix::thread::sched_setaffinity;
    let Some([allowed, others]) = elsewhere(there) else {
        return false;
    };
    if sched_setaffinity(None, &others).is_err() {
        return false;
    }
    // What was allowed a moment ago is allowed still.
    let _ = sched_setaffinity(None, &allowed);
    true
}

#[cfg(all(not(loom), target_os = "linux"))]
fn give_way() {
    rustix::thread::sched_yield();
}

/// No lanes here, or no CPUs in the model.
#[cfg(any(loom, not(target_os = "linux")))]
pub(crate) fn here() -> u32 {
    0
}

#[cfg(any(loom, not(target_os = "linux")))]
fn elsewhere(_: u32) -> Option<()> {
    None
}

#[cfg(any(loom, not(target_os = "linux")))]
fn leave(_: u32) -> bool {
    false
}

#[cfg(any(loom, not(target_os = "linux")))]
fn give_way() {}

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
    fn the_cpu_is_not_left_to_who_takes_it_for_long() {
        let mut courtesy = Courtesy::default();
        let mut left = 0;
        for _ in 0..100 {
            courtesy.step(|| left += 1);
        }
        assert!(
            left > 90,
            "{left} of 100: it is left as long as nobody takes it"
        );
        courtesy.step(|| std::thread::sleep(LONG));
        for expected in [GRUDGE, 2 * GRUDGE, 4 * GRUDGE] {
            assert_eq!(courtesy.grudge, expected);
            courtesy.step(|| panic!("it was not given up"));
            courtesy.again = Some(Instant::now());
            courtesy.step(|| std::thread::sleep(LONG));
        }
        courtesy.again = Instant::now().checked_sub(2 * LONGEST_GRUDGE);
        courtesy.step(|| std::thread::sleep(LONG));
        assert_eq!(courtesy.grudge, GRUDGE);
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
            tries += usize::from(seat.met.get() == 0);
            assert!(!seat.is_leaving(), "there is nowhere to go");
        }
        assert!((5..=8).contains(&tries), "{tries}");
    }

    /// The seat of a thread that may leave, and a CPU to leave.
    fn free() -> Option<(Seat, u32)> {
        let cpu = here();
        elsewhere(cpu)?;
        Some((Seat::new(), cpu))
    }

    #[test]
    fn where_leaving_pays_it_is_done_again_soon() {
        let Some((seat, _)) = free() else {
            eprintln!("not tried: there is one CPU only");
            return;
        };
        let mut tries = 0;
        for _ in 0..100 * PATIENCE {
            // The scheduler may move it too, in between.
            seat.met(here(), PAID);
            tries += u32::from(seat.leave());
        }
        assert!(tries >= 50, "{tries}");
    }

    #[test]
    fn what_is_told_now_and_then_is_no_reason_to_leave() {
        let (seat, cpu) = pinned().unwrap();
        for _ in 0..10 * PATIENCE {
            seat.begin();
            (1..PATIENCE).for_each(|_| assert!(seat.met(cpu, 0)));
            assert!(seat.patience.get() == PATIENCE, "it was not tried");
            seat.last.set(Instant::now().checked_sub(PAUSE));
        }
        // But a call is.
        seat.met.set(0);
        seat.called(cpu, 0);
        seat.met(cpu, 0);
        assert!(seat.patience.get() > PATIENCE);
    }

    #[test]
    fn it_leaves_and_may_come_back() {
        let Some((seat, _)) = free() else {
            eprintln!("not tried: there is one CPU only");
            return;
        };
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let has_left = (0..100 * PATIENCE).any(|_| {
            seat.met(here(), 0);
            seat.leave()
        });
        assert!(has_left);
        assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), allowed);
    }
}
