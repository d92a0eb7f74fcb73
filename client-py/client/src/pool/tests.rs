//! Tests of the tables of a pool: random operations of several processes, with processes that are killed
//! between any two writes.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Tables` is not general over its lifetime, as a closure is"
)]

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hostd_protocol::memory::{PAGE, SharedMemory};

use super::error::PoolError;
use super::lock::{Locker, TablesLock};
use super::operations::{Allocated, Tables, units_of};
use super::table::{Table, UNIT, header, node, state};
use super::{lock, ranges, references};

const SIZE: u64 = 64 * PAGE as u64;

/// A pool with processes that are opened files of this one.
struct World {
    table: Table,
    data: Arc<SharedMemory>,
    processes: Vec<(OwnedFd, usize)>,
    control: OwnedFd,
    /// What each process refers to: the buffer and how often.
    held: BTreeMap<usize, Vec<Held>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    node: usize,
    generation: u64,
    offset: usize,
    length: u64,
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

impl World {
    fn new(size: u64) -> Self {
        let length = usize::try_from(size).unwrap();
        let (data, _) = SharedMemory::create("test-pool", length).unwrap();
        let bytes = Table::bytes(size).unwrap();
        let (memory, control) = SharedMemory::create("test-pool-tables", bytes).unwrap();
        let table = Table::create(memory, size, [1, 2]).unwrap();
        ranges::begin(&table, size / UNIT as u64).unwrap();
        Self {
            table,
            data,
            processes: Vec::new(),
            control,
            held: BTreeMap::new(),
        }
    }

    fn start(&mut self) -> usize {
        let own = lock::reopen(&self.control).unwrap();
        let entry = self.tables(&own, usize::MAX).register(&own, 1).unwrap();
        self.processes.push((own, entry));
        self.held.insert(entry, Vec::new());
        self.processes.len() - 1
    }

    fn tables<'a>(&'a self, control: &'a OwnedFd, process: usize) -> Tables<'a> {
        Tables {
            table: &self.table,
            data: &self.data,
            control,
            process,
        }
    }

    /// Does something in the place of a process, as under the lock; whether it was killed at that.
    fn run<R>(
        &self,
        which: usize,
        writes: u64,
        body: impl FnOnce(&Tables<'_>) -> Result<R, PoolError>,
    ) -> Option<Result<R, PoolError>> {
        let (own, process) = &self.processes[which];
        let tables = self.tables(own, *process);
        if self.table.get(header::DIRTY).unwrap() != 0 {
            tables.rebuild().unwrap();
        }
        self.table.set(header::DIRTY, 1).unwrap();
        self.table.writes_left.store(writes, Relaxed);
        let done = body(&tables);
        let was_killed = self.table.writes_left.swap(u64::MAX, Relaxed) == 0;
        if was_killed {
            return None;
        }
        self.table.set(header::DIRTY, 0).unwrap();
        Some(done)
    }

    /// A process ends: its opened file is closed.
    fn kill(&mut self, which: usize) {
        let (own, process) = self.processes.swap_remove(which);
        drop(own);
        self.held.remove(&process);
    }

    fn holds(&self, which: usize) -> &Vec<Held> {
        &self.held[&self.processes[which].1]
    }

    fn hold(&mut self, which: usize, held: Held) {
        let process = self.processes[which].1;
        self.held.get_mut(&process).unwrap().push(held);
    }

    /// What the processes hold is what the tables say, no two buffers overlap, and everything else is
    /// free in as few ranges as possible.
    fn check(&self) {
        if self.processes.is_empty() {
            return;
        }
        self.run(0, u64::MAX, |tables| tables.stats())
            .unwrap()
            .unwrap();
        let mut counts: BTreeMap<usize, (Held, u64)> = BTreeMap::new();
        for held in self.held.values().flatten() {
            counts.entry(held.node).or_insert((*held, 0)).1 += 1;
            assert_eq!(counts[&held.node].0, *held);
        }
        let table = &self.table;
        let mut all = Vec::new();
        let (mut used, mut idle) = (0, 0);
        let get = |number, field| table.get(table.node(number, field).unwrap()).unwrap();
        for number in 0..usize::try_from(table.get(header::NODES_TOUCHED).unwrap()).unwrap() {
            let found = get(number, node::STATE);
            if found == state::NONE {
                continue;
            }
            let units = get(number, node::UNITS);
            all.push((get(number, node::OFFSET), units, found, number));
            if found == state::USED {
                let (held, count) = counts.remove(&number).unwrap();
                assert!(references::is_current(table, number, held.generation).unwrap());
                assert_eq!(references::count(table, number).unwrap(), count);
                assert_eq!(get(number, node::OFFSET) * UNIT as u64, held.offset as u64);
                assert_eq!(units, units_of(held.length));
                used += units;
            } else if found == state::IDLE {
                idle += units;
            }
        }
        assert!(counts.is_empty(), "lost: {counts:?}");
        assert_eq!(table.get(header::USED).unwrap(), used);
        assert_eq!(table.get(header::IDLE).unwrap(), idle);
        all.sort_unstable();
        let mut end = 0;
        let mut was_free = false;
        let mut before = None;
        let mut largest = 0;
        for (offset, units, found, number) in all {
            assert_eq!(offset, end, "gap or overlap");
            let is_free = found == state::FREE;
            assert!(!(is_free && was_free), "free ranges that are not joined");
            let link = table.node(number, node::BEFORE).unwrap();
            assert_eq!(table.link(link).unwrap(), before);
            if is_free {
                largest = largest.max(units);
            }
            was_free = is_free;
            before = Some(number);
            end = offset + units;
        }
        assert_eq!(end, table.size().unwrap() / UNIT as u64);
        assert_eq!(ranges::largest(table).unwrap(), largest);
    }

    /// One random operation of a process; false if the process was killed at it.
    fn step(&mut self, which: usize, numbers: &mut Numbers, writes: u64) -> bool {
        let own = self.holds(which).clone();
        let pick = numbers.below(own.len().max(1) as u64);
        let held = own.get(usize::try_from(pick).unwrap()).copied();
        match (numbers.below(10), held) {
            (0..4, _) | (_, None) => {
                let length = match numbers.below(4) {
                    0 => 1 + numbers.below(64),
                    1 => 100,
                    2 => numbers.below(3 * PAGE as u64),
                    _ => numbers.below(SIZE / 8),
                };
                let done = self.run(which, writes, |tables| tables.allocate(length));
                match done {
                    Some(Ok(allocated)) => {
                        let Allocated {
                            node,
                            generation,
                            offset,
                            ..
                        } = allocated;
                        let held = Held {
                            node,
                            generation,
                            offset,
                            length,
                        };
                        self.hold(which, held);
                    }
                    Some(Err(error)) => assert!(matches!(error, PoolError::Full { .. })),
                    None => return false,
                }
            }
            (4..7, Some(held)) => {
                let done = self.run(which, writes, |tables| {
                    tables.release(held.node, held.generation)
                });
                let process = self.processes[which].1;
                let list = self.held.get_mut(&process).unwrap();
                let at = list.iter().position(|other| *other == held).unwrap();
                list.swap_remove(at);
                return done.is_some();
            }
            (7, Some(held)) => {
                let other = usize::try_from(numbers.below(self.processes.len() as u64)).unwrap();
                let done = self.run(other, writes, |tables| {
                    tables.attach(held.node, held.generation)
                });
                if done.is_none() {
                    self.kill(other);
                    return true;
                }
                done.unwrap().unwrap();
                self.hold(other, held);
            }
            (8, _) => {
                let done = self.run(which, writes, |tables| {
                    tables.preallocate(100, 1 + numbers.below(8), |_, _| Ok(()))
                });
                match done {
                    Some(Err(error)) => assert!(matches!(error, PoolError::Full { .. })),
                    Some(Ok(())) => {}
                    None => return false,
                }
            }
            _ => match numbers.below(3) {
                0 => return self.run(which, writes, |tables| tables.trim()).is_some(),
                1 => {
                    return self.run(which, writes, |tables| tables.stats()).is_some();
                }
                _ => {
                    let own = lock::reopen(&self.control).unwrap();
                    let child = self.run(which, writes, |tables| {
                        let entry = tables.register(&own, 2)?;
                        tables.copy_references(entry)?;
                        Ok(entry)
                    });
                    let Some(child) = child else { return false };
                    let same = self.holds(which).clone();
                    let child = child.unwrap();
                    self.processes.push((own, child));
                    self.held.insert(child, same);
                }
            },
        }
        true
    }
}

#[test]
fn random_operations_keep_the_tables_whole() {
    let mut numbers = Numbers(1);
    let mut world = World::new(SIZE);
    for _ in 0..3 {
        world.start();
    }
    for round in 0..20_000_u64 {
        let which = usize::try_from(numbers.below(world.processes.len() as u64)).unwrap();
        assert!(world.step(which, &mut numbers, u64::MAX));
        if world.processes.len() > 5 {
            world.kill(0);
        }
        if round % 50 == 0 {
            world.check();
        }
    }
    world.check();
}

#[test]
fn a_process_can_be_killed_between_any_two_writes() {
    let mut numbers = Numbers(2);
    for round in 0..300_u64 {
        let mut world = World::new(SIZE);
        for _ in 0..3 {
            world.start();
        }
        for _ in 0..60 {
            let which = usize::try_from(numbers.below(world.processes.len() as u64)).unwrap();
            let is_fatal = numbers.below(4) == 0;
            let writes = if is_fatal {
                numbers.below(40)
            } else {
                u64::MAX
            };
            if !world.step(which, &mut numbers, writes) {
                world.kill(which);
                world.start();
                world.check();
            } else if world.processes.len() > 5 {
                world.kill(0);
            }
        }
        world.check();
        while world.processes.len() > 1 {
            world.kill(0);
        }
        let process = world.processes[0].1;
        for held in world.held.insert(process, Vec::new()).unwrap() {
            let done = world.run(0, u64::MAX, |tables| {
                tables.release(held.node, held.generation)
            });
            done.unwrap().unwrap();
        }
        let done = world.run(0, u64::MAX, |tables| {
            tables.trim()?;
            tables.stats()
        });
        let stats = done.unwrap().unwrap();
        assert_eq!(stats.largest_free, SIZE, "round {round}");
        assert_eq!((stats.buffers, stats.resident), (0, 0));
    }
}

#[test]
fn a_whole_pool_can_be_one_buffer_or_many_small_ones() {
    let mut world = World::new(SIZE);
    world.start();
    let all = world.run(0, u64::MAX, |tables| tables.allocate(SIZE));
    let all = all.unwrap().unwrap();
    let full = world.run(0, u64::MAX, |tables| tables.allocate(1)).unwrap();
    assert!(matches!(full, Err(PoolError::Full { used: SIZE, .. })));
    world
        .run(0, u64::MAX, |tables| {
            tables.release(all.node, all.generation)
        })
        .unwrap()
        .unwrap();
    let mut made = Vec::new();
    for _ in 0..SIZE / UNIT as u64 {
        made.push(
            world
                .run(0, u64::MAX, |tables| tables.allocate(1))
                .unwrap()
                .unwrap(),
        );
    }
    assert!(
        world
            .run(0, u64::MAX, |tables| tables.allocate(1))
            .unwrap()
            .is_err()
    );
    for allocated in made.iter().step_by(2).chain(made.iter().skip(1).step_by(2)) {
        world
            .run(0, u64::MAX, |tables| {
                tables.release(allocated.node, allocated.generation)
            })
            .unwrap()
            .unwrap();
    }
    world.check();
}

#[test]
fn guards_end_with_their_process() {
    let mut world = World::new(SIZE);
    world.start();
    world.start();
    let made = world.run(0, u64::MAX, |tables| tables.allocate(10));
    let Allocated {
        node, generation, ..
    } = made.unwrap().unwrap();
    let guard = |world: &World, which, is_writer| {
        world
            .run(which, u64::MAX, |tables| {
                tables.guard(node, generation, is_writer)
            })
            .unwrap()
    };
    world
        .run(1, u64::MAX, |tables| tables.attach(node, generation))
        .unwrap()
        .unwrap();
    guard(&world, 0, false).unwrap();
    guard(&world, 1, false).unwrap();
    let refused = guard(&world, 1, true);
    assert!(matches!(
        refused,
        Err(PoolError::Guarded {
            is_writer: false,
            ..
        })
    ));
    world.kill(1);
    let refused = guard(&world, 0, true);
    assert!(
        matches!(refused, Err(PoolError::Guarded { .. })),
        "it reads itself"
    );
    world
        .run(0, u64::MAX, |tables| {
            tables.unguard(node, generation, false)
        })
        .unwrap()
        .unwrap();
    guard(&world, 0, true).unwrap();
    assert!(guard(&world, 0, false).is_err());
}

#[test]
fn damaged_tables_are_an_error() {
    let mut numbers = Numbers(3);
    for _ in 0..2_000 {
        let mut world = World::new(4 * PAGE as u64);
        world.start();
        for _ in 0..5 {
            world.step(0, &mut numbers, u64::MAX);
        }
        let words = Table::bytes(4 * PAGE as u64).unwrap() as u64 / 8;
        for _ in 0..8 {
            // The identity is read when the pool is opened only.
            let at = usize::try_from(5 + numbers.below(words - 5)).unwrap();
            let value = match numbers.below(3) {
                0 => numbers.below(4),
                1 => numbers.below(300),
                _ => u64::MAX - numbers.below(3),
            };
            world.table.set(at, value).unwrap();
        }
        let (own, process) = &world.processes[0];
        let tables = world.tables(own, *process);
        for turn in 0..6 {
            if turn == 3 {
                let _ = tables.rebuild();
            }
            let _ = tables.allocate(numbers.below(1000));
            let _ = tables.preallocate(64, 3, |_, _| Ok(()));
            let _ = tables.release(0, 1);
            let _ = tables.stats();
            let _ = tables.trim();
        }
    }
}

#[test]
fn the_lock_excludes_and_is_taken_over_from_the_dead() {
    const ROUNDS: u64 = 200;
    const THREADS: u64 = 4;
    let world = World::new(SIZE);
    // A word that only the holder writes.
    let counted = header::RECLAIMED;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let world = &world;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let own = lock::reopen(&world.control).unwrap();
                    let entry = lock::begin_any_life(&own).unwrap();
                    let mut is_new = true;
                    for _ in 0..3 {
                        let locker = Locker { entry, is_new };
                        let long = Duration::from_secs(60);
                        let held = TablesLock::acquire(&world.table, &own, locker, long).unwrap();
                        is_new = false;
                        let before = world.table.get(counted).unwrap();
                        std::thread::yield_now();
                        world.table.set(counted, before + 1).unwrap();
                        if round % 4 == thread {
                            // It dies with the lock.
                            let _ = ManuallyDrop::new(held);
                            break;
                        }
                    }
                }
            });
        }
    });
    let each = ROUNDS / 4 + (ROUNDS - ROUNDS / 4) * 3;
    assert_eq!(world.table.get(counted).unwrap(), THREADS * each);
}

#[test]
fn a_lock_that_is_held_is_not_waited_for_without_time() {
    let world = World::new(SIZE);
    let files = [
        lock::reopen(&world.control).unwrap(),
        lock::reopen(&world.control).unwrap(),
    ];
    let entries = files
        .each_ref()
        .map(|file| lock::begin_any_life(file).unwrap());
    assert_ne!(entries[0], entries[1]);
    let acquire = |which: usize, timeout| {
        let locker = Locker {
            entry: entries[which],
            is_new: false,
        };
        TablesLock::acquire(&world.table, &files[which], locker, timeout)
    };
    let held = acquire(0, Duration::ZERO).unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        for which in [0, 1] {
            assert!(matches!(acquire(which, timeout), Err(PoolError::Busy)));
        }
    }
    drop(held);
    assert!(acquire(1, Duration::ZERO).is_ok());
}
