//! A thread waits for a promise and takes turns meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hostd_client::{Client, TurnEvent, hand_over};
use hostd_protocol::ids::Generation;

use super::adapter::Turns;
use super::waiter::TurnWaiter;

/// A thread that waits for a promise takes a turn that its owner has not begun for this long.
pub(crate) const WAITER_TURN_AFTER: Duration = Duration::from_millis(5);

/// On which condition a thread takes a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnCondition {
    /// It is the owner's thread, or the owner has not begun the turn in time.
    None,
    /// No loop owns the turns: callbacks of a loop run in that loop's thread.
    NoOwner,
}

/// While it lives, this thread can be notified of turns.
pub(crate) struct TurnWait<'a> {
    turns: &'a Turns,
    waiter: Arc<TurnWaiter>,
}

impl<'a> TurnWait<'a> {
    pub(crate) fn new(turns: &'a Turns) -> Self {
        // This thread may wait for what another one is to do.
        hand_over();
        let waiter = Arc::new(TurnWaiter::of_this_thread());
        turns.handle(TurnEvent::WaiterEntered(Arc::clone(&waiter)));
        Self { turns, waiter }
    }

    /// Whether this thread is to take a turn now, and on which condition.
    pub(crate) fn turn(&self) -> Option<TurnCondition> {
        let overdue = self.turns.scheduler.lock().overdue(Instant::now());
        if overdue.is_some_and(|time| time >= WAITER_TURN_AFTER) {
            return Some(TurnCondition::None);
        }
        let is_notified = self.waiter.is_notified.swap(false, Ordering::AcqRel);
        is_notified.then_some(TurnCondition::NoOwner)
    }

    /// Polls the wake pipe for some microseconds if no loop owns the turns. Returns whether this
    /// thread is to take a turn now.
    pub(crate) fn poll_briefly(&self, client: &Client) -> bool {
        if self.turns.is_owned() {
            return false;
        }
        let Some(pipe) = client.wake_pipe(Generation(client.generation())) else {
            return false;
        };
        pipe.attach();
        let is_written = pipe.spin();
        // If the pipe was written to after the poll, no other thread sees it.
        pipe.detach() || is_written
    }
}

impl Drop for TurnWait<'_> {
    fn drop(&mut self) {
        // Read under the lock, under which it is set.
        let scheduler = self.turns.scheduler.lock();
        let is_notified = self.waiter.is_notified.load(Ordering::Acquire);
        let left = TurnEvent::WaiterLeft(Arc::clone(&self.waiter), is_notified);
        self.turns.handle_locked(scheduler, left);
    }
}
