//! What was applied, and what was not: one entry per mechanism, for the client.

use rustix::io::Errno;

use crate::limits::Bounds;

/// Whether the policy can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It can't.
    Required,
    /// It can.
    Wanted,
}

/// What became of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Applied,
    /// It holds in part; the detail says which.
    Partial,
    /// It could not be had.
    Unavailable,
    /// It was not tried; the detail says why.
    Skipped,
}

/// One mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its name.
    pub mechanism: &'static str,
    /// Whether the policy needs it.
    pub requested: Requested,
    /// What became of it.
    pub state: State,
    /// What the kernel answered, if it refused.
    pub errno: Option<i32>,
    /// What else there is to know.
    pub detail: String,
}

/// Why a step did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Option<i32>,
    pub(crate) detail: String,
}

impl Failure {
    /// A call that the kernel refused.
    pub(crate) fn of(call: &str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self {
            errno: Some(errno.raw_os_error()),
            detail: call.to_owned(),
        }
    }

    /// What is wrong without the kernel having said so.
    pub(crate) fn because(detail: impl Into<String>) -> Self {
        Self {
            errno: None,
            detail: detail.into(),
        }
    }
}

/// What was applied, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The entries.
    pub entries: Vec<Applied>,
    /// What may be used up; where that could not be set, nothing is known.
    pub bounds: Option<Bounds>,
}

impl Report {
    /// Notes the outcome of a step, whose text is the detail. Returns whether it was applied.
    pub(crate) fn note(
        &mut self,
        mechanism: &'static str,
        requested: Requested,
        outcome: Result<String, Failure>,
    ) -> bool {
        let applied = outcome.is_ok();
        let (state, errno, detail) = match outcome {
            Ok(detail) => (State::Applied, None, detail),
            Err(failure) => (State::Unavailable, failure.errno, failure.detail),
        };
        self.entries.push(Applied {
            mechanism,
            requested,
            state,
            errno,
            detail,
        });
        applied
    }

    /// Notes what was not tried, or not wholly applied, and need not be.
    pub(crate) fn say(&mut self, mechanism: &'static str, state: State, detail: &str) {
        self.entries.push(Applied {
            mechanism,
            requested: Requested::Wanted,
            state,
            errno: None,
            detail: detail.to_owned(),
        });
    }

    /// The first required mechanism that does not hold.
    pub fn missing(&self) -> Option<&Applied> {
        self.entries
            .iter()
            .find(|entry| entry.requested == Requested::Required && entry.state != State::Applied)
    }
}
