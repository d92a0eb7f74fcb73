//! Client and host on one CPU: how that is detected, and how the JS thread leaves it.
//!
//! While one side spins the other can't run, so both stop spinning, and from then on they never want
//! to run at the same time: the scheduler sees no reason to separate them. Some virtual machines get
//! there by themselves, since their kernel takes a CPU that was idle for a while for unavailable.
//!
//! A client announces its CPU when it parks, and when it wakes the JS thread. After a number of
//! wake-ups on its own CPU, the JS thread migrates once it has replied: it removes that CPU from its
//! affinity and restores the affinity at once. The JS thread moves and not the client, whose threads
//! are the application's. It announces the migration before it wakes the client, which then spins for
//! longer and yields between polls: if it parked, the wake-up would pull it to the new CPU as well, and
//! if it did not yield, the JS thread might not get the CPU that it needs to migrate.
//!
//! A notice and its answer are over before a migration could pay, and the scheduler places both
//! threads anew for the next one: those wake-ups do not add up. Those of calls do, however rare.

use std::cell::Cell;
use std::time::Instant;

use crate::constants::{
    MIGRATION_MEMORY, MIGRATION_PAID_SPINS, SAME_CPU_CALL_WEIGHT, SAME_CPU_PAUSE, SAME_CPU_WAKES,
    SAME_CPU_WAKES_MAX,
};
use crate::switch::WaitSwitch;

/// Decides, for the JS thread, when it migrates away from the CPU of its clients.
#[derive(Debug)]
pub struct Placement {
    is_on: bool,
    /// Wake-ups on this CPU in succession, by weight, and when the last one was.
    wakes: Cell<u32>,
    last_wake: Cell<Option<Instant>>,
    threshold: Cell<u32>,
    migrated: Cell<Option<Instant>>,
    /// The CPU that is to be left, and whether the client was told.
    leaving: Cell<Option<u32>>,
    is_announced: Cell<bool>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            is_on: WaitSwitch::Placement.is_on(),
            wakes: Cell::new(0),
            last_wake: Cell::new(None),
            threshold: Cell::new(SAME_CPU_WAKES),
            migrated: Cell::new(None),
            leaving: Cell::new(None),
            is_announced: Cell::new(false),
        }
    }
}

impl Placement {
    /// Notes a wake-up of or by a client that ran on `cpu`, and how many spins succeeded since the
    /// last migration. Whether it was on this thread's CPU.
    pub fn record_wake(&self, cpu: u32, successes: u32) -> bool {
        self.record(1, cpu, successes)
    }

    /// As [`record_wake`](Self::record_wake), for a client that woke this thread with a call.
    pub fn record_call(&self, cpu: u32, successes: u32) -> bool {
        self.record(SAME_CPU_CALL_WEIGHT, cpu, successes)
    }

    fn record(&self, weight: u32, cpu: u32, successes: u32) -> bool {
        if !self.is_on || cpu != current_cpu() {
            self.wakes.set(0);
            return false;
        }
        let wakes = self.wakes.get().saturating_add(weight);
        self.wakes.set(wakes);
        let now = Instant::now();
        self.last_wake.set(Some(now));
        if wakes >= self.threshold(successes) {
            self.wakes.set(0);
            self.migrated.set(Some(now));
            self.threshold
                .set((self.threshold.get() * 2).min(SAME_CPU_WAKES_MAX));
            self.leaving.set(other_cpus(cpu).map(|_| cpu));
        }
        true
    }

    /// The client is about to be sent a notice.
    pub fn begin_notice(&self) {
        let is_over = |last: Instant| last.elapsed() >= SAME_CPU_PAUSE;
        if self.last_wake.get().is_some_and(is_over) {
            self.wakes.set(0);
        }
    }

    fn threshold(&self, successes: u32) -> u32 {
        let is_recent = |migrated: Instant| migrated.elapsed() < MIGRATION_MEMORY;
        if successes >= MIGRATION_PAID_SPINS || !self.migrated.get().is_some_and(is_recent) {
            self.threshold.set(SAME_CPU_WAKES);
        }
        self.threshold.get()
    }

    /// Whether a migration is due.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// Whether the client is to be told now of a migration that is due: true once for each.
    pub fn announce(&self) -> bool {
        self.is_leaving() && !self.is_announced.replace(true)
    }

    /// Migrates if that is due. Whether it did.
    pub fn migrate(&self) -> bool {
        self.is_announced.set(false);
        self.leaving.take().is_some_and(leave)
    }
}

/// The CPU that this thread runs on.
#[cfg(not(loom))]
pub fn current_cpu() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0)
}

/// The CPUs that this thread may run on, and those of them other than `cpu`, if there are any.
#[cfg(not(loom))]
fn other_cpus(cpu: u32) -> Option<[rustix::thread::CpuSet; 2]> {
    if !WaitSwitch::Migration.is_on() {
        return None;
    }
    let allowed = rustix::thread::sched_getaffinity(None).ok()?;
    let mut others = allowed;
    others.unset(cpu as usize);
    (others.count() > 0).then_some([allowed, others])
}

/// Has this thread run on another CPU; it may return. Whether it did.
#[cfg(not(loom))]
fn leave(cpu: u32) -> bool {
    use rustix::thread::sched_setaffinity;
    let Some([allowed, others]) = other_cpus(cpu) else {
        return false;
    };
    if sched_setaffinity(None, &others).is_err() {
        return false;
    }
    // What was allowed before is still allowed.
    let _ = sched_setaffinity(None, &allowed);
    true
}

/// There are no CPUs in the model.
#[cfg(loom)]
pub fn current_cpu() -> u32 {
    0
}

#[cfg(loom)]
fn other_cpus(_: u32) -> Option<()> {
    None
}

#[cfg(loom)]
fn leave(_: u32) -> bool {
    false
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The placement of a thread that may run on one CPU only, and that CPU.
    fn pinned() -> rustix::io::Result<(Placement, u32)> {
        let mut one = rustix::thread::CpuSet::new();
        let cpu = current_cpu();
        one.set(cpu as usize);
        rustix::thread::sched_setaffinity(None, &one)?;
        Ok((Placement::default(), cpu))
    }

    #[test]
    fn wakes_on_another_cpu_end_a_series() {
        let (placement, cpu) = pinned().unwrap();
        for _ in 0..10 * SAME_CPU_WAKES {
            assert!(placement.record_wake(cpu, 0));
            assert!(!placement.record_wake(cpu + 1, 0));
            assert!(!placement.is_leaving());
        }
    }

    #[test]
    fn threshold_grows_where_there_is_no_other_cpu() {
        let (placement, cpu) = pinned().unwrap();
        let mut tries = 0;
        for _ in 0..1000 {
            placement
                .migrated
                .set(placement.migrated.get().map(|_| Instant::now()));
            placement.record_wake(cpu, 0);
            tries += usize::from(placement.wakes.get() == 0);
            assert!(!placement.is_leaving(), "there is no other CPU");
        }
        assert!((5..=8).contains(&tries), "{tries}");
    }

    #[test]
    fn nothing_is_recorded_when_it_is_off() {
        let (mut placement, cpu) = pinned().unwrap();
        placement.is_on = false;
        assert!(!placement.record_call(cpu, 0));
        assert_eq!(placement.wakes.get(), 0);
    }

    /// The placement of a thread that may migrate.
    fn unpinned() -> Option<Placement> {
        other_cpus(current_cpu()).map(|_| Placement::default())
    }

    #[test]
    fn migrations_that_pay_are_repeated_soon() {
        let Some(placement) = unpinned() else {
            eprintln!("not tried: there is one CPU only");
            return;
        };
        let mut tries = 0;
        for _ in 0..100 * SAME_CPU_WAKES {
            // The scheduler may move it too, in between.
            placement.record_wake(current_cpu(), MIGRATION_PAID_SPINS);
            tries += u32::from(placement.migrate());
        }
        assert!(tries >= 50, "{tries}");
    }

    #[test]
    fn rare_notices_do_not_cause_a_migration_and_calls_do() {
        let (placement, cpu) = pinned().unwrap();
        for _ in 0..10 * SAME_CPU_WAKES {
            placement.begin_notice();
            (1..SAME_CPU_WAKES).for_each(|_| assert!(placement.record_wake(cpu, 0)));
            assert_eq!(placement.threshold.get(), SAME_CPU_WAKES, "no migration");
            placement
                .last_wake
                .set(Instant::now().checked_sub(SAME_CPU_PAUSE));
        }
        placement.wakes.set(0);
        placement.record_call(cpu, 0);
        placement.record_wake(cpu, 0);
        assert!(placement.threshold.get() > SAME_CPU_WAKES);
    }

    #[test]
    fn migration_restores_the_affinity() {
        let Some(placement) = unpinned() else {
            eprintln!("not tried: there is one CPU only");
            return;
        };
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let has_migrated = (0..100 * SAME_CPU_WAKES).any(|_| {
            placement.record_wake(current_cpu(), 0);
            placement.migrate()
        });
        assert!(has_migrated);
        assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), allowed);
    }
}
