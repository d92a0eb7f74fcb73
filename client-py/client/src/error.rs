//! Why a conversation failed, grouped by what the caller can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hostd_protocol::confinement::Mechanism;
use hostd_protocol::error::{ProtocolError, RemoteError};
use thiserror::Error;

use crate::ExitReport;

/// Why a conversation could not begin or end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A message is beyond a limit (then nothing of it was sent), or the host broke the protocol
    /// (then it was killed).
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The host refused what was said to it first.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The host died.
    #[error("{0}")]
    HostDied(Box<ExitReport>),
    /// The host died, and no other is started: so the options will have it.
    #[error("{0}; it is not started again")]
    GivenUp(Box<ExitReport>),
    /// No host could be started.
    #[error(transparent)]
    Spawn(#[from] Box<SpawnError>),
    /// The client was closed.
    #[error("the host was closed")]
    Closed,
    /// The caller's own idling ended the wait.
    #[error("the call was interrupted")]
    Interrupted,
    /// The conversation belongs to the process that this one was forked from.
    #[error("the call was made by the parent of this forked process")]
    Forked,
}

/// Why no host could be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such file.
    #[error("cannot find the host program {}; install napi_python again, or build napi-hostd", .0.display())]
    Missing(PathBuf),
    /// The file is not a program that can run here.
    #[error("cannot run the host program {}: {source}", binary.display())]
    NotExecutable {
        /// The file.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server that was to start it can't be reached, or refuses.
    #[error("cannot use the server at {}: {source}", address.display())]
    Door {
        /// Its socket.
        address: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused a step.
    #[error("{what}: {source}")]
    System {
        /// The step.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Shared memory is not to be had, and nothing else was allowed.
    #[error("cannot set up shared memory for calls: {0}; carrier=\"socket\" works without")]
    NoLanes(#[source] hostd_protocol::carrier::lane::SegmentError),
    /// It is of another version, or no host at all.
    #[error("the handshake with the host program {} failed: {source}", binary.display())]
    Handshake {
        /// The file.
        binary: PathBuf,
        /// What is wrong.
        #[source]
        source: ProtocolError,
    },
    /// It said why it can't serve.
    #[error("the host process refused to start: {0}")]
    Refused(String),
    /// It could not be confined as its policy wants it.
    #[error("{}", unavailable(mechanism, entry.as_deref()))]
    Sandbox {
        /// What is missing.
        mechanism: String,
        /// What the host said about it.
        entry: Option<Box<Mechanism>>,
    },
    /// It died before it served.
    #[error("the host process ended while it was starting: {0}")]
    Died(Box<ExitReport>),
    /// It did not serve in time, and was killed.
    #[error("the host process was not ready within {} s and was killed; start_timeout= sets the limit", .0.as_secs_f64())]
    Timeout(Duration),
}

/// Says what is missing, why, and what can be done.
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
