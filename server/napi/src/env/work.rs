//! A piece of async work, on the host's thread. It is idle, or queued until its completion.

use std::sync::Arc;

use super::EnvId;
use crate::abi::checked::WorkCalls;
use crate::host::Ticket;

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) env: EnvId,
    pub(crate) calls: WorkCalls,
    /// The pool's ticket for it, while it is queued.
    pub(crate) ticket: Option<Arc<Ticket>>,
    /// Whether it was ever queued.
    pub(crate) was_queued: bool,
}
