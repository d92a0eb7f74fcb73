//! The jobs that the client's threads leave for the worker of an addon, and the limit of their
//! memory.

use std::collections::VecDeque;

use hostd_protocol::frame::Header;

use crate::ExitReport;

/// The most memory for queued notices, in bytes. A host that exceeds it is killed.
const NOTICE_BYTES_MAX: usize = 8 << 20;
/// The memory of a queued notice beside its body, estimated.
const NOTICE_OVERHEAD_BYTES: usize = 64;

/// What a worker does.
#[derive(Debug)]
pub enum Job {
    /// A notice came.
    Notice(Header, Vec<u8>),
    /// A turn is due that no loop or waiting thread takes.
    Turn,
    /// The host ended.
    Died(Box<ExitReport>),
}

/// The queued jobs of an addon.
#[derive(Debug, Default)]
pub struct JobQueue {
    jobs: VecDeque<Job>,
    notice_bytes: usize,
    has_turn: bool,
}

impl JobQueue {
    /// Adds a job; false if there is no room for a notice. A queued turn stands for any number.
    pub fn push(&mut self, job: Job) -> bool {
        match &job {
            Job::Turn if self.has_turn => return true,
            Job::Turn => self.has_turn = true,
            Job::Notice(_, body) => {
                let bytes = self
                    .notice_bytes
                    .saturating_add(body.len() + NOTICE_OVERHEAD_BYTES);
                if bytes > NOTICE_BYTES_MAX || self.jobs.try_reserve(1).is_err() {
                    return false;
                }
                self.notice_bytes = bytes;
            }
            Job::Died(_) => {}
        }
        self.jobs.push_back(job);
        true
    }

    /// Takes the next job.
    pub fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        match &job {
            Job::Turn => self.has_turn = false,
            Job::Notice(_, body) => self.notice_bytes -= body.len() + NOTICE_OVERHEAD_BYTES,
            Job::Died(_) => {}
        }
        Some(job)
    }

    /// Whether there is no job.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use hostd_protocol::frame::{Flags, FrameKind};
    use hostd_protocol::ids::{CallId, Generation};

    use super::*;

    fn notice(bytes: usize) -> Job {
        let header = Header {
            body_len: u32::try_from(bytes).unwrap(),
            kind: FrameKind::Notice,
            flags: Flags::default(),
            number: 0,
            call: CallId(0),
            generation: Generation(1),
        };
        Job::Notice(header, vec![0; bytes])
    }

    #[test]
    fn one_turn_is_queued_at_a_time() {
        let mut queue = JobQueue::default();
        assert!(queue.push(Job::Turn) && queue.push(Job::Turn));
        assert!(matches!(queue.pop(), Some(Job::Turn)));
        assert!(queue.pop().is_none());
        assert!(queue.push(Job::Turn) && !queue.is_empty());
    }

    #[test]
    fn notices_beyond_the_limit_are_refused_until_some_are_taken() {
        let mut queue = JobQueue::default();
        let half = NOTICE_BYTES_MAX / 2 - NOTICE_OVERHEAD_BYTES;
        assert!(queue.push(notice(half)) && queue.push(notice(half)));
        assert!(!queue.push(notice(0)));
        assert!(queue.push(Job::Turn), "a turn takes no room");
        assert!(queue.pop().is_some());
        assert!(queue.push(notice(half)));
    }
}
