//! Why a step failed.

use std::io;

use rustix::io::Errno;

/// Why a step of the host's start failed; each message names the step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A system call that the step needs failed.
    #[error("{step}: the system refused {call}; is the host run in a container that forbids it?")]
    Refused {
        /// The step, as the function of this crate is called.
        step: &'static str,
        /// The system call.
        call: &'static str,
        /// The error of the call.
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
    /// The parent is not the expected process: that ended before the death signal was set.
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
    /// The file for the crash record has another size: client and host differ in version.
    #[error(
        "the crash page has {found} bytes instead of {expected}; client and host are of different versions"
    )]
    CrashPage {
        /// Its size in this version, in bytes.
        expected: usize,
        /// Its size, in bytes.
        found: i64,
    },
    /// The standard input is not a socket.
    #[error("the standard input is not a socket")]
    NoControlSocket,
    /// The file that replaces the standard input cannot be opened.
    #[error("cannot open /dev/null")]
    DevNull {
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

impl StepError {
    /// Makes the error of a failed system call.
    pub(crate) fn refused(step: &'static str, call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Refused { step, call, errno }
    }

    /// Makes the error of an unreadable file under `/proc`.
    pub(crate) fn proc(
        step: &'static str,
        path: &'static str,
    ) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::Proc { step, path, source }
    }
}

/// The result of a function that returns -1 for an error, which it stores in `errno`.
pub(crate) fn check(answer: impl Into<libc::c_long>) -> Result<(), Errno> {
    if answer.into() >= 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// The error of the last failed function.
pub(crate) fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
