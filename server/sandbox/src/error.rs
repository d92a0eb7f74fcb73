//! Why a step failed.

use std::io;
use std::os::fd::RawFd;

use rustix::io::Errno;

/// Why a step of the host's start failed; each message names the step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A system call that the step needs was refused.
    #[error("{step}: the system refused {call}; is the host run in a container that forbids it?")]
    Refused {
        /// The step, as the function of this crate is called.
        step: &'static str,
        /// The system call.
        call: &'static str,
        /// The system's answer.
        #[source]
        errno: Errno,
    },
    /// A file under `/proc` could not be read or understood.
    #[error("{step}: cannot read {path}; is /proc mounted?")]
    Proc {
        /// The step, as the function of this crate is called.
        step: &'static str,
        /// The file.
        path: &'static str,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The process that should be the parent is not: it ended before the host asked to die with it.
    #[error(
        "the client (process {expected}) has exited (the parent is now process {found}); this host has no client to serve"
    )]
    Orphaned {
        /// The parent the caller expected.
        expected: u32,
        /// The parent found; 0 when it lives in another process namespace.
        found: u32,
    },
    /// The process has more than one thread where the step needs exactly one.
    #[error("this step must run before any thread is started, and {threads} threads are running")]
    NotAlone {
        /// How many threads there are.
        threads: usize,
    },
    /// The file for the crash record is of another size: client and host do not belong together.
    #[error(
        "the crash page has {found} bytes instead of {expected}; client and host are of different versions"
    )]
    CrashPage {
        /// How many bytes it has in this version.
        expected: usize,
        /// How many it has.
        found: i64,
    },
    /// The descriptor is not open, reserved, or has an owner already.
    #[error("descriptor {number} cannot be adopted: {reason}")]
    Descriptor {
        /// The descriptor.
        number: RawFd,
        /// Why not.
        reason: &'static str,
    },
}

impl StepError {
    /// Makes the error of one refused system call.
    pub(crate) fn refused(step: &'static str, call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Refused { step, call, errno }
    }

    /// Makes the error of one unreadable file under `/proc`.
    pub(crate) fn proc(
        step: &'static str,
        path: &'static str,
    ) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::Proc { step, path, source }
    }
}
