//! The jobs of an addon's worker and how it is woken. Notices, ends of hosts, and turns
//! that no loop or waiting thread takes are added here; `worker` does them.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use hostd_client::{Attention, lock};

use crate::jobs::{Job, JobQueue};

#[derive(Default)]
pub(crate) struct WorkerQueue {
    jobs: Mutex<JobQueue>,
    /// The process in which a thread does the jobs, or 0.
    pub(crate) active_in: AtomicU32,
    /// Has the worker called.
    pub(crate) attention: Arc<Attention>,
}

impl WorkerQueue {
    pub(crate) fn wake(&self) {
        self.attention.request();
    }

    /// Adds a job; false if there is no room for a notice.
    pub(crate) fn push(&self, job: Job) -> bool {
        lock(&self.jobs).push(job)
    }

    pub(crate) fn pop(&self) -> Option<Job> {
        lock(&self.jobs).pop()
    }

    pub(crate) fn has_jobs(&self) -> bool {
        !lock(&self.jobs).is_empty()
    }
}
