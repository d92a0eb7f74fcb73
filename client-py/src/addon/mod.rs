//! A loaded addon: its configuration, its client, and the generation of the host that runs. Requests
//! are in `exchange`, the load is in `load`, the end in `endings` and `lifecycle`.

mod failures;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::ThreadId;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hostd_client::{Client, ExitReport, lock};
use hostd_protocol::ids::SlotId;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::background::Background;
use crate::config::AddonConfig;
use crate::deadline::{self, Deadline};
use crate::denials::Denials;
use crate::errors;
use crate::generation::HostGeneration;
use crate::profile::Profiler;
use crate::threads;

/// The time that a host may take to end: the running call, then the cleanup hooks, for which the host
/// itself allows one second.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);

pub(crate) struct LoadedAddon {
    pub(crate) config: AddonConfig,
    /// The number of the addon in this process.
    pub(crate) number: u64,
    pub(crate) client: OnceLock<Client>,
    /// The tables of the host that was loaded last.
    pub(crate) current: ArcSwapOption<HostGeneration>,
    /// All that are alive, also those of replaced hosts: their promises are rejected at their end.
    pub(crate) generations: Mutex<Vec<Weak<HostGeneration>>>,
    /// The last exit that is known. A process can end while its answer to the load is read, before it
    /// has a generation.
    pub(crate) last_end: Mutex<Option<ExitReport>>,
    /// The exported functions and classes, in the order in which they were first seen: the name, and
    /// whether it is a class.
    pub(crate) exports: Mutex<Vec<(Arc<str>, bool)>>,
    /// The `Addon` object.
    pub(crate) object: OnceLock<Py<PyWeakrefReference>>,
    /// Why the last start failed, if Python code raised it, and in which thread.
    failure: Mutex<Option<(ThreadId, PyErr)>>,
    /// Whether `load_addon` has returned.
    opened: AtomicBool,
    pub(crate) closed: AtomicBool,
    pub(crate) denials: Denials,
    /// What is measured for a profile, if that is on.
    pub(crate) profiler: Option<Box<Profiler>>,
    pub(crate) background: Arc<Background>,
}

/// An exported function or class: bound again by name in each generation.
pub(crate) struct Export {
    pub(crate) addon: Arc<LoadedAddon>,
    pub(crate) number: usize,
    pub(crate) name: Arc<str>,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

impl LoadedAddon {
    /// An addon without a client.
    pub(crate) fn new(config: AddonConfig) -> Arc<Self> {
        let background = Arc::new(Background::new(config.unsolicited_cpu, config.owner));
        let profiler = config
            .profile
            .map(|every| Box::new(Profiler::calibrated(every)));
        Arc::new(Self {
            config,
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            client: OnceLock::new(),
            current: ArcSwapOption::empty(),
            generations: Mutex::default(),
            last_end: Mutex::default(),
            exports: Mutex::new(Vec::new()),
            object: OnceLock::new(),
            failure: Mutex::new(None),
            opened: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            denials: Denials::new(),
            profiler,
            background,
        })
    }

    #[inline]
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.config.label
    }

    pub(crate) fn client(&self) -> PyResult<&Client> {
        let client = self.client.get().filter(|_| !self.is_closed());
        client.ok_or_else(|| errors::closed(self.label()))
    }

    /// The `Addon` object, while it is alive.
    pub(crate) fn object<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.object.get()?.bind(py).upgrade()
    }

    // Generations.

    /// The tables of the host that was loaded last; it may be dead.
    pub(crate) fn current(&self) -> Option<Arc<HostGeneration>> {
        self.current.load_full()
    }

    /// Whether this generation's process is the one that runs.
    #[inline]
    pub(crate) fn is_current(&self, generation: &HostGeneration) -> bool {
        !generation.is_dead()
            && self
                .client
                .get()
                .is_some_and(|client| client.serves(generation.number))
    }

    /// The number of the generation that was started last.
    pub(crate) fn generation(&self) -> u32 {
        self.client.get().map_or(0, Client::generation)
    }

    /// A call has returned: the crash budget of [`hostd_client::RestartMode::Limited`] is full again.
    #[cold]
    pub(crate) fn prove(&self, generation: &HostGeneration) {
        if generation.take_unproven()
            && let Some(client) = self.client.get()
        {
            client.succeeded(generation.number);
        }
    }

    #[inline]
    pub(crate) fn exported_in(
        &self,
        generation: &HostGeneration,
        number: usize,
    ) -> PyResult<SlotId> {
        match generation.exported(number) {
            Some(id) => Ok(id),
            None => Err(self.export_gone(number)),
        }
    }

    #[cold]
    fn export_gone(&self, number: usize) -> PyErr {
        let exports = lock(&self.exports);
        let name = exports
            .get(number)
            .map_or_else(Arc::default, |export| Arc::clone(&export.0));
        drop(exports);
        errors::export_gone(&name, self.generation())
    }

    // Deadlines.

    /// The deadline of a call that begins now, by the addon's own timeout.
    #[inline]
    pub(crate) fn own_deadline(&self) -> Option<Deadline> {
        self.config.timeout.and_then(Deadline::after)
    }

    /// The deadline of a call that begins now, inside of one that has the deadline `outer`.
    #[inline]
    pub(crate) fn deadline(
        &self,
        py: Python<'_>,
        outer: Option<Deadline>,
    ) -> PyResult<Option<Deadline>> {
        let own = self.own_deadline();
        let open = deadline::of_blocks(py)?;
        Ok(deadline::nearer(deadline::nearer(own, open), outer))
    }

    // Its life.

    /// The process id, None while no process runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let client = self.client.get()?;
        let is_running = !client.is_dead() && !self.is_closed();
        is_running.then(|| client.pid())?
    }

    pub(crate) fn set_opened(&self) {
        self.opened.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Drop for LoadedAddon {
    /// The last proxy is gone. A thread closes the host, because this runs wherever Python drops an
    /// object.
    fn drop(&mut self) {
        self.background.stop();
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(client) = self.client.take() {
            if self.background.owner.is_some() {
                // On its thread it ends here; elsewhere when that thread loads another one, or at the end.
                client.close(SHUTDOWN_GRACE).finish_here();
                return;
            }
            // Without a thread the host ends with this process.
            let close = move || client.close(SHUTDOWN_GRACE).wait();
            let _ = threads::start("napi-python-close", close);
        }
    }
}
