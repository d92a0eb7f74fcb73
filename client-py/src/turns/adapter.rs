//! Carries out what the [`TurnScheduler`] decides about an addon's event-loop turns: it notifies the
//! loop that owns them, a thread that waits for a promise, or the worker.
//!
//! A loop watches two descriptors: a pipe of this process, and the host's wake pipe, through which
//! the host wakes the loop without a thread in between. The host also sends a notice when the wake
//! pipe is not read soon. No lock is held while Python code can run.
//!
//! Before a coroutine of the loop or, without a loop, a thread waits for a promise, it polls the wake
//! pipe briefly and takes the turn itself: a result that takes microseconds needs no sleep.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Instant;

use hostd_client::{Client, LoopSignal, PipeWatch, TurnAction, TurnEvent, TurnScheduler};
use hostd_protocol::carrier::{TurnClaim, TurnOwner};
use hostd_protocol::ids::Generation;
use pyo3::prelude::*;

use super::event_loop::{is_running, running_loop};
use super::waiter::TurnWaiter;
use crate::call::call;
use crate::jobs::Job;
use crate::worker_queue::WorkerQueue;

/// The number of awaits in a row that take a turn in the loop's place; the next one lets the loop run
/// its other tasks.
const AWAIT_TURNS_MAX: u32 = 16;

type Scheduler = TurnScheduler<Arc<LoopOwner>, Arc<TurnWaiter>>;
type Event = TurnEvent<Arc<LoopOwner>, Arc<TurnWaiter>>;

/// What the scheduler leaves to the worker.
#[derive(Default)]
struct WorkerTask {
    runs_turn: bool,
    /// To ask the loop that owns the turns whether it runs.
    checks_loop: bool,
    /// To look at [`Turns::timer`] again.
    arms_timer: bool,
}

pub(crate) struct Turns {
    pub(super) scheduler: TurnOwner<Scheduler>,
    queue: Arc<WorkerQueue>,
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
pub(crate) struct LoopOwner {
    pub(crate) event_loop: Py<PyAny>,
    pub(crate) thread: ThreadId,
    pub(crate) signal: Arc<LoopSignal>,
    /// The host whose wake pipe the loop watches; zero if none was there yet.
    pub(crate) generation: u32,
    pub(crate) pipe: Option<Arc<PipeWatch>>,
    /// `Context.run` of the context in which the loop takes turns.
    pub(crate) run: Py<PyAny>,
    /// A callable that takes one turn.
    pub(crate) turn: Py<PyAny>,
}

impl LoopOwner {
    /// Has the host write to its wake pipe no more. Returns whether it was written to: then a turn is
    /// due.
    fn unwatch(&self) -> bool {
        self.pipe.as_ref().is_some_and(|watch| watch.pipe.detach())
    }
}

impl Turns {
    /// `has_worker`: the worker takes the turns that nobody else takes.
    pub(crate) fn new(queue: Arc<WorkerQueue>, has_worker: bool) -> Self {
        let scheduler = Scheduler::new(Instant::now());
        let scheduler = if has_worker {
            scheduler
        } else {
            scheduler.without_worker()
        };
        Self {
            scheduler: TurnOwner::new(scheduler),
            queue,
            is_owned: AtomicBool::new(false),
            is_committed: AtomicBool::new(false),
            unfit: AtomicUsize::new(0),
            in_turn: AtomicBool::new(false),
            taken_by_awaits: AtomicU32::new(0),
        }
    }

    /// Has the scheduler handle an event, and carries out what it decides.
    pub(super) fn handle(&self, event: Event) {
        self.handle_locked(self.scheduler.lock(), event);
    }

    pub(super) fn handle_locked(&self, scheduler: MutexGuard<'_, Scheduler>, event: Event) {
        let task = self.decide(scheduler, event);
        self.leave(&task);
    }

    /// As [`Self::handle`], but for what it returns. Runs no Python code while the scheduler is
    /// locked.
    fn decide(&self, mut scheduler: MutexGuard<'_, Scheduler>, event: Event) -> WorkerTask {
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
                        if let Some(watch) = owner.and_then(|owner| owner.pipe.as_ref()) {
                            watch.pipe.attach();
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

    fn leave(&self, task: &WorkerTask) {
        let mut wakes = task.arms_timer;
        if task.runs_turn {
            self.queue.push(Job::Turn);
            // A thread that does the jobs checks the queue again when it is done.
            wakes |= self.queue.active_in.load(Ordering::Acquire) != std::process::id();
        }
        if wakes {
            self.queue.wake();
        }
    }

    /// A turn is due that the caller does not take: notifies its taker. Never waits for Python.
    pub(crate) fn request_turn(&self) {
        self.handle(TurnEvent::TurnRequested);
    }

    /// A turn is due. Returns whether the caller is to do that as a job, as the worker would.
    pub(crate) fn request_turn_from_worker(&self) -> bool {
        let task = self.decide(self.scheduler.lock(), TurnEvent::TurnRequested);
        if !task.runs_turn {
            self.leave(&task);
        }
        task.runs_turn
    }

    pub(crate) fn begin(&self) {
        self.handle(TurnEvent::TurnBegun);
    }

    /// When [`Self::deadline_passed`] is to be called.
    pub(crate) fn timer(&self) -> Option<Instant> {
        self.scheduler.lock().timer()
    }

    /// The time of [`Self::timer`] has come: checks that a due turn is taken.
    pub(crate) fn deadline_passed(&self) {
        let task = self.decide(self.scheduler.lock(), TurnEvent::DeadlinePassed);
        self.leave(&task);
        if task.checks_loop {
            Python::try_attach(|py| self.check_loop(py));
        }
    }

    /// Takes the turns from the loop that owns them if it does not run.
    fn check_loop(&self, py: Python<'_>) {
        if let Some(owner) = self.owner()
            && !matches!(is_running(owner.event_loop.bind(py)), Ok(true))
        {
            self.end_ownership(&owner.signal, TurnEvent::LoopStalled);
        }
    }

    fn owner(&self) -> Option<Arc<LoopOwner>> {
        self.scheduler.lock().owner().cloned()
    }

    /// Handles an event of the loop with this signal. Returns whether it owned the turns.
    fn end_ownership(&self, signal: &Arc<LoopSignal>, event: Event) -> bool {
        let scheduler = self.scheduler.lock();
        let is_owner = scheduler
            .owner()
            .is_some_and(|owner| Arc::ptr_eq(&owner.signal, signal));
        if is_owner {
            self.handle_locked(scheduler, event);
        }
        is_owner
    }

    /// The loop with this signal has dropped its reader.
    pub(crate) fn detach(&self, signal: &Arc<LoopSignal>) {
        if self.end_ownership(signal, TurnEvent::LoopDetached) && self.is_due() {
            self.request_turn();
        }
    }

    /// The loop owns the turns no more. It stops watching the next time that it runs. Runs no Python
    /// code.
    pub(crate) fn dismiss(&self) {
        self.handle(TurnEvent::LoopDetached);
    }

    /// Whether a turn is due that has not begun.
    fn is_due(&self) -> bool {
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

    /// Whether this loop owns the turns.
    pub(crate) fn is_owned_by(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        let owner = self.owner();
        owner.is_some_and(|owner| owner.event_loop.is(event_loop))
    }

    /// Whether the loop that owns the turns runs in this thread, which is about to block. A
    /// provisional one loses the turns.
    pub(crate) fn is_owned_here(&self, py: Python<'_>) -> PyResult<bool> {
        let owner = self
            .owner()
            .filter(|owner| owner.thread == thread::current().id());
        let is_here = match (owner, running_loop(py)?) {
            (Some(owner), Some(running)) => running.is(&owner.event_loop),
            _ => false,
        };
        if is_here && !self.is_committed() {
            // The thread that waits, or the worker, takes a turn that is due.
            self.dismiss();
            return Ok(false);
        }
        Ok(is_here)
    }

    /// Whether this running loop is to become the owner, for which a former owner loses the turns: not
    /// if another running one is. `committed` if the loop awaited or registered something.
    pub(crate) fn displace_owner(
        &self,
        client: &Client,
        event_loop: &Bound<'_, PyAny>,
        committed: bool,
    ) -> PyResult<bool> {
        if self.unfit.load(Ordering::Relaxed) == event_loop.as_ptr() as usize {
            return Ok(false);
        }
        let Some(owner) = self.owner() else {
            return Ok(true);
        };
        if owner.event_loop.is(event_loop) {
            let generation = Generation(client.generation());
            let is_current = owner.generation == generation.0 || !client.serves(generation);
            if !committed || is_current {
                if committed && !self.is_committed() {
                    self.handle(TurnEvent::LoopCommitted);
                }
                return Ok(false);
            }
        } else if self.is_committed() || !committed {
            let py = event_loop.py();
            if is_running(owner.event_loop.bind(py))? {
                return Ok(false);
            }
        }
        self.dismiss();
        Ok(true)
    }

    /// This loop watches its descriptors and is the owner from now on.
    pub(crate) fn attach(&self, owner: LoopOwner, committed: bool) {
        self.handle(TurnEvent::LoopAttached(Arc::new(owner), committed));
    }

    /// This loop can't watch descriptors; others take the turns.
    pub(crate) fn set_unfit(&self, event_loop: &Bound<'_, PyAny>) {
        self.unfit
            .store(event_loop.as_ptr() as usize, Ordering::Relaxed);
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

    /// While the result lives, the loop is taking a turn.
    pub(crate) fn in_turn(&self) -> InTurn<'_> {
        InTurn(self, self.in_turn.swap(true, Ordering::Relaxed))
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

/// See [`Turns::in_turn`].
pub(crate) struct InTurn<'a>(&'a Turns, bool);

impl Drop for InTurn<'_> {
    fn drop(&mut self) {
        self.0.in_turn.store(self.1, Ordering::Relaxed);
    }
}
