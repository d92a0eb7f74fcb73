//! The crash record, which the handler of a fatal signal writes to a file of the client.
//!
//! The client makes, sizes and seals the file, and [`install`] maps it. The handler writes
//! registers, memory map and the top of the stack, on an alternate stack, and then ends the process
//! by the same signal, so that the wait status is that of the crash. The client unwinds and names
//! the frames from the files on disk once the process has ended. So the handler takes no lock,
//! allocates nothing and reads nothing that the addon may have damaged: it also records a crash
//! inside `malloc` or the dynamic linker.
//!
//! Every thread that the process starts after [`install`] has an alternate stack, too, because this
//! program exports a `pthread_create` of its own: see `thread`.

mod call;
mod handler;
mod memory;
mod page;
mod stack;
mod thread;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

pub use handler::{NodeApi, RecentCalls};
pub use page::{FILE_BYTES, Layout, NO_LANE};

use rustix::io::Errno;

use crate::{SingleThreaded, StepError};

/// Takes the lane of a process without a record.
static UNRECORDED_LANE: AtomicU32 = AtomicU32::new(NO_LANE);

/// Installs record and handler; must be called on the JS thread, after `reset_signals`.
///
/// The handler calls `node_api` and `recent_calls`, so they must not allocate, lock or panic.
pub fn install(
    _alone: &SingleThreaded,
    file: &OwnedFd,
    node_api: NodeApi,
    recent_calls: RecentCalls,
) -> Result<(), StepError> {
    page::map(file)?;
    handler::prepare(node_api, recent_calls);
    stack::give_main_thread()?;
    thread::prepare();
    handler::install()
}

/// Installs the handler without a record, for a process whose denials are reported at its end.
///
/// # Errors
/// The stack or the handler could not be set.
pub fn install_without_record(_alone: &SingleThreaded) -> Result<(), StepError> {
    stack::give_main_thread()?;
    thread::prepare();
    handler::install()
}

/// Installs the handler of SIGSYS before the filter is installed, which denies to change it.
pub(crate) fn guard() -> Result<(), Errno> {
    handler::install_for(libc::SIGSYS)
}

/// Ends the process for a SIGSYS that no filter raised.
pub(crate) fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    handler::handle(signal, info, context);
}

/// Records the lane of the running call, if any; returns the previous one.
///
/// It takes a load and two moves. The client reads it however the process has ended.
#[inline]
pub fn swap_lane(lane: u32) -> u32 {
    let noted = page::page().map_or(&UNRECORDED_LANE, |page| &page.lane);
    let before = noted.load(Ordering::Relaxed);
    noted.store(lane, Ordering::Relaxed);
    before
}
