//! The host of a thread: the engine and every addon environment on it.
//!
//! A thread has one at a time. [`OwnedHost`] owns it and frees it; a [`Host`] is a handle.
#![forbid(unsafe_code)]

mod budget;
pub(crate) mod debug;
mod entry;
mod inbox;
mod init;
mod invoke;
mod node_runtime;
mod options;
mod owned;
pub(crate) mod pool;
pub(crate) mod profiler;
mod recent;
mod round;
mod settlement;
mod task_table;
mod tasks;
mod uv;
pub(crate) mod works;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::{Duration, Instant};

use hostd_engine::{FinalizerToken, JsResult, Runtime, Thrown, Value};

use crate::abi::frame::Frames;
use crate::abi::owned::Owned;
use crate::abi::row::Row;
use crate::abi::types::{napi_env, napi_node_version};
use crate::env::cleanup::AsyncEntry;
use crate::env::deferred::LastPromise;
use crate::env::finalizer::Finalizers;
use crate::env::handles::HandleStack;
use crate::env::pins::Pins;
use crate::env::scopes::ScopeStack;
use crate::env::slots::Slots;
use crate::env::work::Work;
use crate::env::{Env, EnvId};

pub use budget::Budget;
pub(crate) use inbox::{Event, Inbox};
pub(crate) use invoke::callback;
pub use node_runtime::{NodeRuntime, Settled};
pub use options::{HostHooks, HostOptions, NodeVersion, Origin, StartError};
pub use owned::OwnedHost;
pub(crate) use pool::{Execution, Job, Ticket};
pub use profiler::{
    Activity, MeasuredFigures, MeasuredFunction, MeasuredSpan, MeasuredTimes, Occurrences, Profiler,
};
pub(crate) use round::Round;
pub(crate) use uv::Uv;

/// The engine function tag of addons' callbacks.
pub(crate) const TAG_CALLBACK: u8 = 0;
/// The first tag, for functions and finalizer tokens alike, that belongs to the embedder.
pub const FIRST_FOREIGN_TAG: u8 = 64;

thread_local! {
    static CURRENT: Cell<Option<&'static HostState>> = const { Cell::new(None) };
    /// The environment of the last call, which is mostly that of the next one.
    static CALLER: Cell<Option<Caller>> = const { Cell::new(None) };
}

/// What a thread knows of its host.
#[derive(Debug, Default)]
pub(crate) struct ThreadHost {
    current: Option<&'static HostState>,
    caller: Option<Caller>,
}

/// Exchanges what this thread knows of its host.
pub(crate) fn swap_thread_host(other: &mut ThreadHost) {
    other.current = CURRENT.replace(other.current);
    other.caller = CALLER.replace(other.caller);
}

/// An environment that a `napi_env` of this thread names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// This thread's host.
    pub(crate) host: &'static HostState,
    /// One of its environments.
    pub(crate) env: &'static Env,
}

/// The environment that a `napi_env` names, if it is that of the last call.
#[inline]
pub(crate) fn last_caller(raw: napi_env) -> Option<Caller> {
    CALLER.get().filter(|caller| caller.env.raw == raw)
}

/// The environment that a `napi_env` names on this thread.
#[inline]
pub(crate) fn caller(raw: napi_env) -> Option<Caller> {
    last_caller(raw).or_else(|| other_caller(raw))
}

/// Forgets the caller, so that the next function of Node-API looks for it.
pub(crate) fn forget_caller() {
    CALLER.set(None);
}

#[cold]
fn other_caller(raw: napi_env) -> Option<Caller> {
    let host = current()?;
    let env = host.envs.borrow().get(Env::index_of(raw)?)?.get();
    let caller = Caller { host, env };
    CALLER.set(Some(caller));
    Some(caller)
}

/// This thread's host, if it has one.
#[inline]
pub(crate) fn current() -> Option<&'static HostState> {
    CURRENT.get()
}

/// The Node-API function this thread is in, if any. Cheap enough for a crash handler.
pub fn current_call() -> Option<&'static str> {
    current()?.row.get().map(|row| row.name)
}

/// Gives the names of the Node-API functions that this thread ran last, the latest last, if they are kept.
/// Cheap enough for a crash handler.
pub fn recent_calls(each: &mut dyn FnMut(&'static str)) {
    if let Some(recent) = current().and_then(|host| host.recent.as_ref()) {
        recent.names(each);
    }
}

/// Node-API for one thread: the engine and the addons' environments.
///
/// Copies are handles to the same host.
#[derive(Clone, Copy)]
pub struct Host {
    state: &'static HostState,
}

/// What a host consists of.
pub(crate) struct HostState {
    pub(crate) rt: Runtime,
    pub(crate) handles: RefCell<HandleStack>,
    pub(crate) scopes: RefCell<ScopeStack>,
    pub(crate) frames: Frames,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) pins: RefCell<Pins>,
    /// The finalizers of addons, by object.
    pub(crate) finalizers: RefCell<Finalizers>,
    /// Whether there is an addon whose finalizers may run before an entry ends.
    has_experimental: Cell<bool>,
    /// The async cleanup hooks of all environments, by handle.
    pub(crate) async_hooks: RefCell<HashMap<usize, AsyncEntry>>,
    /// The async work of all environments.
    pub(crate) works: RefCell<Slots<Work>>,
    /// What the Node around Node-API has running in the pool.
    tasks: RefCell<task_table::Tasks>,
    /// The async contexts of all environments, and whose they are.
    pub(crate) contexts: RefCell<Slots<EnvId>>,
    /// What an addon returns is mostly that one.
    pub(crate) last_promise: Cell<Option<LastPromise>>,
    /// Where the events of this round are, and the threadsafe functions of all environments.
    pub(crate) round: RefCell<Round>,
    /// Whether this entry was a turn that left ticks waiting: then they don't run at its end either.
    left_holding: Cell<bool>,
    /// Microtasks and ticks wait for the next turn.
    defers_microtasks: Cell<bool>,
    pub(crate) uv: Uv,
    /// The open callback scopes, outermost first.
    callback_scopes: RefCell<Vec<usize>>,
    scope_floor: Cell<usize>,
    scope_serial: Cell<u32>,
    /// How long the end waits for what the addons have under way.
    grace: Duration,
    pub(crate) node_version: NodeVersion,
    /// The same in the memory that C is pointed to.
    pub(crate) node_version_for_c: napi_node_version,
    row: Cell<Option<&'static Row>>,
    envs: RefCell<Vec<Owned<Env>>>,
    /// What debug mode remembers, if it is on.
    pub(crate) debug: Option<debug::Debug>,
    /// The functions that ran last, if they are kept.
    pub(crate) recent: Option<recent::RecentRows>,
    /// What is measured for a profile, if that is on.
    pub(crate) profiler: Option<Box<Profiler>>,
    pub(crate) hooks: Box<dyn HostHooks>,
    /// The Node around Node-API.
    pub(crate) node: Box<dyn NodeRuntime>,
    argv: Vec<String>,
    depth: Cell<u32>,
    closed: Cell<bool>,
    finalized: RefCell<VecDeque<FinalizerToken>>,
    /// The warnings that were given: environment if that is known, function and text.
    warned: RefCell<HashSet<(Option<EnvId>, &'static str, &'static str)>>,
}

impl HostState {
    /// Has the next function noted, if recent ones are kept.
    #[inline]
    pub(crate) fn note_next(&self) {
        if self.recent.is_some() {
            CALLER.set(None);
        }
    }
}

impl Host {
    /// This thread's host, if it has one.
    pub fn current() -> Option<Self> {
        current().map(|state| Self { state })
    }

    /// The engine.
    pub fn runtime(&self) -> Runtime {
        self.state.rt
    }

    /// The embedder did something, after which objects may be unreachable: to be called before it
    /// asks for [`age_timeout`](Self::age_timeout).
    #[inline]
    pub fn note_activity(&self) {
        self.state.rt.note_activity();
    }

    /// How long a thread that has nothing to do may sleep before it calls [`age`](Self::age).
    pub fn age_timeout(&self) -> Option<Duration> {
        self.state.rt.age_timeout()
    }

    /// What measures calls for a profile, if that is on.
    #[inline]
    pub fn profiler(&self) -> Option<&'static Profiler> {
        self.state.profiler.as_deref()
    }

    /// Reports an uncaught error to the listeners of `process`, or if there is none to the embedder.
    pub fn uncaught(&self, thrown: &Thrown, origin: Origin) {
        self.state.uncaught(thrown, origin);
    }

    /// To be called while this thread is idle, with the time since it began: ends the timed park of a
    /// pool thread. Whether async work waits for a thread that only needs a CPU, perhaps this one.
    pub fn idle(waited: Duration) -> bool {
        pool::idle(waited)
    }

    /// When a turn will have something to do without a request for it: the next timer, libuv. To be
    /// read after each entry and turn.
    pub fn next_deadline(&self) -> Option<Instant> {
        let timer = self.state.node.deadline();
        match (timer, self.state.uv.deadline()) {
            (Some(timer), Some(uv)) => Some(timer.min(uv)),
            (one, other) => one.or(other),
        }
    }

    /// How many calls wait in the queues of threadsafe functions.
    pub fn queued_calls(&self) -> usize {
        let envs = self.state.envs();
        envs.iter().map(|env| env.queued_threadsafe()).sum()
    }

    /// Whether something keeps the host busy, as it keeps Node's loop alive: an open threadsafe
    /// function, async work, a timer, a handle of libuv.
    pub fn is_kept_alive(&self) -> bool {
        let envs = self.state.envs();
        envs.iter().any(|env| env.has_referenced_threadsafe())
            || self.state.has_queued_work()
            || self.state.has_tasks()
            || self.state.node.is_kept_alive()
            || self.state.uv.is_alive()
    }

    /// Sets a property of the global object.
    pub fn set_global(&self, name: &str, value: Value) -> JsResult<()> {
        let rt = self.state.rt;
        let key = rt.key_utf8(name.as_bytes())?;
        rt.set_strict(&rt.global(), &key, value)
    }

    /// The host's own parts, for this crate.
    pub(crate) fn state(self) -> &'static HostState {
        self.state
    }

    /// Makes an environment for an addon's file; `filename` is what the addon takes for its own.
    pub(crate) fn create_env(
        self,
        path: &Path,
        filename: Option<&Path>,
        api_version: i32,
    ) -> &'static Env {
        let mut envs = self.state.envs.borrow_mut();
        let id = EnvId(u32::try_from(envs.len()).unwrap_or(u32::MAX));
        let owned = Owned::new(Env::new(id, path, filename, api_version));
        let env = owned.get();
        if env.is_experimental() {
            self.state.has_experimental.set(true);
        }
        envs.push(owned);
        env
    }
}

/// For the Node around Node-API.
impl Host {
    /// What [`Host::new`] was given.
    pub fn node(self) -> &'static dyn NodeRuntime {
        &*self.state.node
    }

    /// What the embedder is told by.
    pub fn hooks(self) -> &'static dyn HostHooks {
        &*self.state.hooks
    }

    /// What `process.argv` is to be.
    pub fn argv(self) -> &'static [String] {
        &self.state.argv
    }

    /// What `process.version` and `napi_get_node_version` say.
    pub fn node_version(self) -> NodeVersion {
        self.state.node_version
    }

    /// Collects garbage. Basic finalizers run at once, others when the outermost entry ends.
    pub fn gc(self) {
        self.state.collect();
    }

    /// Runs what follows each item of a turn: ticks, microtasks, finalizers.
    pub fn settle_item(self) {
        self.state.settle_item();
    }

    /// Whether an addon uses libuv: then [`run_uv`](Self::run_uv) takes the place of
    /// [`serve_events`](Self::serve_events) and of the immediates in a turn.
    pub fn has_uv(self) -> bool {
        self.state.uv.is_open()
    }

    /// Whether the round of [`serve_events`](Self::serve_events) was cut short by the budget.
    pub fn is_round_cut(self) -> bool {
        self.state.round.borrow().is_cut()
    }

    /// Whether threadsafe functions are to be finalized.
    pub fn is_closing(self) -> bool {
        self.state.round.borrow().is_closing()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

impl fmt::Debug for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostState")
    }
}

impl HostState {
    /// All environments, closed ones included.
    pub(crate) fn envs(&self) -> Vec<&'static Env> {
        self.envs.borrow().iter().map(Owned::get).collect()
    }

    /// The environment with this id.
    pub(crate) fn env_by_id(&self, id: EnvId) -> Option<&'static Env> {
        self.envs.borrow().get(id.0 as usize).map(Owned::get)
    }

    /// Notes which function is in flight; gives the one before. A handler of a fatal signal may ask,
    /// so what the function reads and writes stays between the two calls that surround it.
    #[inline]
    pub(crate) fn swap_row(&self, row: Option<&'static Row>) -> Option<&'static Row> {
        compiler_fence(Ordering::SeqCst);
        let outer = self.row.replace(row);
        compiler_fence(Ordering::SeqCst);
        outer
    }

    /// Answers an id of `env` that is not alive: a report in debug mode, else one warning per
    /// function and kind.
    #[cold]
    pub(crate) fn stale(&self, row: &'static Row, env: &Env, what: &'static str, id: usize) {
        match &self.debug {
            Some(debug) => debug.misused(row, env, what, id),
            None => self.warn_stale(row, env, what),
        }
    }

    /// Warns once per addon, function and kind of id.
    #[cold]
    pub(crate) fn warn_stale(&self, row: &'static Row, env: &Env, what: &'static str) {
        if self.is_new(row, Some(env), what) {
            tracing::warn!(
                addon = %env.path.display(),
                "{} was given a {what} that is not alive: freed, out of its scope, or made up",
                row.name,
            );
        }
    }

    /// Warns once per addon, if that is known, function and text.
    #[cold]
    pub(crate) fn warn_once(&self, row: &'static Row, env: Option<&Env>, text: &'static str) {
        if self.is_new(row, env, text) {
            let addon = env.map(|env| tracing::field::display(env.path.display()));
            tracing::warn!(addon, "{} {text}", row.name);
        }
    }

    fn is_new(&self, row: &Row, env: Option<&Env>, what: &'static str) -> bool {
        let mut warned = self.warned.borrow_mut();
        warned.insert((env.map(|env| env.id), row.name, what))
    }
}
