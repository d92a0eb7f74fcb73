//! Which asyncio loop or waiting thread takes an addon's event-loop turns.
//!
//! The owner is the first asyncio loop that used the addon, or a thread that waits in
//! `Promise.result()`; without either, the worker thread takes the turns. A loop owns them until it
//! drops its reader, or until a turn is due and the loop is found not to run. No lock is held while
//! Python code can run.
//!
//! A loop watches two descriptors: a pipe of this process, and the host's wake pipe, through which
//! the host wakes the loop without a thread in between. The host also sends a notice when the wake
//! pipe is not read soon. Only a committed loop watches the wake pipe, and only while no thread
//! waits.
//!
//! A loop that awaited or registered something is committed. One that only received a promise is
//! provisional, since it will most likely await it: turns that another thread takes until then would
//! get in the way of the loop's own calls. It loses the turns if it does not take one within
//! [`PROVISIONAL_TIMEOUT`], or waits for the promise in another way.
//!
//! Before a coroutine of the loop or, without a loop, a thread waits for a promise, it polls the wake
//! pipe briefly and takes the turn itself: a result that takes microseconds needs no sleep.

mod signal;

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

pub(crate) use self::signal::{LoopSignal, PipeWatch};
use crate::call::call;
use crate::fallible;

/// A due turn that has not begun for this long is taken by the worker if the owner is gone.
pub(crate) const TURN_OVERDUE_AFTER: Duration = Duration::from_millis(20);
/// A provisional loop that has not taken a due turn for this long loses the turns.
const PROVISIONAL_TIMEOUT: Duration = Duration::from_millis(250);
/// The number of awaits in a row that take a turn in the loop's place; the next one lets the loop run
/// its other tasks.
const AWAIT_TURNS_MAX: u32 = 16;
/// A thread that waits for a promise takes a turn that its owner has not begun for this long.
pub(crate) const WAITER_TURN_AFTER: Duration = Duration::from_millis(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who was notified of a due turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    Loop,
    Waiter,
    None,
}

/// On which condition a thread takes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnCondition {
    /// It is the owner's thread, or the owner has not begun the turn in time.
    None,
    /// No loop owns the turns: callbacks of a loop run in that loop's thread.
    NoOwner,
}

/// The owner of the turns, and the turn that is due.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Since when a turn is due that has not begun.
    due: Mutex<Option<Instant>>,
    loop_owner: TurnOwner<LoopOwner>,
    /// Whether a loop owns the turns; read for every promise.
    is_owned: AtomicBool,
    /// Whether that loop is committed; read for every callable.
    is_committed: AtomicBool,
    /// The address of a loop that can't watch descriptors.
    unfit: AtomicUsize,
    /// The loop is taking a turn; code in it takes no other one in the loop's place.
    in_turn: AtomicBool,
    /// The turns that awaits took in a row in the loop's place.
    taken_by_awaits: AtomicU32,
    waiters: Mutex<Vec<Arc<TurnWaiter>>>,
}

/// The loop that takes the turns.
#[derive(Debug)]
pub(crate) struct LoopOwner {
    event_loop: Py<PyAny>,
    thread: ThreadId,
    signal: Arc<LoopSignal>,
    /// The host whose wake pipe the loop watches; zero if none was there yet.
    generation: u32,
    pipe: Option<Arc<PipeWatch>>,
    /// `Context.run` of the context in which the loop takes turns.
    run: Py<PyAny>,
    /// A callable that takes one turn.
    turn: Py<PyAny>,
}

/// Makes what a loop calls when one of its descriptors is readable, and what takes one turn in its
/// place.
pub(crate) type MakeCallbacks<'a, 'py> =
    dyn Fn(&Arc<LoopSignal>, Option<&Arc<PipeWatch>>) -> PyResult<Callbacks<'py>> + 'a;

/// The reader, and the callable that takes one turn.
type Callbacks<'py> = (Bound<'py, PyAny>, Py<PyAny>);

impl Turns {
    /// A turn is due: notifies its taker. Never waits for Python.
    pub(crate) fn request_turn(&self) -> Notified {
        locked(&self.due).get_or_insert_with(Instant::now);
        if let Some(owner) = &*self.loop_owner.lock() {
            owner.signal.set();
            return Notified::Loop;
        }
        if let Some(waiter) = locked(&self.waiters).last() {
            waiter.is_notified.store(true, Ordering::Release);
            waiter.thread.unpark();
            return Notified::Waiter;
        }
        Notified::None
    }

    /// A turn begins.
    pub(crate) fn begin(&self) {
        *locked(&self.due) = None;
    }

    fn is_due(&self) -> bool {
        locked(&self.due).is_some()
    }

    /// Calls `announce` unless a loop owns the turns.
    pub(crate) fn claim(&self, announce: impl FnOnce() -> bool) -> TurnClaim {
        self.loop_owner.claim(announce)
    }

    /// For how long a turn has been due that has not begun.
    pub(crate) fn overdue(&self) -> Option<Duration> {
        locked(&self.due).map(|since| since.elapsed())
    }

    /// Whether a loop owns the turns.
    #[inline]
    pub(crate) fn is_owned(&self) -> bool {
        self.is_owned.load(Ordering::Relaxed)
    }

    /// Whether a loop owns the turns that awaited or registered something.
    #[inline]
    pub(crate) fn is_committed(&self) -> bool {
        self.is_committed.load(Ordering::Relaxed)
    }

    /// Whether the loop that owns the turns runs in this thread, which is about to block. A
    /// provisional one loses the turns.
    pub(crate) fn is_owned_here(&self, py: Python<'_>) -> PyResult<bool> {
        let owner = self
            .loop_owner
            .lock()
            .as_ref()
            .filter(|owner| owner.thread == thread::current().id())
            .map(|owner| owner.event_loop.clone_ref(py));
        let is_here = match (owner, running_loop(py)?) {
            (Some(owner), Some(running)) => running.is(&owner),
            _ => false,
        };
        if is_here && !self.is_committed() {
            // The thread that waits, or the worker, takes a turn that is due.
            self.dismiss();
            return Ok(false);
        }
        Ok(is_here)
    }

    /// Makes this running loop the owner, unless another running one is; `committed` if it awaited or
    /// registered something.
    pub(crate) fn adopt<'py>(
        &self,
        py: Python<'py>,
        client: &Client,
        (event_loop, committed): (&Bound<'py, PyAny>, bool),
        callbacks: &MakeCallbacks<'_, 'py>,
    ) -> PyResult<()> {
        if self.unfit.load(Ordering::Relaxed) == event_loop.as_ptr() as usize {
            return Ok(());
        }
        let generation = Generation(client.generation());
        if self.is_owned() {
            let owner = self
                .loop_owner
                .lock()
                .as_ref()
                .map(|owner| (owner.event_loop.clone_ref(py), owner.generation));
            if let Some((owner, watched)) = owner {
                if owner.is(event_loop) {
                    let is_current = watched == generation.0 || !client.serves(generation);
                    if !committed || is_current {
                        if committed && !self.is_committed.swap(true, Ordering::AcqRel) {
                            self.update_watch();
                        }
                        return Ok(());
                    }
                } else if (self.is_committed() || !committed) && is_running(owner.bind(py))? {
                    return Ok(());
                }
            }
            self.dismiss();
        }
        let is_served = client.serves(generation);
        let pipe = client
            .wake_pipe(generation)
            .and_then(PipeWatch::new)
            .map(Arc::new);
        let signal = Arc::new(LoopSignal::new()?);
        let (reader, turn) = callbacks(&signal, pipe.as_ref())?;
        // An empty context, or a deadline that is open here would apply to every turn.
        let context = fallible::import(py, "contextvars", "Context")?.call0()?;
        let add_reader = event_loop.getattr(intern!(py, "add_reader"))?;
        let run = context.getattr(intern!(py, "run"))?;
        let watched = call(&run, (&add_reader, signal.descriptor(), &reader));
        if watched.is_err() {
            // Such a loop can't watch descriptors; others take the turns.
            self.unfit
                .store(event_loop.as_ptr() as usize, Ordering::Relaxed);
            return Ok(());
        }
        let pipe = pipe.filter(|pipe| {
            let descriptor = pipe.descriptor.as_raw_fd();
            call(&run, (&add_reader, descriptor, &reader, true)).is_ok()
        });
        let owner = LoopOwner {
            event_loop: event_loop.clone().unbind(),
            thread: thread::current().id(),
            signal,
            // Zero has the next call adopt the loop again, when the host is there.
            generation: if is_served { generation.0 } else { 0 },
            pipe,
            run: run.unbind(),
            turn,
        };
        let former = self.loop_owner.lock().replace(owner);
        self.is_owned.store(true, Ordering::Release);
        self.is_committed.store(committed, Ordering::Release);
        if let Some(former) = former {
            self.detach(&former);
            former.signal.retire();
        }
        if committed {
            self.update_watch();
        }
        if self.is_due() {
            self.request_turn();
        }
        Ok(())
    }

    /// Takes a turn in the place of this loop, if the loop owns the turns and one is due or becomes
    /// due within some microseconds. Returns whether one was taken.
    pub(crate) fn poll_briefly(
        &self,
        py: Python<'_>,
        event_loop: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if !self.is_committed() || self.in_turn.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.taken_by_awaits.load(Ordering::Relaxed) >= AWAIT_TURNS_MAX {
            self.taken_by_awaits.store(0, Ordering::Relaxed);
            return Ok(false);
        }
        let found = self.loop_owner.lock().as_ref().and_then(|owner| {
            let is_here = owner.event_loop.is(event_loop);
            let pipe = owner.pipe.as_ref().filter(|_| is_here)?;
            let turn = (owner.run.clone_ref(py), owner.turn.clone_ref(py));
            Some((Arc::clone(pipe), turn))
        });
        let Some((watch, (run, turn))) = found else {
            return Ok(false);
        };
        // A turn that is due already is taken at once; its signal leads to one more.
        if !self.is_due() && !watch.pipe.spin() {
            return Ok(false);
        }
        self.taken_by_awaits.fetch_add(1, Ordering::Relaxed);
        call(run.bind(py), (turn,)).map(|_| true)
    }

    /// While it lives, the loop is taking a turn.
    pub(crate) fn in_turn(&self) -> InTurn<'_> {
        InTurn(self, self.in_turn.swap(true, Ordering::Relaxed))
    }

    /// Has the host write to its wake pipe, or not any more. Runs no Python code.
    fn update_watch(&self) {
        let owner = self.loop_owner.lock();
        let Some((owner, watch)) = owner.as_ref().and_then(|it| Some((it, it.pipe.as_ref()?)))
        else {
            return;
        };
        if self.is_committed() && locked(&self.waiters).is_empty() {
            watch.pipe.attach();
        } else if self.detach(owner) {
            owner.signal.set();
        }
    }

    /// Stops the loop's use of the wake pipe. Returns whether the pipe was written to: then a turn is
    /// due.
    fn detach(&self, owner: &LoopOwner) -> bool {
        let was_written = owner.pipe.as_ref().is_some_and(|watch| watch.pipe.detach());
        if was_written {
            locked(&self.due).get_or_insert_with(Instant::now);
        }
        was_written
    }

    /// The loop owns the turns no more. It stops watching the next time that it runs. Runs no Python
    /// code.
    pub(crate) fn dismiss(&self) {
        if let Some(owner) = self.take_owner(None) {
            owner.signal.retire();
        }
    }

    /// Dismisses the loop if it does not run, or is provisional and has not taken a turn that has
    /// been due for `overdue`. Returns whether no loop owns the turns now.
    pub(crate) fn dismiss_if_stalled(&self, py: Python<'_>, overdue: Duration) -> bool {
        if !self.is_committed() && overdue >= PROVISIONAL_TIMEOUT {
            self.dismiss();
            return true;
        }
        let owner = self
            .loop_owner
            .lock()
            .as_ref()
            .map(|owner| owner.event_loop.clone_ref(py));
        match owner {
            Some(owner) if matches!(is_running(owner.bind(py)), Ok(true)) => false,
            Some(_) => {
                self.dismiss();
                true
            }
            None => true,
        }
    }

    /// Takes the owner out, if there is one and it has this signal.
    pub(crate) fn take_owner(&self, signal: Option<&Arc<LoopSignal>>) -> Option<LoopOwner> {
        let mut owner = self.loop_owner.lock();
        let is_meant = owner
            .as_ref()
            .is_some_and(|owner| signal.is_none_or(|signal| Arc::ptr_eq(signal, &owner.signal)));
        if !is_meant {
            return None;
        }
        self.is_owned.store(false, Ordering::Release);
        self.is_committed.store(false, Ordering::Release);
        let taken = owner.take();
        if let Some(taken) = &taken {
            self.detach(taken);
        }
        taken
    }

    /// Adds this thread to those that [`Self::request_turn`] can notify.
    pub(crate) fn add_waiter(&self) -> Arc<TurnWaiter> {
        let waiter = Arc::new(TurnWaiter {
            thread: thread::current(),
            is_notified: AtomicBool::new(false),
        });
        locked(&self.waiters).push(Arc::clone(&waiter));
        self.update_watch();
        waiter
    }

    /// Removes a waiter. Returns whether it was notified of a turn that it has not taken.
    pub(crate) fn remove_waiter(&self, waiter: &Arc<TurnWaiter>) -> bool {
        locked(&self.waiters).retain(|known| !Arc::ptr_eq(known, waiter));
        self.update_watch();
        waiter.is_notified.load(Ordering::Acquire)
    }

    /// Whether this waiter is to take a turn now, and on which condition.
    pub(crate) fn turn_for(&self, waiter: &TurnWaiter) -> Option<TurnCondition> {
        let is_late = |time| time >= WAITER_TURN_AFTER;
        if self.overdue().is_some_and(is_late) {
            return Some(TurnCondition::None);
        }
        let is_notified = waiter.is_notified.swap(false, Ordering::AcqRel);
        is_notified.then_some(TurnCondition::NoOwner)
    }

    /// Polls the wake pipe for some microseconds if no loop owns the turns. Returns whether this
    /// waiting thread is to take a turn now.
    pub(crate) fn poll_unowned(&self, client: &Client) -> bool {
        if self.is_owned() {
            return false;
        }
        let Some(pipe) = client.wake_pipe(Generation(client.generation())) else {
            return false;
        };
        pipe.attach();
        let is_written = pipe.spin();
        // If the pipe was written to after the poll, no other thread sees it.
        pipe.detach() || is_written
    }

    /// In a forked child: the parent's loop and threads do not exist here.
    pub(crate) fn forget(&self) {
        self.is_owned.store(false, Ordering::Release);
        self.is_committed.store(false, Ordering::Release);
        if let Some(mut owner) = self.loop_owner.try_lock() {
            drop(owner.take());
        }
        if let Ok(mut waiters) = self.waiters.try_lock() {
            waiters.clear();
        }
    }
}

/// A thread that waits for a promise and can take turns.
#[derive(Debug)]
pub(crate) struct TurnWaiter {
    thread: Thread,
    is_notified: AtomicBool,
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
        let running = fallible::import(py, "asyncio", "_get_running_loop")?;
        Ok::<_, PyErr>(running.unbind())
    })?;
    let found = running.bind(py).call0()?;
    Ok((!found.is_none()).then_some(found))
}

fn is_running(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    let is_running = event_loop.getattr(intern!(py, "is_running"))?;
    call(&is_running, ())?.is_truthy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_turn_notifies_the_last_waiter() {
        let turns = Turns::default();
        assert_eq!(turns.request_turn(), Notified::None);
        assert!(turns.overdue().is_some());
        turns.begin();
        assert!(turns.overdue().is_none());
        let (first, last) = (turns.add_waiter(), turns.add_waiter());
        assert_eq!(turns.request_turn(), Notified::Waiter);
        turns.begin();
        assert_eq!(turns.turn_for(&first), None);
        assert_eq!(turns.turn_for(&last), Some(TurnCondition::NoOwner));
        assert_eq!(turns.turn_for(&last), None, "a notification is taken once");
    }

    #[test]
    fn a_waiter_that_leaves_says_whether_it_was_notified() {
        let turns = Turns::default();
        let waiter = turns.add_waiter();
        turns.request_turn();
        assert!(turns.remove_waiter(&waiter));
        assert!(!turns.remove_waiter(&turns.add_waiter()));
        assert_eq!(turns.request_turn(), Notified::None);
    }

    #[test]
    fn a_waiter_takes_an_overdue_turn() {
        let turns = Turns::default();
        let waiter = turns.add_waiter();
        *locked(&turns.due) = Instant::now().checked_sub(WAITER_TURN_AFTER);
        assert_eq!(turns.turn_for(&waiter), Some(TurnCondition::None));
    }
}
