//! The options of a host: what the user of this crate sets for one addon before it makes a
//! [`Client`](crate::Client). Nothing here changes while hosts run.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use hostd_protocol::confinement::Confinement;
use hostd_protocol::control::LogLevel;
use hostd_protocol::limits::Limits;

use crate::events::{HostEvents, SpawnThread};
use crate::library::SessionLibrary;
use crate::poller::Attention;
use crate::record::RecordOptions;
use crate::{ClientError, Conversation, background};

/// How a host is started, watched and replaced.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct HostConfig {
    /// The `napi-hostd` executable.
    pub binary: PathBuf,
    /// Runs the sessions in this process, if that is wanted: then neither `binary` nor `address` is used.
    pub library: Option<Arc<dyn SessionLibrary>>,
    /// With a library, the thread on which the sessions run; else each has a thread of its own.
    pub caller: Option<ThreadId>,
    /// The socket of `napi-hostd serve`, if that is to start the process.
    pub address: Option<PathBuf>,
    /// The addon's file, for messages and the cache; [`Self::on_start`] loads it.
    pub addon: PathBuf,
    /// The addon's name, for messages and logs.
    pub label: String,
    /// How frames are carried.
    pub carrier: Carrier,
    /// Whether the bytes of large buffers may lie in memory that both sides map, and not in frames.
    pub shares_memory: bool,
    /// The environment of the host; that of this process if none is given.
    pub env: Option<Vec<(OsString, OsString)>>,
    /// The sandbox of the host, if it has one. A temporary scratch folder in it is made here, and
    /// removed with the host.
    pub confinement: Option<Confinement>,
    /// The protocol limits of both sides.
    pub limits: Limits,
    /// How long a host may take from its spawn until it is ready.
    pub start_timeout: Duration,
    /// Whether a host is started after a crash.
    pub restart: RestartMode,
    /// Whether the host serves other lanes while it waits for the reply to its own request.
    pub nested_threads: bool,
    /// Whether the host reports misuse of Node-API and leaks of the addon. Slow.
    pub debug: bool,
    /// Where the core file of a crash is put, if one is wanted.
    pub core_file: Option<PathBuf>,
    /// Whether calls may be measured, and the host collects figures for a profile.
    pub profile: bool,
    /// The lowest level of host log messages that are wanted.
    pub log: LogLevel,
    /// Where the hosts are recorded, if they are.
    pub record: Option<RecordOptions>,
    /// Receives what happens to the host.
    pub events: Arc<dyn HostEvents>,
    /// Prepares each new host, before any other conversation with it.
    pub on_start: Option<OnStart>,
    /// Is called while a host starts, by the thread that waits for it. After an error the host is killed.
    pub meanwhile: Option<Meanwhile>,
    /// Has [`HostEvents::attend`] called.
    pub attention: Arc<Attention>,
    /// Starts the thread that calls [`HostEvents::notice`] and [`HostEvents::attend`].
    pub spawn_thread: SpawnThread,
}

/// Prepares a host that was just started: loads its addon, for example.
pub type OnStart = Box<dyn Fn(&mut Conversation) -> Result<(), ClientError> + Send + Sync>;

type Meanwhile = Box<dyn Fn() -> Result<(), ClientError> + Send + Sync>;

impl HostConfig {
    /// Default options.
    pub fn new(binary: PathBuf, addon: PathBuf, events: Arc<dyn HostEvents>) -> Self {
        let label = addon
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            binary,
            library: None,
            caller: None,
            address: None,
            addon,
            label,
            carrier: Carrier::Auto,
            shares_memory: true,
            env: None,
            confinement: None,
            limits: Limits::DEFAULT,
            start_timeout: Duration::from_secs(10),
            restart: RestartMode::OnCrash,
            nested_threads: false,
            debug: false,
            core_file: None,
            profile: false,
            log: LogLevel::Info,
            record: None,
            events,
            on_start: None,
            meanwhile: None,
            attention: Arc::default(),
            spawn_thread: background::spawn_thread,
        }
    }

    /// What handles its notices, what requests that, and what starts the thread.
    pub(crate) fn handlers(&self) -> (&Arc<dyn HostEvents>, &Arc<Attention>, SpawnThread) {
        (&self.events, &self.attention, self.spawn_thread)
    }

    /// Whether the host is run for the reports that it makes at its end, which are then waited for longer.
    pub(crate) fn is_to_report(&self) -> bool {
        let diagnosed = |confinement: &Confinement| confinement.diagnose;
        self.debug || self.confinement.as_ref().is_some_and(diagnosed)
    }
}

impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("binary", &self.binary)
            .field("label", &self.label)
            .field("carrier", &self.carrier)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}

/// How frames are to be carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Over shared-memory lanes; over the socket if there is no shared memory, which is logged once.
    #[default]
    Auto,
    /// Over shared-memory lanes; without shared memory the start fails.
    Lanes,
    /// Over the socket.
    Socket,
}

/// Whether a host is started after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartMode {
    /// The next conversation starts one.
    #[default]
    OnCrash,
    /// Every further conversation is refused with the report of the crash.
    Never,
    /// The next conversation starts one, until `max` hosts have crashed without a successful call in
    /// between; then conversations are refused with the report of the last crash.
    Limited {
        /// How many crashes are allowed.
        max: u32,
        /// Crashes that are longer ago do not count.
        window: Duration,
        /// The wait before a host is started after a crash; each further one doubles it.
        backoff: Duration,
    },
}
