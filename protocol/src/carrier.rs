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
pub use hostd_shm::{ClientCord, Lookout, TurnClaim, TurnOwner};

pub use end::{CancelFlag, Canceller, ClientEnd, ClientLane, HostEnd, HostWaker, Wake};

/// The wait is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// What a thread does while it waits.
pub trait Idle {
    /// Asked about every 100 ms of a wait and at wake-ups (a signal is one). Over lanes not before
    /// the first sleep: most sleeps are short, and asking may be dear.
    fn check(&mut self) -> Result<(), Interrupted>;

    /// Calls `wait`, which takes longer than a moment, once: whoever holds what other threads need
    /// lets go of it for so long.
    fn rest(&mut self, wait: &mut Rest<'_>);

    /// Whether the wait that begins now may be spent without [`Self::rest`] for a moment, since what
    /// is waited for most likely comes at once. It is asked once for each.
    fn may_stay(&mut self) -> bool {
        false
    }
}

/// What is done at [`Idle::rest`].
pub type Rest<'a> = dyn FnMut(&mut dyn Idle) + Send + 'a;

/// Does `wait` at [`Idle::rest`] and gives what came of it: `never` only if it was not called.
pub fn at_rest<R: Send>(
    idle: &mut dyn Idle,
    never: R,
    mut wait: impl FnMut(&mut dyn Idle) -> R + Send,
) -> R {
    let mut outcome = never;
    idle.rest(&mut |idle| outcome = wait(idle));
    outcome
}

/// Waits for as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patient;

impl Idle for Patient {
    fn check(&mut self) -> Result<(), Interrupted> {
        Ok(())
    }

    fn rest(&mut self, wait: &mut Rest<'_>) {
        wait(self);
    }
}

impl<F: FnMut() -> Result<(), Interrupted>> Idle for F {
    fn check(&mut self) -> Result<(), Interrupted> {
        self()
    }

    fn rest(&mut self, wait: &mut Rest<'_>) {
        wait(self);
    }
}

#[cfg(test)]
mod tests;
