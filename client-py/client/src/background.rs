//! Threads of this crate. They block the signals that belong to the program: all but those of faults,
//! for which the program may have a handler, as Python's `faulthandler`. And blocking work of
//! the supervisor runs on them: Tokio's pool for blocking work panics if the system refuses a thread,
//! and the supervisor would end with that panic.

use std::io;
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tokio::sync::oneshot;

/// What must be free where a thread starts, in bytes: more than the reserve of the Python module gives.
const FREE_MIN: usize = 512 << 10;

/// The signals that a fault of the thread itself raises.
const FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

/// Starts a thread that blocks all signals but those of faults.
///
/// # Errors
/// The system refuses a thread, or there is no memory; `work` is dropped.
pub fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    start_thread_with(name, None, work)
}

/// As [`start_thread`], with a stack of so many bytes.
pub(crate) fn start_thread_with(
    name: &str,
    stack_bytes: Option<usize>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    // Where a thread's stack is left of an earlier one, it can start without memory. Then the C library
    // ends the process, which cannot note what the thread has to free at its end.
    let mut free = Vec::<u8>::new();
    free.try_reserve_exact(FREE_MIN)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    drop(free);
    // The new thread inherits the mask; this one gets its own mask back at once.
    let mut blocked = SigSet::all();
    for signal in FAULTS {
        blocked.remove(signal);
    }
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let builder = thread::Builder::new().name(name.to_owned());
    let started = match stack_bytes {
        Some(bytes) => builder.stack_size(bytes).spawn(work),
        None => builder.spawn(work),
    };
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
