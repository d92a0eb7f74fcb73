//! Who takes the turns of an addon: the asyncio loop that first had to do with it, a thread that
//! waits in `Promise.result()`, or else whoever hears the rings.
//!
//! The loop watches a pipe that a ring makes readable. It is the loop's for as long as the loop
//! keeps that pipe, or until a ring finds the loop standing still. No lock is held while Python
//! code can run.
//!
//! A loop that was given a promise will most likely await it, and until then turns that a thread takes
//! would get into the way of the loop's own calls. It is asked to take them already, but has not
//! promised to: if it does not come, or waits for the promise in another way, it is asked no more.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::call;
use crate::owner::Owner;

/// A ring that nobody has answered for so long is looked into.
pub(crate) const STALE: Duration = Duration::from_millis(20);
/// A loop that was given a promise and has not awaited it may be busy for so long.
const HESITATION: Duration = Duration::from_millis(250);
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

/// Who takes turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Since when a turn is due that nobody has begun.
    due: Mutex<Option<Instant>>,
    keeper: Mutex<Option<Keeper>>,
    /// Whether there is a keeper: looked at on the way of every promise.
    is_kept: AtomicBool,
    /// Whether it has promised to take turns: looked at on the way of every callable.
    is_firm: AtomicBool,
    /// A loop that can't watch descriptors, by address.
    unfit: AtomicUsize,
    waiters: Mutex<Vec<Arc<Waiter>>>,
}

/// The loop that takes the turns.
#[derive(Debug)]
struct Keeper {
    event_loop: Py<PyAny>,
    thread: ThreadId,
    bell: Arc<Bell>,
}

impl Turns {
    /// A turn is due: tells whoever is to take it. Never waits for Python.
    pub(crate) fn ring(&self) -> Asked {
        locked(&self.due).get_or_insert_with(Instant::now);
        if let Some(keeper) = &*locked(&self.keeper) {
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
        let keeper = locked(&self.keeper)
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
        event_loop: &Bound<'_, PyAny>,
        firm: bool,
    ) -> PyResult<()> {
        if self.unfit.load(Ordering::Relaxed) == event_loop.as_ptr() as usize {
            return Ok(());
        }
        if self.is_kept() {
            let keeper = locked(&self.keeper)
                .as_ref()
                .map(|keeper| keeper.event_loop.clone_ref(py));
            if let Some(keeper) = keeper {
                let is_own = keeper.is(event_loop);
                if is_own || ((self.is_firm() || !firm) && is_running(keeper.bind(py))?) {
                    if is_own && firm {
                        self.is_firm.store(true, Ordering::Release);
                    }
                    return Ok(());
                }
            }
            self.dismiss();
        }
        let bell = Arc::new(Bell::new()?);
        let reader = Bound::new(
            py,
            TurnReader {
                owner: owner.downgrade(),
                bell: Arc::clone(&bell),
            },
        )?;
        // In a context of its own, or whatever deadline is open here would bound every turn.
        let context = py.import("contextvars")?.getattr("Context")?.call0()?;
        let add_reader = event_loop.getattr("add_reader")?;
        let watched = call(
            &context.getattr("run")?,
            (add_reader, bell.descriptor(), reader),
        );
        if watched.is_err() {
            // Such a loop can't watch descriptors; others take the turns.
            self.unfit
                .store(event_loop.as_ptr() as usize, Ordering::Relaxed);
            return Ok(());
        }
        let keeper = Keeper {
            event_loop: event_loop.clone().unbind(),
            thread: thread::current().id(),
            bell,
        };
        let former = locked(&self.keeper).replace(keeper);
        self.is_kept.store(true, Ordering::Release);
        self.is_firm.store(firm, Ordering::Release);
        if let Some(former) = former {
            former.bell.retire();
        }
        if self.overdue().is_some() {
            self.ring();
        }
        Ok(())
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
        let keeper = locked(&self.keeper)
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
        let mut keeper = locked(&self.keeper);
        let is_meant = keeper
            .as_ref()
            .is_some_and(|keeper| bell.is_none_or(|bell| Arc::ptr_eq(bell, &keeper.bell)));
        if !is_meant {
            return None;
        }
        self.is_kept.store(false, Ordering::Release);
        self.is_firm.store(false, Ordering::Release);
        keeper.take()
    }

    /// While it lives, this thread may be asked to take a turn.
    pub(crate) fn wait<'a>(&'a self, owner: &'a Owner) -> Waiting<'a> {
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            asked: AtomicBool::new(false),
        });
        locked(&self.waiters).push(Arc::clone(&waiter));
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
        if let Ok(mut keeper) = self.keeper.try_lock() {
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
    /// Whether this thread is to take a turn now.
    pub(crate) fn is_asked(&self) -> bool {
        self.waiter.asked.swap(false, Ordering::AcqRel)
            || self.turns.overdue().is_some_and(|time| time >= IMPATIENT)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        locked(&self.turns.waiters).retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        if self.waiter.asked.load(Ordering::Acquire) {
            self.owner.pass_on();
        }
    }
}

/// Makes a descriptor readable, once until that is answered.
#[derive(Debug)]
struct Bell {
    reader: PipeReader,
    writer: PipeWriter,
    rung: AtomicBool,
    retired: AtomicBool,
}

impl Bell {
    fn new() -> PyResult<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self {
            reader,
            writer,
            rung: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        })
    }

    fn descriptor(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // One byte at most is in the pipe: this never waits, and both ends live as long.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// Whoever watches shall stop that.
    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.ring();
    }

    fn answer(&self) {
        if self.rung.swap(false, Ordering::AcqRel) {
            let _ = (&self.reader).read(&mut [0]);
        }
    }
}

/// What the loop calls when it has been rung for. It belongs to the loop alone: once the loop lets
/// go of it, as it does when it is closed, the loop takes no more turns.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct TurnReader {
    owner: Weak<crate::owner::Shared>,
    bell: Arc<Bell>,
}

#[pymethods]
impl TurnReader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.bell.answer();
        if self.bell.retired.load(Ordering::Acquire) {
            if let Some(event_loop) = running_loop(py)? {
                let remove_reader = event_loop.getattr("remove_reader")?;
                call(&remove_reader, (self.bell.descriptor(),))?;
            }
            return Ok(());
        }
        match Owner::upgrade(&self.owner) {
            Some(owner) => owner.turn_of_loop(py),
            None => Ok(()),
        }
    }
}

impl Drop for TurnReader {
    fn drop(&mut self) {
        if let Some(owner) = Owner::upgrade(&self.owner) {
            let keeper = owner.turns().take_keeper(Some(&self.bell));
            if keeper.is_some() && owner.turns().overdue().is_some() {
                owner.pass_on();
            }
            drop(keeper);
        }
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
