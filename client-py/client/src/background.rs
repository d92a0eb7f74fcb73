//! Threads of this crate. They block all signals, which belong to the program, and blocking work of
//! the supervisor runs on them: Tokio's pool for blocking work panics if the system refuses a thread,
//! and the supervisor would end with that panic.

use std::io;
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::sync::oneshot;

/// What must be free where a thread starts, in bytes: more than the reserve of the Python module gives.
const FREE_MIN: usize = 512 << 10;

/// Starts a thread that blocks all signals.
///
/// # Errors
/// The system refuses a thread, or there is no memory; `work` is dropped.
pub fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    // Where a thread's stack is left of an earlier one, it can start without memory. Then the C library
    // ends the process, which cannot note what the thread has to free at its end.
    let mut free = Vec::<u8>::new();
    free.try_reserve_exact(FREE_MIN)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    drop(free);
    // The new thread inherits the mask; this one gets its own mask back at once.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    before.thread_set_mask()?;
    started
}

/// As [`start_thread`], for [`SpawnThread`](crate::SpawnThread).
pub(crate) fn spawn_thread(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    start_thread(name, work).map(drop)
}

/// Starts `work` on a thread of its own; its result comes over the channel.
///
/// # Errors
/// The system refuses a thread; `work` is dropped.
pub(crate) fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // The receiver may have been dropped meanwhile.
        let _ = sender.send(work());
    };
    spawn_thread("hostd-background", Box::new(run))?;
    Ok(receiver)
}

/// Runs `work` on a thread of its own and returns its result.
///
/// # Errors
/// The system refuses a thread, or `work` panicked.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    start(work)?.await.map_err(io::Error::other)
}
