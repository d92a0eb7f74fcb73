//! The report of a confinement for the client: one entry per mechanism.

use std::io;

use crate::StepError;

/// Whether the policy requires a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Yes: without it the host does not run.
    Required,
    /// No.
    Wanted,
}

/// The outcome for a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is in force.
    Applied,
    /// A part of it is in force; the detail says which.
    Partial,
    /// It is unavailable.
    Unavailable,
    /// It was not tried; the detail says why.
    Skipped,
}

/// One mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MechanismReport {
    /// Its name.
    pub mechanism: &'static str,
    /// Whether the policy requires it.
    pub requested: Requested,
    /// Its outcome.
    pub state: State,
    /// The error of the kernel, if that refused it.
    pub errno: Option<i32>,
    /// Further facts, as text.
    pub detail: String,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Option<i32>,
    pub(crate) detail: String,
}

impl Failure {
    /// A call that the kernel refused, or a file that it did not open, read or write.
    pub(crate) fn of<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self {
            errno: error.into().raw_os_error(),
            detail: what.to_owned(),
        }
    }

    /// A reason other than an error of the kernel.
    pub(crate) fn because(detail: impl Into<String>) -> Self {
        Self {
            errno: None,
            detail: detail.into(),
        }
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self::because(error.to_string())
    }
}

/// The limits of a host, as they were set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Bytes of private memory.
    pub memory: u64,
    /// Threads, counted by the kernel or by the client.
    pub threads: u64,
    /// Open descriptors.
    pub files: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// Seconds of processor time, if they are limited.
    pub cpu: Option<u64>,
}

/// The mechanisms, in the order of their application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The entries.
    pub entries: Vec<MechanismReport>,
    /// The limits; none if they could not be set.
    pub bounds: Option<ResourceLimits>,
}

impl Report {
    /// Adds the outcome of a step, whose text is the detail. Returns whether it was applied.
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
        self.entries.push(MechanismReport {
            mechanism,
            requested,
            state,
            errno,
            detail,
        });
        applied
    }

    /// Adds the outcome of a step that has no detail.
    pub(crate) fn apply(
        &mut self,
        mechanism: &'static str,
        requested: Requested,
        outcome: Result<(), Failure>,
    ) -> bool {
        self.note(mechanism, requested, outcome.map(|()| String::new()))
    }

    /// Adds a mechanism that is not required, with this outcome.
    pub(crate) fn say(&mut self, mechanism: &'static str, state: State, detail: &str) {
        self.entries.push(MechanismReport {
            mechanism,
            requested: Requested::Wanted,
            state,
            errno: None,
            detail: detail.to_owned(),
        });
    }

    /// The first required mechanism that is not in force.
    pub fn missing(&self) -> Option<&MechanismReport> {
        self.entries
            .iter()
            .find(|entry| entry.requested == Requested::Required && entry.state != State::Applied)
    }
}
