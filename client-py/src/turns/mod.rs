//! Who takes the event-loop turns of an addon. The scheduler of `hostd_client` decides; `adapter`
//! carries out what it decides, and `wait` is a thread that takes turns while it waits for a promise.
//! `crate::adopt` gives the turns to a loop, and `crate::turn` takes one.

mod adapter;
mod event_loop;
mod wait;
mod waiter;

pub(crate) use adapter::{LoopOwner, Turns};
pub(crate) use event_loop::running_loop;
pub(crate) use wait::{TurnCondition, TurnWait, WAITER_TURN_AFTER};
