//! Async work: queued, cancelled, deleted and completed, on the host's thread.
//!
//! Completion makes a piece idle before the addon's callback runs, so that the callback may delete it
//! or queue it again.

use std::sync::Arc;
use std::time::Instant;

use super::{Event, Execution, HostState, Job, Origin, Ticket, pool};
use crate::abi::status::Status;
use crate::env::work::Work;
use crate::env::{Env, flags};

/// What became of an attempt to cancel work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// It will not run; its completion follows.
    Cancelled,
    /// It was never queued.
    NotQueued,
    /// It runs, or was executed, and possibly completed.
    Begun,
    /// There is no such work.
    Unknown,
}

impl HostState {
    /// Queues work that is idle; false if the pool has no thread and cannot start one.
    pub(crate) fn queue_work(&self, id: usize, work: &mut Work) -> bool {
        let Some(env) = self.env_by_id(work.env) else {
            return false;
        };
        let ticket = Arc::new(Ticket::new());
        let execution = Execution {
            work: id,
            env: env.raw,
            execute: work.calls.execute,
            data: work.calls.data.word(),
            ticket: Arc::clone(&ticket),
            inbox: Arc::clone(&self.inbox),
        };
        let is_queued = pool::submit(Job::Work(execution));
        if is_queued {
            work.ticket = Some(ticket);
            work.was_queued = true;
        }
        is_queued
    }

    /// Takes work back that has not begun.
    pub(crate) fn cancel_work(&self, id: usize) -> Cancel {
        let works = self.works.borrow();
        let Some(work) = works.get(id) else {
            return Cancel::Unknown;
        };
        match &work.ticket {
            None if work.was_queued => Cancel::Begun,
            None => Cancel::NotQueued,
            Some(ticket) if ticket.withdraw() => {
                self.inbox.post(Event::WorkDone {
                    id,
                    cancelled: true,
                });
                Cancel::Cancelled
            }
            // Until it completes it may be cancelled again.
            Some(ticket) if ticket.is_withdrawn() => Cancel::Cancelled,
            Some(_) => Cancel::Begun,
        }
    }

    /// Forgets work; false if there is none. What has not begun does not begin.
    pub(crate) fn delete_work(&self, id: usize) -> bool {
        let Some(work) = self.works.borrow_mut().remove(id) else {
            return false;
        };
        if let Some(ticket) = work.ticket {
            let _had_not_begun = ticket.withdraw();
        }
        true
    }

    /// Completes work. A miss was deleted meanwhile.
    pub(crate) fn complete_work(&'static self, id: usize, cancelled: bool) {
        let found = {
            let mut works = self.works.borrow_mut();
            works.get_mut(id).map(|work| {
                work.ticket = None;
                (work.env, work.calls)
            })
        };
        let Some((env, calls)) = found else { return };
        let (Some(env), Some(complete)) = (self.env_by_id(env), calls.complete) else {
            return;
        };
        if env.flags() & flags::POISONED != 0 {
            return;
        }
        let status = if cancelled {
            Status::Cancelled
        } else {
            Status::Ok
        };
        self.call_native(env, Origin::AsyncWork, || {
            complete.call(env.raw, status, calls.data);
        });
    }

    /// The work that an environment owns.
    pub(crate) fn works_of(&self, env: &Env) -> Vec<usize> {
        let works = self.works.borrow();
        let mine = works.iter().filter(|(_, work)| work.env == env.id);
        mine.map(|(id, _)| id).collect()
    }

    /// Whether work is queued or runs.
    pub(crate) fn has_queued_work(&self) -> bool {
        let works = self.works.borrow();
        works.iter().any(|(_, work)| work.ticket.is_some())
    }
}

impl Env {
    /// Cancels the work that has not begun and waits for the rest until `end`; all of it completes.
    /// Work that runs longer does not complete.
    pub(crate) fn finish_works(&'static self, host: &'static HostState, end: Instant) {
        let queued = || -> Vec<usize> {
            let works = host.works.borrow();
            let mine = works.iter().filter(|(_, work)| work.env == self.id);
            mine.filter(|(_, work)| work.ticket.is_some())
                .map(|(id, _)| id)
                .collect()
        };
        for id in queued() {
            host.cancel_work(id);
        }
        host.serve_until(end, || queued().is_empty());
        let left = queued();
        if !left.is_empty() {
            tracing::warn!(
                works = left.len(),
                addon = %self.path.display(),
                "async work was still running at the end; going on without"
            );
            for id in left {
                if let Some(debug) = &host.debug {
                    debug.leak(self, id, "napi_async_work (still running)");
                }
                host.delete_work(id);
            }
        }
    }
}
