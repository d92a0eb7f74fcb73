//! Carries out what the [`TurnScheduler`] decides about an addon's event-loop turns: an adapter between
//! it, asyncio, and threads that wait.
//!
//! A loop watches two descriptors: a pipe of this process, and the host's wake pipe, through which
//! the host wakes the loop without a thread in between. The host also sends a notice when the wake
//! pipe is not read soon. No lock is held while Python code can run.
//!
//! Before a coroutine of the loop or, without a loop, a thread waits for a promise, it polls the wake
//! pipe briefly and takes the turn itself: a result that takes microseconds needs no sleep.

mod signal;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use hostd_client::{Client, TurnAction, TurnEvent, TurnScheduler};
use hostd_protocol::carrier::{TurnClaim, TurnOwner};
use hostd_protocol::ids::Generation;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

pub(crate) use self::signal::{LoopSignal, PipeWatch};
use crate::call::call;
use crate::fallible;

/// The number of awaits in a row that take a turn in the loop's place; the next one lets the loop run
/// its other tasks.
const AWAIT_TURNS_MAX: u32 = 16;
/// A thread that waits for a promise takes a turn that its owner has not begun for this long.
pub(crate) const WAITER_TURN_AFTER: Duration = Duration::from_millis(5);

/// The scheduler of one addon's turns.
type Scheduler = TurnScheduler<Arc<LoopOwner>, Arc<TurnWaiter>>;
type Event = TurnEvent<Arc<LoopOwner>, Arc<TurnWaiter>>;

/// What the scheduler leaves to the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the worker is to do it"]
pub(crate) struct WorkerTask {
    /// To take a turn.
    pub(crate) runs_turn: bool,
    /// To ask the loop that owns the turns whether it runs: [`Turns::check_loop`].
    pub(crate) checks_loop: bool,
    /// To look at [`Turns::timer`] again.
    pub(crate) arms_timer: bool,
}

/// On which condition a thread takes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnCondition {
    /// It is the owner's thread, or the owner has not begun the turn in time.
    None,
    /// No loop owns the turns: callbacks of a loop run in that loop's thread.
    NoOwner,
}

/// The turns of one addon.
#[derive(Debug)]
pub(crate) struct Turns {
    scheduler: TurnOwner<Scheduler>,
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

impl LoopOwner {
    /// Has the host write to its wake pipe for this loop.
    fn watch(&self) {
        if let Some(watch) = &self.pipe {
            watch.pipe.attach();
        }
    }

    /// Ends that. Returns whether the pipe was written to: then a turn is due.
    fn unwatch(&self) -> bool {
        self.pipe.as_ref().is_some_and(|watch| watch.pipe.detach())
    }
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            scheduler: TurnOwner::new(Scheduler::new(Instant::now())),
            is_owned: AtomicBool::new(false),
            is_committed: AtomicBool::new(false),
            unfit: AtomicUsize::new(0),
            in_turn: AtomicBool::new(false),
            taken_by_awaits: AtomicU32::new(0),
        }
    }

    fn handle(&self, event: Event) -> WorkerTask {
        self.handle_locked(self.scheduler.lock(), event)
    }

    /// Has the scheduler handle an event, and carries out what it decides. Runs no Python code while
    /// the scheduler is locked.
    fn handle_locked(&self, mut scheduler: MutexGuard<'_, Scheduler>, event: Event) -> WorkerTask {
        let mut task = WorkerTask::default();
        let mut retired = None;
        let mut event = Some(event);
        while let Some(now) = event.take() {
            for action in scheduler.handle(now, Instant::now()).into_iter().flatten() {
                let owner = scheduler.owner();
                match action {
                    TurnAction::Retire(former) => {
                        if former.unwatch() {
                            event = Some(TurnEvent::PipeWritten);
                        }
                        former.signal.retire();
                        retired = Some(former);
                    }
                    TurnAction::UnwatchPipe => {
                        if owner.is_some_and(|owner| owner.unwatch()) {
                            event = Some(TurnEvent::PipeWritten);
                        }
                    }
                    TurnAction::WatchPipe => {
                        if let Some(owner) = owner {
                            owner.watch();
                        }
                    }
                    TurnAction::NotifyLoop => {
                        if let Some(owner) = owner {
                            owner.signal.set();
                        }
                    }
                    TurnAction::NotifyWaiter(waiter) => waiter.notify(),
                    TurnAction::RunTurn => task.runs_turn = true,
                    TurnAction::CheckLoop => task.checks_loop = true,
                    TurnAction::ArmTimer => task.arms_timer = true,
                }
            }
        }
        self.is_owned
            .store(scheduler.owner().is_some(), Ordering::Release);
        self.is_committed
            .store(scheduler.is_committed(), Ordering::Release);
        drop(scheduler);
        drop(retired);
        task
    }

    /// A turn is due: notifies its taker. Never waits for Python.
    pub(crate) fn request_turn(&self) -> WorkerTask {
        self.handle(TurnEvent::TurnRequested)
    }

    /// A turn begins.
    pub(crate) fn begin(&self) {
        let _ = self.handle(TurnEvent::TurnBegun);
    }

    /// When [`Self::deadline_passed`] is to be called.
    pub(crate) fn timer(&self) -> Option<Instant> {
        self.scheduler.lock().timer()
    }

    /// The time of [`Self::timer`] has come.
    pub(crate) fn deadline_passed(&self) -> WorkerTask {
        self.handle(TurnEvent::DeadlinePassed)
    }

    /// Checks whether the loop that owns the turns runs.
    pub(crate) fn check_loop(&self, py: Python<'_>) -> WorkerTask {
        let Some(owner) = self.owner() else {
            return WorkerTask::default();
        };
        if matches!(is_running(owner.event_loop.bind(py)), Ok(true)) {
            return WorkerTask::default();
        }
        self.end_ownership(&owner.signal, TurnEvent::LoopStalled)
            .unwrap_or_default()
    }

    fn owner(&self) -> Option<Arc<LoopOwner>> {
        self.scheduler.lock().owner().cloned()
    }

    /// Handles an event of the loop with this signal, if it owns the turns.
    fn end_ownership(&self, signal: &Arc<LoopSignal>, event: Event) -> Option<WorkerTask> {
        let scheduler = self.scheduler.lock();
        let is_owner = scheduler
            .owner()
            .is_some_and(|owner| Arc::ptr_eq(&owner.signal, signal));
        is_owner.then(|| self.handle_locked(scheduler, event))
    }

    /// The loop with this signal has dropped its reader. Returns whether it owned the turns.
    pub(crate) fn detach(&self, signal: &Arc<LoopSignal>) -> Option<WorkerTask> {
        self.end_ownership(signal, TurnEvent::LoopDetached)
    }

    /// The loop owns the turns no more. It stops watching the next time that it runs. Runs no Python
    /// code.
    pub(crate) fn dismiss(&self) -> WorkerTask {
        self.handle(TurnEvent::LoopDetached)
    }

    /// Whether a turn is due that has not begun.
    pub(crate) fn is_due(&self) -> bool {
        self.scheduler.lock().is_due()
    }

    /// Calls `announce` unless a loop owns the turns.
    pub(crate) fn claim(&self, announce: impl FnOnce() -> bool) -> TurnClaim {
        self.scheduler.claim(announce)
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
    pub(crate) fn is_owned_here(&self, py: Python<'_>) -> PyResult<(bool, WorkerTask)> {
        let owner = self
            .owner()
            .filter(|owner| owner.thread == thread::current().id());
        let is_here = match (owner, running_loop(py)?) {
            (Some(owner), Some(running)) => running.is(&owner.event_loop),
            _ => false,
        };
        if is_here && !self.is_committed() {
            // The thread that waits, or the worker, takes a turn that is due.
            return Ok((false, self.dismiss()));
        }
        Ok((is_here, WorkerTask::default()))
    }

    /// Makes this running loop the owner, unless another running one is; `committed` if it awaited or
    /// registered something.
    pub(crate) fn adopt<'py>(
        &self,
        py: Python<'py>,
        client: &Client,
        (event_loop, committed): (&Bound<'py, PyAny>, bool),
        callbacks: &MakeCallbacks<'_, 'py>,
    ) -> PyResult<WorkerTask> {
        if self.unfit.load(Ordering::Relaxed) == event_loop.as_ptr() as usize {
            return Ok(WorkerTask::default());
        }
        let generation = Generation(client.generation());
        let mut task = WorkerTask::default();
        if let Some(owner) = self.owner() {
            if owner.event_loop.is(event_loop) {
                let is_current = owner.generation == generation.0 || !client.serves(generation);
                if !committed || is_current {
                    return Ok(if committed && !self.is_committed() {
                        self.handle(TurnEvent::LoopCommitted)
                    } else {
                        WorkerTask::default()
                    });
                }
            } else if (self.is_committed() || !committed) && is_running(owner.event_loop.bind(py))?
            {
                return Ok(WorkerTask::default());
            }
            task = self.dismiss();
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
            return Ok(task);
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
        let attached = self.handle(TurnEvent::LoopAttached(Arc::new(owner), committed));
        Ok(WorkerTask {
            runs_turn: task.runs_turn || attached.runs_turn,
            checks_loop: task.checks_loop || attached.checks_loop,
            arms_timer: task.arms_timer || attached.arms_timer,
        })
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
        let owner = self.owner().filter(|owner| owner.event_loop.is(event_loop));
        let Some((owner, watch)) = owner.as_ref().and_then(|it| Some((it, it.pipe.as_ref()?)))
        else {
            return Ok(false);
        };
        // A turn that is due already is taken at once; its signal leads to one more.
        if !self.is_due() && !watch.pipe.spin() {
            return Ok(false);
        }
        self.taken_by_awaits.fetch_add(1, Ordering::Relaxed);
        call(owner.run.bind(py), (&owner.turn,)).map(|_| true)
    }

    /// While it lives, the loop is taking a turn.
    pub(crate) fn in_turn(&self) -> InTurn<'_> {
        InTurn(self, self.in_turn.swap(true, Ordering::Relaxed))
    }

    /// Adds this thread to those that can be notified of turns.
    pub(crate) fn add_waiter(&self) -> (Arc<TurnWaiter>, WorkerTask) {
        let waiter = Arc::new(TurnWaiter {
            thread: thread::current(),
            is_notified: AtomicBool::new(false),
        });
        let task = self.handle(TurnEvent::WaiterEntered(Arc::clone(&waiter)));
        (waiter, task)
    }

    /// Removes a waiter.
    pub(crate) fn remove_waiter(&self, waiter: &Arc<TurnWaiter>) -> WorkerTask {
        // Read under the lock, under which it is set.
        let scheduler = self.scheduler.lock();
        let is_notified = waiter.is_notified.load(Ordering::Acquire);
        self.handle_locked(
            scheduler,
            TurnEvent::WaiterLeft(Arc::clone(waiter), is_notified),
        )
    }

    /// Whether this waiter is to take a turn now, and on which condition.
    pub(crate) fn turn_for(&self, waiter: &TurnWaiter) -> Option<TurnCondition> {
        let is_late = |time| time >= WAITER_TURN_AFTER;
        let overdue = self.scheduler.lock().overdue(Instant::now());
        if overdue.is_some_and(is_late) {
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
        if let Some(mut scheduler) = self.scheduler.try_lock() {
            let owner = scheduler.forget();
            drop(scheduler);
            drop(owner);
        }
    }
}

/// A thread that waits for a promise and can take turns.
#[derive(Debug)]
pub(crate) struct TurnWaiter {
    thread: Thread,
    is_notified: AtomicBool,
}

impl TurnWaiter {
    fn notify(&self) {
        self.is_notified.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl PartialEq for TurnWaiter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
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
    fn due_turn_notifies_the_last_waiter() {
        let turns = Turns::new();
        assert!(turns.request_turn().runs_turn);
        assert!(turns.is_due());
        turns.begin();
        assert!(!turns.is_due());
        let ((first, _), (last, _)) = (turns.add_waiter(), turns.add_waiter());
        assert!(!turns.request_turn().runs_turn);
        turns.begin();
        assert_eq!(turns.turn_for(&first), None);
        assert_eq!(turns.turn_for(&last), Some(TurnCondition::NoOwner));
        assert_eq!(turns.turn_for(&last), None, "a notification is taken once");
    }

    #[test]
    fn waiter_that_leaves_hands_its_turn_on() {
        let turns = Turns::new();
        let (waiter, _) = turns.add_waiter();
        let _ = turns.request_turn();
        assert!(turns.remove_waiter(&waiter).runs_turn);
        let (waiter, _) = turns.add_waiter();
        assert!(!turns.remove_waiter(&waiter).runs_turn);
    }

    #[test]
    fn waiter_takes_an_overdue_turn() {
        let turns = Turns::new();
        let (waiter, _) = turns.add_waiter();
        let since = Instant::now().checked_sub(WAITER_TURN_AFTER).unwrap();
        let _ = turns
            .scheduler
            .lock()
            .handle(TurnEvent::TurnRequested, since);
        assert_eq!(turns.turn_for(&waiter), Some(TurnCondition::None));
    }
}
