//! Promises that an addon made and has not settled.

use hostd_engine::{Deferred, Value};

use super::id::EnvId;

/// What settles a promise.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) deferred: Deferred,
    /// The promise and the embedder's name for it, if the embedder subscribed to its settlement.
    pub(crate) watched: Option<(Value, u32)>,
}

/// The promise that an addon made last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastPromise {
    pub(crate) identity: usize,
    pub(crate) env: EnvId,
    /// While this id is in use the promise is not settled, so it lives.
    pub(crate) id: usize,
}
