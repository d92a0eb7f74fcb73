//! A loaded addon: its client, and the world of the generation that runs.

mod exports;
mod load;
mod worlds;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use exports::KnownExport;
use hostd_client::{Client, ClientError, Conversation, ExitReport, HostOptions, Limit};
use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::Denial;
use hostd_protocol::limits::Limits;
use hostd_protocol::message::{self, HostStats};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyWeakrefReference};

use crate::call::{call, unraisable};
use crate::denials::Denials;
use crate::errors;
use crate::idle::{self, Deadline, Waiting};
use crate::output;
use crate::owner::Owner;
use crate::proxy::Addon;
use crate::quiet;
use crate::request::Ask;
use crate::world::{End, LentObject, World};

/// A loaded addon.
pub(crate) struct Session {
    /// Which one it is, in this process.
    pub(crate) number: u64,
    /// The addon's name in messages and logs.
    pub(crate) label: Arc<str>,
    path: PathBuf,
    /// Whether instances of Python-defined classes are live for their public names.
    pub(crate) public: bool,
    pub(crate) limits: Limits,
    client: OnceLock<Client>,
    world: ArcSwapOption<World>,
    /// All that live, also those of hosts that were replaced: their promises are owed an end.
    worlds: Mutex<Vec<Weak<World>>>,
    /// How the last process ended of which that is known. One may end while its answer to the load
    /// is being read, before it has a world.
    last_end: Mutex<Option<ExitReport>>,
    /// The exported functions and classes, in the order in which they were first seen.
    exports: Mutex<Vec<KnownExport>>,
    addon: OnceLock<Py<PyWeakrefReference>>,
    on_start: Option<Py<PyAny>>,
    /// Why the last start failed, when Python knows it better than the client.
    failure: Mutex<Option<(ThreadId, PyErr)>>,
    /// How long each call may take.
    pub(crate) timeout: Option<Duration>,
    /// How long the addon may take to load.
    start_timeout: Duration,
    /// What is said about the policy when it allows no further process.
    policy: String,
    /// Whether calls of other threads run while a callback waits.
    pub(crate) nested_threads: bool,
    /// What confines its hosts, as Python knows it; None if nothing does.
    pub(crate) sandbox: Option<Py<PyAny>>,
    /// Whether `load_addon` has returned.
    opened: AtomicBool,
    /// What the sandbox denied.
    pub(crate) denials: Denials,
    closed: AtomicBool,
    pub(crate) owner: Owner,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// An exported function or class: bound again by name in each generation.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) session: Arc<Session>,
    pub(crate) number: usize,
    pub(crate) name: Arc<str>,
}

/// What `load_addon` was told.
pub(crate) struct Settings {
    pub(crate) label: String,
    pub(crate) path: PathBuf,
    pub(crate) public: bool,
    pub(crate) on_start: Option<Py<PyAny>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) policy: String,
    pub(crate) nested_threads: bool,
    pub(crate) sandbox: Option<Py<PyAny>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// A session whose host is not started yet.
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            label: settings.label.into(),
            path: settings.path,
            public: settings.public,
            limits: Limits::DEFAULT,
            client: OnceLock::new(),
            world: ArcSwapOption::empty(),
            worlds: Mutex::default(),
            last_end: Mutex::default(),
            exports: Mutex::new(Vec::new()),
            addon: OnceLock::new(),
            on_start: settings.on_start,
            failure: Mutex::new(None),
            timeout: settings.timeout,
            start_timeout: settings.start_timeout,
            policy: settings.policy,
            nested_threads: settings.nested_threads,
            sandbox: settings.sandbox,
            opened: AtomicBool::new(false),
            denials: Denials::new(),
            closed: AtomicBool::new(false),
            owner: Owner::new(Weak::clone(weak)),
        })
    }

    /// Gives the session its client, which loads the addon whenever it has started a host.
    pub(crate) fn connect(
        self: &Arc<Self>,
        mut options: HostOptions,
        addon: &Bound<'_, Addon>,
    ) -> PyResult<()> {
        let session = Arc::downgrade(self);
        options.on_start = Some(Box::new(
            move |conversation: &mut Conversation| match session.upgrade() {
                Some(session) => session
                    .load(conversation)
                    .and_then(|()| session.first_words(conversation)),
                None => Err(ClientError::Closed),
            },
        ));
        // Both are set once, here.
        let _ = self.client.set(Client::new(options));
        let _ = self.addon.set(PyWeakrefReference::new(addon)?.unbind());
        Ok(())
    }

    pub(crate) fn client(&self) -> PyResult<&Client> {
        if self.closed.load(Ordering::Acquire) {
            return Err(errors::closed(&self.label));
        }
        self.client.get().ok_or_else(|| errors::closed(&self.label))
    }

    // Worlds.

    /// The world of the generation that was started last, if any; it may be dead.
    pub(crate) fn world(&self) -> Option<Arc<World>> {
        self.world.load_full()
    }

    /// The world to speak to: that of the running generation, which is started if there is none.
    #[inline]
    pub(crate) fn running_world(self: &Arc<Self>, py: Python<'_>) -> PyResult<Arc<World>> {
        let client = self.client()?;
        if let Some(world) = self.world.load_full()
            && world.generation.0 == client.generation()
            && !client.is_dead()
        {
            return Ok(world);
        }
        self.start(py)
    }

    /// Whether this world's process is the one that runs.
    #[inline]
    pub(crate) fn is_current(&self, world: &Arc<World>) -> bool {
        !world.is_dead()
            && self
                .client
                .get()
                .is_some_and(|client| client.serves(world.generation))
    }

    /// Until when a call may take that begins now, by what the addon was loaded with.
    #[inline]
    pub(crate) fn own_timeout(&self) -> Option<Deadline> {
        self.timeout.and_then(Deadline::after)
    }

    /// Until when a call may take that begins now.
    #[inline]
    pub(crate) fn until(
        &self,
        py: Python<'_>,
        outer: Option<Deadline>,
    ) -> PyResult<Option<Deadline>> {
        let own = self.own_timeout();
        let open = idle::deadline(py)?;
        Ok(idle::nearer(idle::nearer(own, open), outer))
    }

    /// A call has come back: the budget of crashes is whole again.
    #[cold]
    pub(crate) fn prove(&self, world: &World) {
        if world.take_unproven()
            && let Some(client) = self.client.get()
        {
            client.succeeded(world.generation);
        }
    }

    #[cold]
    fn start(self: &Arc<Self>, py: Python<'_>) -> PyResult<Arc<World>> {
        let client = self.client()?;
        let mut waiting = Waiting::of(self, idle::deadline(py)?);
        let started = client.conversation(&mut waiting).map(drop);
        if let Err(error) = started {
            return Err(self.error(error, waiting, None));
        }
        let Some(world) = self.world.load_full() else {
            return Err(errors::replaced(&self.label, client.generation()));
        };
        Ok(world)
    }

    /// What to raise for an error of the client.
    #[cold]
    pub(crate) fn error(
        &self,
        error: ClientError,
        waiting: Waiting<'_>,
        export: Option<&str>,
    ) -> PyErr {
        if let Some(failure) = self.take_failure() {
            return failure;
        }
        match (error, waiting.reason) {
            (_, Some(idle::Reason::Signal(signal))) => signal,
            (_, Some(idle::Reason::Deadline(after))) => {
                let error = errors::call_timeout(&self.label, export, after);
                Python::attach(|py| self.annotate(py, &error));
                error
            }
            (ClientError::HostDied(report), None) => {
                self.bury(&report);
                self.crashed(&report)
            }
            (ClientError::GivenUp(report), None) => self.crashed(&report),
            (error, None) => errors::client(&self.label, error),
        }
    }

    /// Leaves for [`Self::error`] in this thread what is to be raised.
    fn fail(&self, error: PyErr) {
        let former = locked(&self.failure).replace((thread::current().id(), error));
        drop(former);
    }

    fn take_failure(&self) -> Option<PyErr> {
        let mut failure = locked(&self.failure);
        let own = failure
            .as_ref()
            .is_some_and(|failure| failure.0 == thread::current().id());
        let taken = if own { failure.take() } else { None };
        drop(failure);
        taken.map(|failure| failure.1)
    }

    /// Adds to what the addon threw that its sandbox may be the reason.
    #[cold]
    pub(crate) fn annotate(&self, py: Python<'_>, error: &PyErr) {
        if let Some(sandbox) = &self.sandbox {
            let bounds = self.client.get().and_then(Client::bounds);
            let advice: Vec<_> = Limit::ALL
                .into_iter()
                .filter_map(|limit| Some((limit.option(), limit.advice(bounds.as_ref()?)?)))
                .collect();
            // An error without the note is as good.
            let _ = py
                .import("napi_python._hints")
                .and_then(|module| module.getattr("annotate"))
                .and_then(|annotate| {
                    let denials = self.denials.kept(py);
                    call(&annotate, (error.value(py), sandbox, advice, denials))
                });
        }
    }

    /// Keeps what a frame says that the sandbox denied.
    #[cold]
    pub(crate) fn denied(&self, py: Python<'_>, denials: &[Denial]) {
        if let Some(sandbox) = &self.sandbox
            && let Err(error) = self.denials.add(py, sandbox, denials)
        {
            unraisable(py, error);
        }
    }

    /// Warns of what was denied and what no exception told.
    #[cold]
    pub(crate) fn warn_of_denials(
        &self,
        py: Python<'_>,
        export: Option<&str>,
        is_end: bool,
    ) -> PyResult<()> {
        let place = match export {
            Some(export) => format!("{}.{export}", self.label),
            None => self.label.to_string(),
        };
        self.denials.warn(py, &place, is_end)
    }

    // The process.

    /// The process id, None while no process runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let client = self.client.get()?;
        if client.is_dead() || self.closed.load(Ordering::Acquire) {
            return None;
        }
        client.pid()
    }

    /// The generation that was started last.
    pub(crate) fn generation(&self) -> u32 {
        self.client.get().map_or(0, Client::generation)
    }

    /// What the host counts, and what this side counts.
    pub(crate) fn stats<'py>(self: &Arc<Self>, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats: HostStats = self.request(
            py,
            Ask::of(CallKind::Stats),
            |_| Ok(()),
            |decoder| message::read(&mut decoder.reader).map_err(errors::protocol),
        )?;
        let result = PyDict::new(py);
        result.set_item("lent", stats.lent)?;
        result.set_item("received", stats.received)?;
        result.set_item("calls", stats.calls)?;
        result.set_item("callbacks", stats.callbacks)?;
        result.set_item("queued_events", stats.queued_events)?;
        result.set_item("engine_bytes", stats.engine_bytes)?;
        result.set_item("engine_objects", stats.engine_objects)?;
        if let Some(world) = self.world.load_full() {
            let (lent, proxies) = world.counts();
            result.set_item("python_objects_lent", lent)?;
            result.set_item("proxies", proxies)?;
        }
        result.set_item("output_dropped", self.owner.dropped())?;
        let denied = match self.denials.kept(py) {
            Some(kept) => call(&kept.getattr("listed")?, ())?,
            None => PyList::empty(py).into_any(),
        };
        result.set_item("denied", denied)?;
        result.set_item("generation", self.generation())?;
        result.set_item("pid", self.pid())?;
        Ok(result)
    }

    /// Has the host collect garbage and run finalizers.
    pub(crate) fn collect(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.request(py, Ask::of(CallKind::Collect), |_| Ok(()), |_| Ok(()))
    }

    /// Ends the process and starts a fresh one.
    pub(crate) fn restart(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let client = self.client()?;
        if let Some(report) = py.detach(|| client.restart()) {
            self.bury(&report);
        }
        self.start(py).map(drop)
    }

    /// Ends the process for good.
    pub(crate) fn close(&self, py: Python<'_>) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(client) = self.client.get() {
            let (grace, words) = if client.is_to_report() {
                (REPORT_GRACE, REPORT_GRACE)
            } else {
                (GRACE, output::LAST_WORDS)
            };
            py.detach(|| client.close(grace).wait());
            output::drain(py, words);
        }
        for world in self.worlds() {
            self.end_world(&world, End::Closed);
        }
        self.owner.stop();
    }

    /// `load_addon` returns the addon: from now on there may be a next call.
    pub(crate) fn set_opened(&self) {
        self.opened.store(true, Ordering::Release);
    }

    /// Whether `load_addon` has returned.
    pub(super) fn is_opened(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// Whether it was closed for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// In a forked child: the parent's host is not ours, the next call starts one.
    pub(crate) fn forked(&self) {
        self.owner.forked();
        self.leave_worlds();
    }
}

/// All sessions that may have a host.
static SESSIONS: Mutex<Vec<Weak<Session>>> = Mutex::new(Vec::new());

/// Remembers a session, to be closed when the interpreter ends.
pub(crate) fn register(session: &Arc<Session>) {
    let mut sessions = locked(&SESSIONS);
    sessions.retain(|known| known.strong_count() > 0);
    sessions.push(Arc::downgrade(session));
}

/// The interpreter ends: all processes are told at once, so that they share one grace, and waited
/// for until `end` at most.
pub(crate) fn close_all(py: Python<'_>, end: Instant) {
    let mut sessions = registered();
    sessions.retain(|session| !session.closed.swap(true, Ordering::AcqRel));
    let closing: Vec<_> = sessions
        .iter()
        .filter_map(|session| session.client.get())
        .map(|client| client.close(GRACE))
        .collect();
    py.detach(|| closing.into_iter().for_each(|one| one.wait_until(end)));
    for session in sessions {
        for world in session.worlds() {
            // Promises stay as they are: Python ends, and their loops with it.
            LentObject::release_all(py, world.die());
        }
        session.owner.stop();
    }
}

/// The sessions there are.
pub(crate) fn registered() -> Vec<Arc<Session>> {
    locked(&SESSIONS).iter().filter_map(Weak::upgrade).collect()
}

impl Drop for Session {
    /// The last proxy is gone. The host is closed by a thread of its own: this runs wherever
    /// Python drops an object.
    fn drop(&mut self) {
        self.owner.stop();
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(client) = self.client.take() {
            // Without a thread the host ends with this process.
            let _ = quiet::start("napi-python-close", move || client.close(GRACE).wait());
        }
    }
}

/// How long a host may take to end: what is running, then the cleanup hooks, which the host itself
/// gives a second.
pub(crate) const GRACE: Duration = Duration::from_millis(1500);
/// The same in debug mode and for a diagnosis: to find the names of functions takes seconds on a
/// busy machine, and a host that is killed reports nothing.
const REPORT_GRACE: Duration = Duration::from_secs(30);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}
