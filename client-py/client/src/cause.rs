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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_code_and_words() {
        let text = || "what happened".to_owned();
        let kills = [
            Kill::ShutdownTimeout,
            Kill::CallTimeout(Duration::from_millis(500)),
            Kill::CallAbandoned,
            Kill::LoadAbandoned,
            Kill::Disconnected,
            Kill::ProtocolViolation(text()),
            Kill::Connection(text()),
            Kill::Limit(text()),
            Kill::Flood(text()),
            Kill::ClientResources(text()),
        ];
        let others = [
            Cause::Exit,
            Cause::Signal,
            Cause::ForbiddenCall,
            Cause::Restart,
            Cause::Limit(text()),
            Cause::OutOfMemory(text()),
            Cause::MaybeOutOfMemory(text()),
            Cause::Unknown(text()),
        ];
        let causes = others.into_iter().chain(kills.map(Cause::Killed));
        let lines = causes.map(|cause| match cause.reason() {
            None => format!("{}\n", cause.code()),
            Some(reason) => format!("{}, {reason}\n", cause.code()),
        });
        let expected = "\
exit
signal
forbidden-call
restart, the program restarted it
limit, what happened
out-of-memory, out of memory: what happened
maybe-out-of-memory, maybe out of memory: what happened
unknown, exit status unknown: what happened
shutdown-timeout, killed: shutdown grace period expired
call-timeout, killed: a call did not end within 0.5 s after it was interrupted
call-abandoned, killed: a call was abandoned before its reply
load-abandoned, killed: the load that started it was abandoned
disconnected, killed: it closed its control connection
protocol-violation, killed: what happened
connection, killed: what happened
limit, killed: what happened
flood, killed: what happened
client-resources, killed: what happened
";
        assert_eq!(lines.collect::<String>(), expected);
    }

    #[test]
    fn system_error_of_a_connection_is_kept() {
        let refused = ProtocolError::Io {
            what: "cannot read from the host",
            error: std::io::Error::from_raw_os_error(104),
        };
        let kill = Kill::from(&refused);
        assert_eq!(
            Cause::Killed(kill).reason().unwrap(),
            "killed: cannot read from the host: Connection reset by peer (os error 104)"
        );
        let violation = ProtocolError::violation("a second ready message");
        assert_eq!(
            Cause::Killed(Kill::from(&violation)).code(),
            "protocol-violation"
        );
    }
}
