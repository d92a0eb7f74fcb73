//! Deadlines of calls and waits, and which of two is nearer.

use std::time::{Duration, Instant};

/// A moment at which a wait ends, and the timeout that led to it, for the message of the error.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When it ends.
    pub at: Instant,
    /// The timeout.
    pub after: Duration,
}

impl Deadline {
    /// The deadline of a wait that begins now; None if the clock does not reach that far.
    #[inline]
    pub fn after(after: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(after)?;
        Some(Self { at, after })
    }
}

/// The nearer of two deadlines. Most calls have no second one.
#[inline]
pub fn nearer(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
    match other {
        None => one,
        Some(other) => Some(nearer_of_some(one, other)),
    }
}

#[cold]
fn nearer_of_some(one: Option<Deadline>, other: Deadline) -> Deadline {
    one.filter(|one| one.at <= other.at).unwrap_or(other)
}
