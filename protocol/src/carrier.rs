//! What brings frames from one process to the other, and who waits how.
//!
//! Three carriers, one behaviour: [`lane`] (shared-memory rings, the data plane), [`socket`] (the
//! same bytes as packets on the control socket, where shared memory is not to be had) and
//! [`memory`] (both ends in one process, for tests). A client's end leases a [`ClientLane`] to one
//! thread at a time; the host's end belongs to the JS thread alone and serves all lanes, one
//! exclusively while a conversation on it is under way.
//!
//! A frame that arrives was checked as far as a header can be: kind, flags, generation, length.
//! An error of `receive` other than [`ProtocolError::Interrupted`](crate::error::ProtocolError)
//! ends the session.

mod cord;
mod end;
pub mod lane;
pub mod memory;
mod pipe;
mod port;
pub mod socket;

pub use cord::HostCord;
pub use hostd_shm::ClientCord;

pub use end::{CancelFlag, Canceller, ClientEnd, ClientLane, HostEnd, HostWaker, Wake};

/// The wait is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// What a thread does while it waits.
pub trait Idle {
    /// Asked about every 100 ms of a wait and at wake-ups (a signal is one). Over lanes not before
    /// the first sleep: most sleeps are short, and asking may be dear.
    fn check(&mut self) -> Result<(), Interrupted>;
}

/// Waits for as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patient;

impl Idle for Patient {
    fn check(&mut self) -> Result<(), Interrupted> {
        Ok(())
    }
}

impl<F: FnMut() -> Result<(), Interrupted>> Idle for F {
    fn check(&mut self) -> Result<(), Interrupted> {
        self()
    }
}

#[cfg(test)]
mod tests;
