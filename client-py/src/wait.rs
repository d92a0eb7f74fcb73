//! How a thread of Python waits for a host: it checks signals and its deadline, and reports when the
//! call is blocked by another thread's callback.

use std::cell::Cell;
use std::time::{Duration, Instant};

use hostd_client::{Idle, Interrupted, ParkedWait};
use pyo3::prelude::*;

use crate::blocked::BlockedCallDetector;
use crate::config::AddonConfig;
use crate::deadline::Deadline;

/// Why a wait ended early.
#[derive(Debug)]
pub(crate) enum WaitEnd {
    Signal(PyErr),
    Deadline(Duration),
}

/// One wait for a host.
#[derive(Default)]
pub(crate) struct CallWait<'a> {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) ended_by: Option<WaitEnd>,
    blocked: Option<BlockedCallDetector<'a>>,
    /// This thread does not hold the interpreter.
    is_detached: bool,
    /// The wait has polled once with the interpreter held.
    has_polled: bool,
}

/// The number of replies in a row that a thread polls for with the interpreter held. Then it releases
/// the interpreter once, so that other threads can run.
const HELD_POLLS_MAX: u32 = 256;

thread_local! {
    static HELD_POLLS: Cell<u32> = const { Cell::new(0) };
}

impl<'a> CallWait<'a> {
    /// The wait of a thread that does not hold the interpreter.
    pub(crate) const fn detached(deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            ended_by: None,
            blocked: None,
            is_detached: true,
            has_polled: false,
        }
    }

    /// The wait of a thread that holds the interpreter, possibly behind other calls of this addon.
    pub(crate) const fn attached(config: &'a AddonConfig, deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            ended_by: None,
            blocked: Some(BlockedCallDetector::new(config)),
            is_detached: false,
            has_polled: false,
        }
    }

    /// Whether the deadline has passed.
    #[inline]
    pub(crate) fn is_late(&mut self) -> bool {
        match self.deadline {
            Some(deadline) if deadline.at <= Instant::now() => {
                self.ended_by = Some(WaitEnd::Deadline(deadline.after));
                true
            }
            _ => false,
        }
    }

    /// Whether the wait is to end before it has begun; checked with the interpreter held.
    #[inline]
    pub(crate) fn is_over(&mut self, py: Python<'_>) -> bool {
        if self.is_late() {
            return true;
        }
        match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                self.ended_by = Some(WaitEnd::Signal(error));
                true
            }
        }
    }
}

impl Idle for CallWait<'_> {
    fn check(&mut self) -> Result<(), Interrupted> {
        if self.is_late() {
            return Err(Interrupted);
        }
        let blocked = &mut self.blocked;
        let checked = Python::try_attach(|py| {
            if let Some(blocked) = blocked {
                blocked.check(py);
            }
            py.check_signals()
        });
        match checked {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.ended_by = Some(WaitEnd::Signal(error));
                Err(Interrupted)
            }
            // The interpreter is finalizing.
            None => Err(Interrupted),
        }
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        if self.is_detached {
            return wait(self);
        }
        self.is_detached = true;
        // This is a thread of Python that holds the interpreter, so finalization can't have begun.
        let rested = Python::try_attach(|py| py.detach(|| wait(self)));
        if rested.is_none() {
            wait(self);
        }
        self.is_detached = false;
    }

    #[inline]
    fn may_poll_briefly(&mut self) -> bool {
        if self.is_detached || self.has_polled {
            return false;
        }
        self.has_polled = true;
        HELD_POLLS.with(|polls| {
            let count = polls.get() + 1;
            polls.set(count % HELD_POLLS_MAX);
            count < HELD_POLLS_MAX
        })
    }

    fn until(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.at)
    }
}
