//! Threads of our own: they leave every signal to Python's, and can be waited for.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};
use pyo3::prelude::*;

static THREADS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Starts a thread that blocks all signals. Returns what wakes it.
pub(crate) fn start(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::Thread> {
    // Inherited by the new thread; this one has its own mask back at once.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let started = thread::Builder::new().name(name.to_owned()).spawn(body);
    if let Ok(before) = before {
        // What was the mask before can be it again.
        let _ = before.thread_set_mask();
    }
    let started = started?;
    let thread = started.thread().clone();
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    threads.retain(|thread| !thread.is_finished());
    threads.push(started);
    Ok(thread)
}

/// How many threads of others are doing something here.
static VISITS: AtomicUsize = AtomicUsize::new(0);

/// A thread that was not started here does something that [`join`] waits for.
#[derive(Debug)]
pub(crate) struct Visit(());

/// Begins a visit.
pub(crate) fn visit() -> Visit {
    VISITS.fetch_add(1, Ordering::AcqRel);
    Visit(())
}

impl Drop for Visit {
    fn drop(&mut self) {
        VISITS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waits, without the interpreter, until these threads have ended, at most until `end`.
pub(crate) fn join(py: Python<'_>, end: Instant) {
    py.detach(|| {
        let running = || {
            let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            let visited = VISITS.load(Ordering::Acquire) > 0;
            visited || threads.iter().any(|thread| !thread.is_finished())
        };
        while running() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// In a forked child there are no such threads.
pub(crate) fn forked() {
    VISITS.store(0, Ordering::Release);
    if let Ok(mut threads) = THREADS.try_lock() {
        threads.clear();
    }
}
