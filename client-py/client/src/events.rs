//! The callbacks for what happens to a host.

use std::fmt;
use std::io;
use std::time::Instant;

use hostd_protocol::confinement::Applied;
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;

use crate::ExitReport;

/// Starts a thread that may run what [`HostEvents`] does.
pub type SpawnThread = fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// An output stream of the host process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Callbacks for what happens to a host. Called on threads of this crate, with no lock held.
///
/// An implementation must return soon, except from [`notice`](Self::notice) and
/// [`attend`](Self::attend): the thread that calls it watches all hosts.
pub trait HostEvents: Send + Sync {
    /// The addon printed something. An empty slice is the end of the stream.
    fn output(&self, stream: OutputStream, bytes: &[u8]);
    /// This many printed bytes were dropped, because the addon prints faster than the rate limit.
    fn dropped(&self, _stream: OutputStream, _bytes: u64) {}
    /// The host or this crate logs a message.
    fn log(&self, level: LogLevel, target: &str, message: &str);
    /// A host ended without having been told to.
    fn died(&self, report: &ExitReport);
    /// The host serves without a mechanism that its policy requires, because `degrade` allows that.
    fn degraded(&self, _missing: &str, _applied: &Applied) {}
    /// The host sent a notice.
    fn notice(&self, header: Header, body: &[u8]);
    /// It was requested by an [`Attention`](crate::Attention), or the time has come that the last call returned. Returns
    /// when to call it again without a request.
    fn attend(&self) -> Option<Instant> {
        None
    }
}

impl fmt::Debug for dyn HostEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostEvents")
    }
}

/// Keeps the messages that are logged, for tests.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct LoggedMessages(pub(crate) std::sync::Mutex<Vec<String>>);

#[cfg(test)]
impl HostEvents for LoggedMessages {
    fn output(&self, _: OutputStream, _: &[u8]) {}
    fn log(&self, _: LogLevel, _: &str, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
    fn died(&self, _: &ExitReport) {}
    fn notice(&self, _: Header, _: &[u8]) {}
}
