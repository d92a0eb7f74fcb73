//! Threads of our own: they leave every signal to Python's, and can be waited for.

use std::io;
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

/// Waits, without the interpreter, until these threads have ended, at most until `end`.
pub(crate) fn join(py: Python<'_>, end: Instant) {
    py.detach(|| {
        let running = || {
            let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            threads.iter().any(|thread| !thread.is_finished())
        };
        while running() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// In a forked child there are no such threads.
pub(crate) fn forked() {
    if let Ok(mut threads) = THREADS.try_lock() {
        threads.clear();
    }
}
