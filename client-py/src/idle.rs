//! What a thread of Python's does while it waits for a host: it looks at signals and deadlines.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hostd_client::{Idle, Interrupted, Rest};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::call;
use crate::queue::Queue;
use crate::session::Session;

/// How many `deadline` blocks are open in this process: while none is, nobody asks.
static OPEN_DEADLINES: AtomicUsize = AtomicUsize::new(0);

static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Tells native code that a `deadline` block was entered or left.
#[pyfunction]
pub(crate) fn _deadlines(change: i64) {
    if change > 0 {
        OPEN_DEADLINES.fetch_add(1, Ordering::AcqRel);
    } else {
        OPEN_DEADLINES.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A moment at which a wait ends, and how long after its start that is: what a timeout reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

impl Deadline {
    /// That long after now, if the clock reaches so far.
    #[inline]
    pub(crate) fn after(after: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(after)?;
        Some(Self { at, after })
    }
}

/// The nearest deadline of the `deadline` blocks around this thread or task.
#[inline]
pub(crate) fn deadline(py: Python<'_>) -> PyResult<Option<Deadline>> {
    if OPEN_DEADLINES.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    let current = CURRENT.get_or_try_init(py, || {
        Ok::<_, PyErr>(
            py.import("napi_python._deadline")?
                .getattr("nearest")?
                .unbind(),
        )
    })?;
    let nearest: Option<(f64, f64)> = call(current.bind(py), ())?.extract()?;
    let duration =
        |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    Ok(nearest.map(|(left, seconds)| {
        let now = Instant::now();
        Deadline {
            at: now
                .checked_add(duration(left))
                .unwrap_or(now + Duration::from_secs(1 << 30)),
            after: duration(seconds),
        }
    }))
}

/// Why a wait ended early.
#[derive(Debug)]
pub(crate) enum Reason {
    Signal(PyErr),
    Deadline(Duration),
}

/// The nearer of two deadlines.
#[inline]
pub(crate) fn nearer(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// The idling of one wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting<'a> {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) reason: Option<Reason>,
    queue: Option<Queue<'a>>,
    /// The interpreter is let go of.
    rests: bool,
    /// A moment was spent with the interpreter held.
    has_stayed: bool,
}

/// So many answers are waited for with the interpreter held, each for a moment: then others have
/// their chance, as Python's own threads give it to each other from time to time.
const STAYS: u32 = 256;

thread_local! {
    static STAYED: Cell<u32> = const { Cell::new(0) };
}

impl<'a> Waiting<'a> {
    /// Of a thread that does not hold the interpreter.
    pub(crate) const fn until(deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            reason: None,
            queue: None,
            rests: true,
            has_stayed: false,
        }
    }

    /// Of a thread that holds the interpreter: waits for this session's host, possibly behind other
    /// calls.
    pub(crate) const fn of(session: &'a Session, deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            reason: None,
            queue: Some(Queue::new(session)),
            rests: false,
            has_stayed: false,
        }
    }

    /// Whether the deadline has passed.
    #[inline]
    pub(crate) fn is_late(&mut self) -> bool {
        match self.deadline {
            Some(deadline) if deadline.at <= Instant::now() => {
                self.reason = Some(Reason::Deadline(deadline.after));
                true
            }
            _ => false,
        }
    }

    /// Whether the wait is to end before it has begun, with the interpreter at hand.
    #[inline]
    pub(crate) fn is_over(&mut self, py: Python<'_>) -> bool {
        if self.is_late() {
            return true;
        }
        match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                self.reason = Some(Reason::Signal(error));
                true
            }
        }
    }
}

impl Idle for Waiting<'_> {
    fn check(&mut self) -> Result<(), Interrupted> {
        if self.is_late() {
            return Err(Interrupted);
        }
        let queue = &mut self.queue;
        let looked = Python::try_attach(|py| {
            if let Some(queue) = queue {
                queue.look(py);
            }
            py.check_signals()
        });
        match looked {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.reason = Some(Reason::Signal(error));
                Err(Interrupted)
            }
            // The interpreter ends: nothing more is to be waited for.
            None => Err(Interrupted),
        }
    }

    fn rest(&mut self, wait: &mut Rest<'_>) {
        if self.rests {
            return wait(self);
        }
        self.rests = true;
        // The thread that waits is Python's, and holds the interpreter: there is no end of it now.
        let rested = Python::try_attach(|py| py.detach(|| wait(self)));
        if rested.is_none() {
            wait(self);
        }
        self.rests = false;
    }

    #[inline]
    fn may_stay(&mut self) -> bool {
        if self.rests || self.has_stayed {
            return false;
        }
        self.has_stayed = true;
        STAYED.with(|stayed| {
            let count = stayed.get() + 1;
            stayed.set(count % STAYS);
            count < STAYS
        })
    }
}
