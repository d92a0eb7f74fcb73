//! Who takes the turns of an addon: the asyncio loop that first had to do with it, a thread that
//! waits in `Promise.result()`, or else whoever hears the rings.
//!
//! The loop watches a pipe that a ring makes readable. It is the loop's for as long as the loop
//! keeps that pipe, or until a ring finds the loop standing still. No lock is held while Python
//! code can run.
//!
//! Beside it the loop watches the host's cord, so that a ring reaches it without a thread in
//! between. The host tells by a notice as well what is not answered soon, and only that is looked
//! after here; so the cord is for loops that have promised to take turns, and while no thread waits.
//!
//! A loop that was given a promise will most likely await it, and until then turns that a thread takes
//! would get into the way of the loop's own calls. It is asked to take them already, but has not
//! promised to: if it does not come, or waits for the promise in another way, it is asked no more.
//!
//! Who is about to wait for a promise, a coroutine of the loop or, where no loop takes the turns, a
//! thread, looks out for the cord for a moment first, and takes the turn by itself: what is done within
//! some microseconds is had without going to sleep.

mod reader;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use hostd_client::Client;
use hostd_protocol::carrier::{TurnClaim, TurnOwner};
use hostd_protocol::ids::Generation;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use self::reader::{Bell, LoopTurn, Rope, TurnReader};
use crate::call::call;
use crate::owner::Owner;

/// A ring that nobody has answered for so long is looked into.
pub(crate) const STALE: Duration = Duration::from_millis(20);
/// A loop that was given a promise and has not awaited it may be busy for so long.
const HESITATION: Duration = Duration::from_millis(250);
/// So many awaits in a row take a turn in the loop's stead; the next one has the loop run, with all
/// that waits for it.
const IN_A_ROW: u32 = 16;
/// A thread that waits for a promise takes a turn that its owner has not taken for so long.
pub(crate) const IMPATIENT: Duration = Duration::from_millis(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who was told of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Loop,
    Waiter,
    Nobody,
}

/// On which condition a thread takes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnCondition {
    /// It is the owner's thread, or the owner has not come for its turn in time.
    None,
    /// No loop owns the turns: callbacks of a loop run in that loop's thread.
    NoOwner,
}

/// Who takes turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Since when a turn is due that nobody has begun.
    due: Mutex<Option<Instant>>,
    keeper: TurnOwner<Keeper>,
    /// Whether there is a keeper: looked at on the way of every promise.
    is_kept: AtomicBool,
    /// Whether it has promised to take turns: looked at on the way of every callable.
    is_firm: AtomicBool,
    /// A loop that can't watch descriptors, by address.
    unfit: AtomicUsize,
    /// The loop is taking a turn: what that runs takes none in its stead.
    in_turn: AtomicBool,
    /// How many turns were taken in the loop's stead since an await was told to have the loop run.
    in_a_row: AtomicU32,
    waiters: Mutex<Vec<Arc<Waiter>>>,
}

/// The loop that takes the turns.
#[derive(Debug)]
struct Keeper {
    event_loop: Py<PyAny>,
    thread: ThreadId,
    bell: Arc<Bell>,
    /// The host whose cord it has, or has not because there is none.
    generation: u32,
    rope: Option<Arc<Rope>>,
    /// Runs something in the context in which the loop takes turns.
    run: Py<PyAny>,
    turn: Py<LoopTurn>,
}

impl Turns {
    /// A turn is due: tells whoever is to take it. Never waits for Python.
    pub(crate) fn ring(&self) -> Asked {
        locked(&self.due).get_or_insert_with(Instant::now);
        if let Some(keeper) = &*self.keeper.lock() {
            keeper.bell.ring();
            return Asked::Loop;
        }
        if let Some(waiter) = locked(&self.waiters).last() {
            waiter.asked.store(true, Ordering::Release);
            waiter.thread.unpark();
            return Asked::Waiter;
        }
        Asked::Nobody
    }

    /// A turn is about to be taken.
    pub(crate) fn begin(&self) {
        *locked(&self.due) = None;
    }

    fn is_due(&self) -> bool {
        locked(&self.due).is_some()
    }

    /// Has `announce` announce a turn, unless a loop owns the turns.
    pub(crate) fn claim(&self, announce: impl FnOnce() -> bool) -> TurnClaim {
        self.keeper.claim(announce)
    }

    /// For how long a turn is due that nobody has begun.
    pub(crate) fn overdue(&self) -> Option<Duration> {
        locked(&self.due).map(|since| since.elapsed())
    }

    /// Whether a loop takes the turns.
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }

    /// Whether a loop takes the turns that awaited or registered something.
    #[inline]
    pub(crate) fn is_firm(&self) -> bool {
        self.is_firm.load(Ordering::Relaxed)
    }

    /// Whether the loop that takes the turns is the one that runs in this thread, which is about to
    /// wait. One that has not promised to take turns takes none any more.
    pub(crate) fn is_kept_here(&self, py: Python<'_>) -> PyResult<bool> {
        let keeper = self
            .keeper
            .lock()
            .as_ref()
            .filter(|keeper| keeper.thread == thread::current().id())
            .map(|keeper| keeper.event_loop.clone_ref(py));
        let is_here = match (keeper, running_loop(py)?) {
            (Some(keeper), Some(running)) => running.is(&keeper),
            _ => false,
        };
        if is_here && !self.is_firm() {
            // A turn that is due is taken by whoever waits, or passed on by who watches.
            self.dismiss();
            return Ok(false);
        }
        Ok(is_here)
    }

    /// Makes this running loop the one that takes the turns, if no other running one does; `firm` if
    /// it has awaited or registered something.
    pub(crate) fn adopt(
        &self,
        py: Python<'_>,
        owner: &Owner,
        client: &Client,
        (event_loop, firm): (&Bound<'_, PyAny>, bool),
    ) -> PyResult<()> {
        if self.unfit.load(Ordering::Relaxed) == event_loop.as_ptr() as usize {
            return Ok(());
        }
        let generation = Generation(client.generation());
        if self.is_kept() {
            let keeper = self
                .keeper
                .lock()
                .as_ref()
                .map(|keeper| (keeper.event_loop.clone_ref(py), keeper.generation));
            if let Some((keeper, heard)) = keeper {
                if keeper.is(event_loop) {
                    let is_current = heard == generation.0 || !client.serves(generation);
                    if !firm || is_current {
                        if firm && !self.is_firm.swap(true, Ordering::AcqRel) {
                            self.tune();
                        }
                        return Ok(());
                    }
                } else if (self.is_firm() || !firm) && is_running(keeper.bind(py))? {
                    return Ok(());
                }
            }
            self.dismiss();
        }
        let is_served = client.serves(generation);
        let rope = client.cord(generation).and_then(Rope::new).map(Arc::new);
        let bell = Arc::new(Bell::new()?);
        let reader = Bound::new(
            py,
            TurnReader {
                owner: owner.downgrade(),
                bell: Arc::clone(&bell),
                rope: rope.clone(),
            },
        )?;
        // In a context of its own, or whatever deadline is open here would bound every turn.
        let context = py.import("contextvars")?.getattr("Context")?.call0()?;
        let add_reader = event_loop.getattr("add_reader")?;
        let run = context.getattr("run")?;
        let watched = call(&run, (&add_reader, bell.descriptor(), &reader));
        if watched.is_err() {
            // Such a loop can't watch descriptors; others take the turns.
            self.unfit
                .store(event_loop.as_ptr() as usize, Ordering::Relaxed);
            return Ok(());
        }
        let rope = rope.filter(|rope| {
            let descriptor = rope.descriptor.as_raw_fd();
            call(&run, (&add_reader, descriptor, &reader, true)).is_ok()
        });
        let keeper = Keeper {
            event_loop: event_loop.clone().unbind(),
            thread: thread::current().id(),
            bell,
            // Of one that is not there yet it is asked for again.
            generation: if is_served { generation.0 } else { 0 },
            rope,
            run: run.unbind(),
            turn: Py::new(py, LoopTurn(owner.downgrade()))?,
        };
        let former = self.keeper.lock().replace(keeper);
        self.is_kept.store(true, Ordering::Release);
        self.is_firm.store(firm, Ordering::Release);
        if let Some(former) = former {
            self.leave(&former);
            former.bell.retire();
        }
        if firm {
            self.tune();
        }
        if self.is_due() {
            self.ring();
        }
        Ok(())
    }

    /// Takes a turn in this loop's stead, if the loop takes them and one is due, or comes to be within
    /// some microseconds. Whether one was taken.
    pub(crate) fn look_out(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !self.is_firm() || self.in_turn.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.in_a_row.load(Ordering::Relaxed) >= IN_A_ROW {
            self.in_a_row.store(0, Ordering::Relaxed);
            return Ok(false);
        }
        let found = self.keeper.lock().as_ref().and_then(|keeper| {
            let is_here = keeper.event_loop.is(event_loop);
            let rope = keeper.rope.as_ref().filter(|_| is_here)?;
            let turn = (keeper.run.clone_ref(py), keeper.turn.clone_ref(py));
            Some((Arc::clone(rope), turn))
        });
        let Some((rope, (run, turn))) = found else {
            return Ok(false);
        };
        // One that is due already is had at once; the bell that told of it brings another.
        if !self.is_due() && !rope.cord.look_out() {
            return Ok(false);
        }
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
        call(run.bind(py), (turn,)).map(|_| true)
    }

    /// While it lives, the loop is taking a turn.
    pub(crate) fn in_turn(&self) -> InTurn<'_> {
        InTurn(self, self.in_turn.swap(true, Ordering::Relaxed))
    }

    /// Has the host pull its cord, or not any more. Runs no Python code.
    fn tune(&self) {
        let keeper = self.keeper.lock();
        let Some((keeper, rope)) = keeper.as_ref().and_then(|it| Some((it, it.rope.as_ref()?)))
        else {
            return;
        };
        if self.is_firm() && locked(&self.waiters).is_empty() {
            rope.cord.watch();
        } else if self.leave(keeper) {
            keeper.bell.ring();
        }
    }

    /// The loop hears the cord no more. Whether it was pulled: then a turn is due.
    fn leave(&self, keeper: &Keeper) -> bool {
        let was_pulled = keeper.rope.as_ref().is_some_and(|rope| rope.cord.leave());
        if was_pulled {
            locked(&self.due).get_or_insert_with(Instant::now);
        }
        was_pulled
    }

    /// The loop takes no more turns. It stops watching by itself, the next time that it runs. Runs
    /// no Python code.
    pub(crate) fn dismiss(&self) {
        if let Some(keeper) = self.take_keeper(None) {
            keeper.bell.retire();
        }
    }

    /// Whether the loop that takes the turns stands still, or has not come although it was rung for
    /// so long ago; then it takes none any more.
    pub(crate) fn dismiss_if_still(&self, py: Python<'_>, overdue: Duration) -> bool {
        if !self.is_firm() && overdue >= HESITATION {
            self.dismiss();
            return true;
        }
        let keeper = self
            .keeper
            .lock()
            .as_ref()
            .map(|keeper| keeper.event_loop.clone_ref(py));
        match keeper {
            Some(keeper) if matches!(is_running(keeper.bind(py)), Ok(true)) => false,
            Some(_) => {
                self.dismiss();
                true
            }
            None => true,
        }
    }

    fn take_keeper(&self, bell: Option<&Arc<Bell>>) -> Option<Keeper> {
        let mut keeper = self.keeper.lock();
        let is_meant = keeper
            .as_ref()
            .is_some_and(|keeper| bell.is_none_or(|bell| Arc::ptr_eq(bell, &keeper.bell)));
        if !is_meant {
            return None;
        }
        self.is_kept.store(false, Ordering::Release);
        self.is_firm.store(false, Ordering::Release);
        let taken = keeper.take();
        if let Some(taken) = &taken {
            self.leave(taken);
        }
        taken
    }

    /// While it lives, this thread may be asked to take a turn.
    pub(crate) fn wait<'a>(&'a self, owner: &'a Owner) -> Waiting<'a> {
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            asked: AtomicBool::new(false),
        });
        locked(&self.waiters).push(Arc::clone(&waiter));
        self.tune();
        Waiting {
            turns: self,
            owner,
            waiter,
        }
    }

    /// In a forked child: the parent's loop and threads are not here.
    pub(crate) fn forget(&self) {
        self.is_kept.store(false, Ordering::Release);
        self.is_firm.store(false, Ordering::Release);
        if let Some(mut keeper) = self.keeper.try_lock() {
            drop(keeper.take());
        }
        if let Ok(mut waiters) = self.waiters.try_lock() {
            waiters.clear();
        }
    }
}

/// A thread that waits for a promise.
#[derive(Debug)]
struct Waiter {
    thread: Thread,
    asked: AtomicBool,
}

/// A thread's readiness to take turns.
pub(crate) struct Waiting<'a> {
    turns: &'a Turns,
    owner: &'a Owner,
    waiter: Arc<Waiter>,
}

impl Waiting<'_> {
    /// Whether this thread is to take a turn now, and on which condition.
    pub(crate) fn asked_for(&self) -> Option<TurnCondition> {
        let is_overdue = |time| time >= IMPATIENT;
        if self.turns.overdue().is_some_and(is_overdue) {
            return Some(TurnCondition::None);
        }
        let is_asked = self.waiter.asked.swap(false, Ordering::AcqRel);
        is_asked.then_some(TurnCondition::NoOwner)
    }

    /// Looks out for some microseconds whether a turn comes to be due, where no loop takes them.
    /// Whether this thread is to take it now.
    pub(crate) fn look_out(&self, client: &Client) -> bool {
        if self.turns.is_kept() {
            return false;
        }
        let Some(cord) = client.cord(Generation(client.generation())) else {
            return false;
        };
        cord.watch();
        let is_pulled = cord.look_out();
        // What was pulled at last is in nobody else's hands either.
        cord.leave() || is_pulled
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        locked(&self.turns.waiters).retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        self.turns.tune();
        if self.waiter.asked.load(Ordering::Acquire) {
            self.owner.pass_on();
        }
    }
}

/// See [`Turns::in_turn`].
pub(crate) struct InTurn<'a>(&'a Turns, bool);

impl Drop for InTurn<'_> {
    fn drop(&mut self) {
        self.0.in_turn.store(self.1, Ordering::Relaxed);
    }
}

/// The asyncio loop that runs in this thread.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING.get_or_try_init(py, || {
        let asyncio = py.import("asyncio")?;
        Ok::<_, PyErr>(asyncio.getattr("_get_running_loop")?.unbind())
    })?;
    let found = running.bind(py).call0()?;
    Ok((!found.is_none()).then_some(found))
}

fn is_running(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    let is_running = event_loop.getattr(intern!(py, "is_running"))?;
    call(&is_running, ())?.is_truthy()
}
