//! What a host is made from and what it tells its embedder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hostd_engine::{EngineError, FinalizerToken, Runtime, Value};

/// What a host is made from.
pub struct HostOptions {
    /// How much stack JavaScript and addons may use on this thread.
    pub stack_bytes: usize,
    /// The largest JavaScript heap.
    pub memory_limit: Option<usize>,
    /// What `process.argv` says.
    pub argv: Vec<String>,
    /// The Node version that is claimed to be.
    pub node_version: NodeVersion,
    /// Whether misuse is reported with the stacks of the call and of where the id was made, and
    /// what an addon never gave back is listed when it is closed. Slow.
    pub debug: bool,
    /// Whether the functions of Node-API that ran last are kept: see
    /// [`recent_calls`](crate::recent_calls).
    pub keeps_calls: bool,
    /// Whether calls can be measured for a profile.
    pub profile: bool,
    /// What the embedder is notified by.
    pub hooks: Box<dyn HostHooks>,
    /// How long the end waits for async work that runs and for async cleanup hooks.
    pub grace: Duration,
    /// Called from any thread when a turn has something to do.
    pub request_turn: Arc<dyn Fn() + Send + Sync>,
}

impl HostOptions {
    /// Options with these hooks, 4 MiB of stack, a second of grace, and turn requests that do nothing.
    pub fn new(hooks: Box<dyn HostHooks>) -> Self {
        Self {
            stack_bytes: 4 * 1024 * 1024,
            memory_limit: None,
            argv: Vec::new(),
            node_version: NodeVersion::default(),
            debug: false,
            keeps_calls: false,
            profile: false,
            hooks,
            grace: Duration::from_secs(1),
            request_turn: Arc::new(|| {}),
        }
    }
}

impl fmt::Debug for HostOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostOptions")
    }
}

/// A Node version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeVersion {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch version.
    pub patch: u32,
}

impl Default for NodeVersion {
    /// The release whose globals and built-in modules the host has.
    fn default() -> Self {
        Self {
            major: 22,
            minor: 20,
            patch: 0,
        }
    }
}

/// The notifications to the embedder of a host. Called on the host's thread only.
pub trait HostHooks {
    /// An uncaught error. The host goes on.
    fn uncaught(&self, rt: Runtime, error: &Value, origin: Origin);

    /// The addon asked for the end of the process, as by `process.exit`.
    fn exit_requested(&self, code: i32);

    /// A promise that the embedder watches by [`Host::watch`](crate::Host::watch) was resolved or
    /// rejected. If it follows another promise now, it is pending still.
    fn resolved(&self, _rt: Runtime, _promise: &Value, _name: u32) {}

    /// An object died that the embedder attached a token to (tags from `FIRST_FOREIGN_TAG` on).
    fn finalized(&self, rt: Runtime, token: &FinalizerToken);
}

/// Where an uncaught error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A function of `process.nextTick`.
    NextTick,
    /// A microtask.
    Microtask,
    /// A rejected promise without handler.
    UnhandledRejection,
    /// A finalizer.
    Finalizer,
    /// A timer or an immediate.
    Timer,
    /// The completion of async work.
    AsyncWork,
    /// A threadsafe function's call or finalizer.
    ThreadsafeFunction,
    /// `napi_fatal_exception`.
    FatalException,
}

/// Why a host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine could not start.
    #[error("cannot start the JavaScript engine")]
    Engine(#[source] EngineError),
    /// The script that makes the globals failed, which is a defect of this build.
    #[error("the bootstrap failed: {0}")]
    Bootstrap(String),
}
