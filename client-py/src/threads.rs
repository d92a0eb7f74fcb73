//! The threads that this package starts: they block all signals, and the end of the interpreter waits
//! for them.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use hostd_client::{lock, start_thread};
use pyo3::prelude::*;

static THREADS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// The thread that finalizes the interpreter, once it has begun.
static ENDING: OnceLock<ThreadId> = OnceLock::new();

thread_local! {
    /// How often this thread is among those that [`join`] waits for.
    static JOINED: Cell<usize> = const { Cell::new(0) };
}

/// Starts a thread that blocks all signals.
pub(crate) fn start(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = start_thread(name, move || {
        JOINED.set(1);
        body();
    })?;
    let mut threads = lock(&THREADS);
    threads.retain(|thread| !thread.is_finished());
    threads.push(started);
    Ok(())
}

static VISITS: AtomicUsize = AtomicUsize::new(0);

/// While it lives, [`join`] waits for this thread, which was not started here.
pub(crate) struct Visit(PhantomData<*const ()>);

pub(crate) fn visit() -> Visit {
    VISITS.fetch_add(1, Ordering::AcqRel);
    JOINED.set(JOINED.get() + 1);
    Visit(PhantomData)
}

impl Drop for Visit {
    fn drop(&mut self) {
        VISITS.fetch_sub(1, Ordering::AcqRel);
        JOINED.set(JOINED.get().saturating_sub(1));
    }
}

/// Notes that this thread finalizes the interpreter.
pub(crate) fn begin_end() {
    let _ = ENDING.set(thread::current().id());
}

/// How long a failed call blocks while the interpreter ends. It is bounded because a function of
/// `atexit` can wait for the thread.
const END_HOLD: Duration = Duration::from_secs(3);

/// A call failed. If the interpreter is being finalized, its thread blocks here until the process
/// exits: `CPython` aborts if it cannot flush the stream to which a daemon thread reports an
/// exception.
#[cold]
pub(crate) fn hold_at_end(py: Python<'_>) {
    let is_ending = ENDING
        .get()
        .is_some_and(|ending| *ending != thread::current().id());
    if is_ending && JOINED.get() == 0 {
        py.detach(|| thread::sleep(END_HOLD));
    }
}

/// Waits, without the interpreter, until these threads have ended, at most until `end`. It polls each
/// millisecond, since a thread that is blocked has no end to wait for.
pub(crate) fn join(py: Python<'_>, end: Instant) {
    py.detach(|| {
        let running = || {
            let threads = lock(&THREADS);
            let visited = VISITS.load(Ordering::Acquire) > 0;
            visited || threads.iter().any(|thread| !thread.is_finished())
        };
        while running() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// In a forked child these threads do not exist: their handles are forgotten. A drop would detach the
/// threads, which reads memory that the C library may have returned to the system.
pub(crate) fn forked() {
    VISITS.store(0, Ordering::Release);
    if let Ok(mut threads) = THREADS.try_lock() {
        let _never_dropped = ManuallyDrop::new(mem::take(&mut *threads));
    }
}
