//! What the user of this crate provides to run sessions in this process: the library, loaded.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use hostd_protocol::carrier::WaitLimit;
use hostd_protocol::direct::{DirectCall, DirectCallback};
pub use hostd_protocol::in_process::{Resumed, SessionEnd};
use hostd_protocol::memory::SharedMemory;

/// The stack of a thread that serves a session, in bytes: that of Node's main thread. Only what is used
/// of it becomes resident.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// The library that runs sessions in this process.
pub trait SessionLibrary: fmt::Debug + Send + Sync {
    /// Serves one session on the calling thread, from the handshake to its end.
    fn serve(&self, control: OwnedFd, stack_bytes: usize) -> SessionEnd;

    /// Makes a session that runs on the calling thread, as [`Self::serve`] would; its threads call
    /// `target`.
    ///
    /// # Errors
    /// There is no memory for its stack.
    fn open(
        &self,
        control: OwnedFd,
        stack_bytes: usize,
        target: Arc<dyn WakeTarget>,
    ) -> io::Result<Box<dyn SharedSession>>;

    /// The address space that its sessions share with this process: what is lent to one of them names
    /// ranges of it.
    fn memory(&self) -> &Arc<SharedMemory>;

    /// The process that loaded it: a child that is forked of it has none of its threads.
    fn process(&self) -> u32;
}

/// A session that runs on the thread that opened it.
pub trait SharedSession: Send + Sync {
    /// Runs it until it waits, with a call that it is to make and a place for a callback that it makes, if
    /// there are; on another thread, nothing.
    fn resume(
        &self,
        call: Option<&mut DirectCall>,
        callback: Option<&mut DirectCallback>,
    ) -> Resumed;
}

/// What the threads of a session tell that it has something to do.
pub trait WakeTarget: Send + Sync {
    /// The session is to run.
    fn wake(&self);
}
