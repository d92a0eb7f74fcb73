//! What a dying process leaves behind: a record in a file that the client made.
//!
//! The client makes the file, sizes and seals it; [`install`] maps it, and from then on a signal
//! that would end the process is first written down there, on a stack of its own, and then ends
//! the process as it would have done: the wait status stays true. What is written is as raw as can
//! be: registers, the memory map and the top of the stack, as they were. The client unwinds and
//! names the frames, from the files on disk, when this process is gone. So nothing here takes a
//! lock, allocates, or reads what the addon may have damaged, and a crash inside `malloc` or the
//! dynamic linker is written down like any other.
//!
//! Every thread that the process starts after [`install`] has a stack for the handler, too,
//! because this program exports a `pthread_create` of its own: see `thread`.

mod call;
mod handler;
mod page;
mod stack;
mod thread;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

pub use page::{FILE_BYTES, Layout};

use rustix::io::Errno;

use crate::{SingleThreaded, StepError};

/// What the record says when no call is running.
pub const NO_LANE: u32 = u32::MAX;

/// The part of the record that is kept up to date while the process lives.
static NOWHERE: AtomicU32 = AtomicU32::new(NO_LANE);

/// Prepares the record; to be called on the JS thread, after `reset_signals`.
///
/// `node_api` names the Node-API function that the calling thread is in. It is called in the
/// handler: it may not allocate, lock or panic.
pub fn install(
    _alone: &SingleThreaded,
    file: &OwnedFd,
    node_api: fn() -> Option<&'static str>,
) -> Result<(), StepError> {
    page::map(file)?;
    handler::prepare(node_api);
    stack::give_main_thread()?;
    thread::prepare();
    handler::install()
}

/// The same without a record, for a process that has something to tell before its end only.
///
/// # Errors
/// The system has no memory for a stack, or no handler.
pub fn install_without_record(_alone: &SingleThreaded) -> Result<(), StepError> {
    stack::give_main_thread()?;
    thread::prepare();
    handler::install()
}

/// Has a call that the filter ends written down, from before there is a filter: afterwards nobody
/// can change what happens then.
pub(crate) fn guard() -> Result<(), Errno> {
    handler::install_for(libc::SIGSYS)
}

/// Ends the process for a signal that somebody sent it.
pub(crate) fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    handler::handle(signal, info, context);
}

/// Notes which lane's call is running, if any; returns what was noted before.
///
/// It costs a load and two moves, and is there also when a process ends without a signal.
#[inline]
pub fn swap_lane(lane: u32) -> u32 {
    let noted = page::page().map_or(&NOWHERE, |page| &page.lane);
    let before = noted.load(Ordering::Relaxed);
    noted.store(lane, Ordering::Relaxed);
    before
}
