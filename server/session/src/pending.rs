//! What waits: for the next turn, or for room in the home lane. `notices` and `settled` send it.

use std::collections::VecDeque;

use hostd_engine::{Deferred, Value};
use hostd_protocol::ids::SlotId;

/// What the session does at the beginning of the next turn.
#[derive(Debug)]
pub(super) enum Due {
    /// An awaitable of the client was settled.
    Settle(Deferred, Result<Value, Value>),
    /// The client has dropped an iterator in the middle.
    CloseIterator(Value),
}

/// A promise that was settled, and the subscription that this concerns.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) id: SlotId,
    pub(super) serial: u32,
    /// Kept alive to find out whether the id belongs to another object by now.
    pub(super) promise: Value,
}

#[derive(Debug, Default)]
pub(super) struct Notices {
    pub(super) request_turn: bool,
    /// It was requested before: the wake pipe alone is not enough.
    pub(super) again: bool,
    pub(super) uncaught: VecDeque<(Value, &'static str)>,
    pub(super) lost: u64,
}
