//! The errors of this crate, grouped by what the caller can do about them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hostd_protocol::carrier::lane::SegmentError;
use hostd_protocol::confinement::Mechanism;
use hostd_protocol::error::{ProtocolError, RemoteError};
use thiserror::Error;

use crate::ExitReport;
use crate::crash::escape;

/// How the messages begin that the host itself prints.
const HOST_PREFIX: &str = "napi-hostd: ";

/// Why a conversation failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A message is beyond a limit (then nothing of it was sent), or the host broke the protocol
    /// (then it was killed).
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The host refused a request of `on_start`.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The host ended.
    #[error("{0}")]
    HostDied(Box<ExitReport>),
    /// The host crashed, and the restart policy allows no other.
    #[error("{0}; it is not started again")]
    GivenUp(Box<ExitReport>),
    /// No host could be started.
    #[error(transparent)]
    Spawn(#[from] Box<SpawnError>),
    /// The client was closed.
    #[error("the host was closed")]
    Closed,
    /// The idle callback of the caller ended the wait.
    #[error("the call was interrupted")]
    Interrupted,
    /// The session runs on the thread that loaded the addon, and this is another one.
    #[error(
        "the addon runs on the thread that loaded it, thread=\"caller\", and this is another thread; thread=\"own\" lets every thread call it"
    )]
    WrongThread,
    /// The conversation belongs to the process that this one was forked from.
    #[error("the call was made by the parent of this forked process")]
    Forked,
}

impl ClientError {
    /// The error of leasing a lane.
    pub(crate) fn from_lease(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Interrupted => Self::Interrupted,
            error => Self::Protocol(error),
        }
    }
}

/// Why no host could be started.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SpawnError {
    /// There is no such file.
    #[error("cannot find the host program {}; install napi_python again, or build napi-hostd", .0.display())]
    Missing(PathBuf),
    /// The file cannot be executed.
    #[error("cannot run the host program {}: {source}", binary.display())]
    NotExecutable { binary: PathBuf, source: io::Error },
    /// The server that was to start it cannot be reached, or refuses.
    #[error("cannot use the server at {}: {source}", address.display())]
    Server { address: PathBuf, source: io::Error },
    /// The system refused a step.
    #[error("{what}: {source}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// The scratch folder cannot be created.
    #[error("cannot create the scratch folder in {}: {source}; TMPDIR chooses another place", parent.display())]
    ScratchFolder {
        parent: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Shared memory is not available, and the options allow no other carrier.
    #[error("cannot set up shared memory for calls: {0}; carrier=\"socket\" works without")]
    NoLanes(#[source] SegmentError),
    /// The handshake failed: the program is another version, or not a host.
    #[error("the handshake with the host program {} failed: {source}", binary.display())]
    Handshake {
        binary: PathBuf,
        #[source]
        source: ProtocolError,
    },
    /// The host cannot serve, for this reason.
    #[error("the host process refused to start: {0}")]
    Refused(String),
    /// The host is not confined as its policy requires.
    #[error("{}", unavailable(mechanism, entry.as_deref()))]
    Sandbox {
        mechanism: String,
        /// The report of the host about it.
        entry: Option<Box<Mechanism>>,
    },
    /// The host ended before it was ready.
    #[error(
        "the host process ended while it was starting: {report}{}",
        last_message(report)
    )]
    Died { report: Box<ExitReport> },
    /// The file of its record cannot be written.
    #[error("cannot record to {}: {source}", path.display())]
    Record { path: PathBuf, source: io::Error },
    /// The session would run in a process that was forked of one with such sessions.
    #[error(
        "it runs in the process that this one was forked from, isolated=False; load it with isolated=True here, or start processes by the method \"spawn\""
    )]
    ForkedLibrary,
    /// The host was not ready in time, and was killed.
    #[error("the host process was not ready within {} s and was killed; start_timeout= sets the limit", .0.as_secs_f64())]
    Timeout(Duration),
}

/// The last message that the host itself printed.
fn last_message(report: &ExitReport) -> String {
    let lines = report.stderr_tail.lines();
    let message = lines.rev().find_map(|line| line.strip_prefix(HOST_PREFIX));
    message.map_or_else(String::new, |text| format!(": {}", escape(text)))
}

impl SpawnError {
    /// The errno of the system call that failed, if it was one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NotExecutable { source, .. }
            | Self::Server { source, .. }
            | Self::System { source, .. }
            | Self::ScratchFolder { source, .. }
            | Self::Record { source, .. }
            | Self::NoLanes(SegmentError::System { source, .. })
            | Self::Handshake {
                source: ProtocolError::Io { error: source, .. },
                ..
            } => source.raw_os_error(),
            _ => None,
        }
    }

    /// The file or folder that could not be used.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Missing(path)
            | Self::Record { path, .. }
            | Self::NotExecutable { binary: path, .. }
            | Self::Server { address: path, .. }
            | Self::ScratchFolder { parent: path, .. }
            | Self::Handshake { binary: path, .. } => Some(path),
            _ => None,
        }
    }
}

fn unavailable(mechanism: &str, entry: Option<&Mechanism>) -> String {
    let mut text = format!("the sandbox requires {mechanism}, which is not available here");
    if let Some(entry) = entry {
        if !entry.detail.is_empty() {
            text = format!("{text}: {}", entry.detail);
        }
        if let Some(errno) = entry.errno {
            text = format!("{text}: {}", io::Error::from_raw_os_error(errno));
        }
    } else {
        text = format!("{text}: the host did not report it as applied");
    }
    text
}

impl From<SpawnError> for ClientError {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(Box::new(error))
    }
}
