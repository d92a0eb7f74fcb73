//! Why a host process ended, and the words for it.

use std::borrow::Cow;
use std::time::Duration;

use hostd_protocol::error::ProtocolError;

/// Why a host process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It exited without having been told to.
    #[default]
    Exit,
    /// A signal that this process did not send ended it.
    Signal,
    /// Its seccomp filter ended it for a system call.
    ForbiddenCall,
    /// This process killed it.
    Killed(Kill),
    /// This process left its thread behind, which it cannot kill: the session ran in this process.
    Left(Kill),
    /// The program restarted it.
    Restart,
    /// The kernel ended it at a limit of its sandbox: which one, and what raises it.
    Limit(String),
    /// It printed that an allocation failed before it ended: which one, and what limits its memory.
    OutOfMemory(String),
    /// Figures of the process or of the system suggest that it was refused memory: which ones.
    MaybeOutOfMemory(String),
    /// Its exit status is unknown, for this reason.
    Unknown(String),
}

/// Why this process killed a host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kill {
    /// It did not end within its shutdown grace period.
    ShutdownTimeout,
    /// A call of it did not end within this grace period after its interruption.
    CallTimeout(Duration),
    /// A conversation was dropped before the reply to its request.
    CallAbandoned,
    /// The load that started it was abandoned.
    LoadAbandoned,
    /// It closed its control connection and went on.
    Disconnected,
    /// It sent what the protocol does not allow.
    ProtocolViolation(String),
    /// The connection to it failed.
    Connection(String),
    /// It exceeded a limit of its sandbox: which one, and what raises it.
    Limit(String),
    /// It sent or did too much without having been asked to.
    Flood(String),
    /// This process lacks the thread or the memory to serve it.
    ClientResources(String),
}

impl Cause {
    /// A stable name of the kind of cause, for programs.
    pub fn code(&self) -> &'static str {
        self.code_and_reason().0
    }

    /// What is known beyond signal, exit code and crash record, in words.
    pub fn reason(&self) -> Option<String> {
        self.code_and_reason().1
    }

    fn code_and_reason(&self) -> (&'static str, Option<String>) {
        let (code, reason) = match self {
            Self::Exit => return ("exit", None),
            Self::Signal => return ("signal", None),
            Self::ForbiddenCall => return ("forbidden-call", None),
            Self::Killed(kill) => {
                let (code, why) = kill.code_and_words();
                (code, format!("killed: {why}"))
            }
            Self::Left(kill) => {
                let (code, why) = kill.code_and_words();
                let text =
                    format!("given up: {why}; native code of it may still run on its thread");
                (code, text)
            }
            Self::Restart => ("restart", "the program restarted it".to_owned()),
            Self::Limit(what) => ("limit", what.clone()),
            Self::OutOfMemory(what) => ("out-of-memory", format!("out of memory: {what}")),
            Self::MaybeOutOfMemory(what) => (
                "maybe-out-of-memory",
                format!("maybe out of memory: {what}"),
            ),
            Self::Unknown(why) => ("unknown", format!("exit status unknown: {why}")),
        };
        (code, Some(reason))
    }
}

impl Kill {
    fn code_and_words(&self) -> (&'static str, Cow<'_, str>) {
        let (code, words) = match self {
            Self::ShutdownTimeout => ("shutdown-timeout", "shutdown grace period expired"),
            Self::CallTimeout(grace) => {
                let seconds = grace.as_secs_f64();
                let words =
                    format!("a call did not end within {seconds} s after it was interrupted");
                return ("call-timeout", words.into());
            }
            Self::CallAbandoned => ("call-abandoned", "a call was abandoned before its reply"),
            Self::LoadAbandoned => ("load-abandoned", "the load that started it was abandoned"),
            Self::Disconnected => ("disconnected", "it closed its control connection"),
            Self::ProtocolViolation(what) => ("protocol-violation", what.as_str()),
            Self::Connection(what) => ("connection", what.as_str()),
            Self::Limit(what) => ("limit", what.as_str()),
            Self::Flood(what) => ("flood", what.as_str()),
            Self::ClientResources(what) => ("client-resources", what.as_str()),
        };
        (code, words.into())
    }
}

impl From<&ProtocolError> for Kill {
    fn from(error: &ProtocolError) -> Self {
        let text = error.to_string();
        match error {
            ProtocolError::Malformed { .. }
            | ProtocolError::Violation { .. }
            | ProtocolError::Version { .. } => Self::ProtocolViolation(text),
            _ => Self::Connection(text),
        }
    }
}
