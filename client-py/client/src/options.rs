//! What a client is told about its host.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::confinement::{Applied, Confinement};
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;
use hostd_protocol::limits::Limits;

use crate::{ClientError, Conversation, ExitReport};

/// How a host is started, watched and replaced.
pub struct HostOptions {
    /// The `napi-hostd` executable.
    pub binary: PathBuf,
    /// The socket of a server that starts the process in place of this side, if there is one.
    pub address: Option<PathBuf>,
    /// The addon's file, for messages; what is loaded is said by [`Self::on_start`].
    pub addon: PathBuf,
    /// The addon's name, for messages and logs.
    pub label: String,
    /// Where frames travel.
    pub carrier: Carrier,
    /// The environment of the host: this process's, if none is given.
    pub env: Option<Vec<(OsString, OsString)>>,
    /// How the host is confined, if it is.
    pub confinement: Option<Confinement>,
    /// Whether it gets a folder of its own for what it leaves behind, which is its home and goes
    /// with it. Only together with [`Self::confinement`].
    pub scratch: bool,
    /// What both sides keep to.
    pub limits: Limits,
    /// How long a host may take until it serves.
    pub start_timeout: Duration,
    /// What follows a death.
    pub restart: RestartMode,
    /// Whether the host serves other lanes while it waits for the answer to a request of its own.
    pub nested_threads: bool,
    /// Whether the addon's misuse of Node-API and what it never gives back are reported. Slow.
    pub debug: bool,
    /// What of the host's log is wanted.
    pub log: LogLevel,
    /// Who is told what happens.
    pub events: Arc<dyn Events>,
    /// What is said to each new host first.
    pub on_start: Option<OnStart>,
}

/// Says what is to be said to a host that was just started, before anybody else speaks to it.
pub type OnStart = Box<dyn Fn(&mut Conversation) -> Result<(), ClientError> + Send + Sync>;

impl HostOptions {
    /// Options with nothing special about them.
    pub fn new(binary: PathBuf, addon: PathBuf, events: Arc<dyn Events>) -> Self {
        let label = addon
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            binary,
            address: None,
            addon,
            label,
            carrier: Carrier::Auto,
            env: None,
            confinement: None,
            scratch: false,
            limits: Limits::DEFAULT,
            start_timeout: Duration::from_secs(10),
            restart: RestartMode::OnCrash,
            nested_threads: false,
            debug: false,
            log: LogLevel::Info,
            events,
            on_start: None,
        }
    }
}

impl HostOptions {
    /// Whether what a host says at its end is the purpose of it: it is given time for that.
    pub(crate) fn is_to_report(&self) -> bool {
        let diagnosed = |confinement: &Confinement| confinement.diagnose;
        self.debug || self.confinement.as_ref().is_some_and(diagnosed)
    }
}

impl fmt::Debug for HostOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOptions")
            .field("binary", &self.binary)
            .field("label", &self.label)
            .field("carrier", &self.carrier)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}

/// Where frames are to travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Over lanes; over the socket if there is no shared memory, which is logged once.
    #[default]
    Auto,
    /// Over lanes, or not at all.
    Lanes,
    /// Over the socket.
    Socket,
}

/// What follows the death of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartMode {
    /// The next conversation starts a new one.
    #[default]
    OnCrash,
    /// Every further conversation is refused with the report of the death.
    Never,
    /// As long as no more than `max` hosts died without a successful call in between; then further
    /// conversations are refused with the report of the last death.
    Limited {
        /// How many deaths it takes.
        max: u32,
        /// Deaths that are longer ago are forgotten.
        window: Duration,
        /// The pause before a host is started after a death; doubled by each further one.
        backoff: Duration,
    },
}

/// Where the addon printed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// What happens to hosts. Called on threads of this crate, with no lock held.
///
/// An implementation hands on and returns: what it does meanwhile is not watched.
pub trait Events: Send + Sync {
    /// The addon printed something. No bytes: the stream has ended.
    fn output(&self, stream: Stream, bytes: &[u8]);
    /// So many bytes that the addon printed were dropped: it prints faster than anybody reads.
    fn dropped(&self, _stream: Stream, _bytes: u64) {}
    /// The host or this crate has something for the log.
    fn log(&self, level: LogLevel, target: &str, message: &str);
    /// A host died that nobody had told to end.
    fn died(&self, report: &ExitReport);
    /// The host serves although something that its policy requires is missing, as it was allowed to.
    fn degraded(&self, _missing: &str, _applied: &Applied) {}
    /// The host sent a notice.
    fn notice(&self, header: Header, body: &[u8]);
}
