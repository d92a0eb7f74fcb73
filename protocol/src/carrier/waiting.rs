//! What a waiting thread does, and what ends its wait.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hostd_wait::constants::PARK_MAX;

use crate::error::ProtocolError;
use crate::ids::LaneNumber;

/// The wait is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// What a thread does while it waits.
pub trait Idle {
    /// Whether to go on. Called about every [`PARK_MAX`] of a wait, at [`Self::until`] and after
    /// wake-ups, of which a signal is one. Over lanes not before the first park: most parks are short,
    /// and the check may be expensive.
    fn check(&mut self) -> Result<(), Interrupted>;

    /// Calls `wait`, which may park, once. Releases what other threads need before, and acquires it
    /// again afterwards.
    fn park(&mut self, wait: &mut ParkedWait<'_>);

    /// Whether the wait that begins now may poll for a short time without [`Self::park`], since it
    /// most likely ends at once. Called once for each wait.
    fn may_poll_briefly(&mut self) -> bool {
        false
    }

    /// When [`Self::check`] is to be called at the latest. A time in the past has no effect.
    fn until(&self) -> Option<Instant> {
        None
    }
}

/// How long a wait may park before [`Idle::check`] is called again, by [`Idle::until`].
pub(super) fn slice(until: Option<Instant>) -> Duration {
    let left = |until: Instant| until.checked_duration_since(Instant::now());
    let left = until.and_then(left).filter(|left| !left.is_zero());
    left.map_or(PARK_MAX, |left| left.min(PARK_MAX))
}

/// A wait that [`Idle::park`] calls.
pub type ParkedWait<'a> = dyn FnMut(&mut dyn Idle) + Send + 'a;

/// Calls `wait` by [`Idle::park`] and returns its result; `never` if it was not called.
pub fn while_parked<R: Send>(
    idle: &mut dyn Idle,
    never: R,
    mut wait: impl FnMut(&mut dyn Idle) -> R + Send,
) -> R {
    let mut outcome = never;
    idle.park(&mut |idle| outcome = wait(idle));
    outcome
}

/// What a wait for a lease calls, to know whether to go on.
pub(super) type Check<'a> = dyn FnMut() -> ControlFlow<()> + 'a;

/// Waits for a lane by `lease` until `gone` or `idle` ends that.
#[cold]
pub(super) fn wait_for_lease<L: Send>(
    gone: impl Fn() -> bool + Sync,
    idle: &mut dyn Idle,
    mut lease: impl FnMut(&mut Check<'_>) -> Option<L> + Send,
) -> Result<L, ProtocolError> {
    while_parked(idle, Err(ProtocolError::Interrupted), |idle| {
        let mut is_gone = false;
        let mut check = || {
            is_gone = gone();
            if is_gone || idle.check().is_err() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let lease = lease(&mut check);
        lease.ok_or(if is_gone {
            ProtocolError::Disconnected
        } else {
            ProtocolError::Interrupted
        })
    })
}

/// Waits without a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uninterruptible;

impl Idle for Uninterruptible {
    fn check(&mut self) -> Result<(), Interrupted> {
        Ok(())
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        wait(self);
    }
}

impl<F: FnMut() -> Result<(), Interrupted>> Idle for F {
    fn check(&mut self) -> Result<(), Interrupted> {
        self()
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        wait(self);
    }
}

/// Why a wait of the JS thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This lane has something to read.
    Lane(LaneNumber),
    /// A [`HostWaker`](super::HostWaker) woke the thread: something other than a frame is to be
    /// handled.
    Woken,
    /// The timeout expired.
    TimedOut,
}
