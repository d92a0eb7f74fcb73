//! Restarts and closes addons, at the end of the interpreter and in a forked child too.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use hostd_client::{ClientError, lock};
use hostd_protocol::calls;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::addon::{LoadedAddon, SHUTDOWN_GRACE};
use crate::call::call;
use crate::errors;
use crate::exchange::Request;
use crate::fallible::{self, Facts};
use crate::generation::{End, LentObject};
use crate::output;
use crate::profiles;

/// [`SHUTDOWN_GRACE`] in debug mode and for a diagnosis: to look up function names takes seconds on a
/// busy machine, and a killed host reports nothing.
const REPORT_GRACE: Duration = Duration::from_secs(30);

/// All addons that may have a host.
static ADDONS: Mutex<Vec<Weak<LoadedAddon>>> = Mutex::new(Vec::new());

impl LoadedAddon {
    /// The counters of the host, and those of this side.
    pub(crate) fn stats<'py>(self: &Arc<Self>, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.request(py, calls::Stats, Request::to(None), &())?;
        let result = Facts::new(py)?;
        result.set("lent", stats.lent)?;
        result.set("received", stats.received)?;
        result.set("calls", stats.calls)?;
        result.set("callbacks", stats.callbacks)?;
        result.set("queued_events", stats.queued_events)?;
        result.set("engine_bytes", stats.engine_bytes)?;
        result.set("engine_objects", stats.engine_objects)?;
        if let Some(generation) = self.current() {
            let (lent, proxies) = generation.counts();
            result.set("python_objects_lent", lent)?;
            result.set("proxies", proxies)?;
            if let Some(memory) = generation.memory() {
                let arguments = memory.usage();
                let shared = Facts::new(py)?;
                shared.set("limit", arguments.limit as u64)?;
                shared.set("arguments", arguments.allocated as u64)?;
                shared.set("results", stats.shared_bytes)?;
                let retained = arguments.retained as u64;
                shared.set("retained", retained.saturating_add(stats.retained_bytes))?;
                result.set("shared", shared.0.into_any())?;
            }
        }
        let dropped = self.background.dropped.load(Ordering::Relaxed);
        result.set("output_dropped", dropped)?;
        let denied = match self.denials.kept(py) {
            Some(kept) => call(&kept.getattr(intern!(py, "listed"))?, ())?,
            None => fallible::list(py)?.into_any(),
        };
        result.set("denied", denied)?;
        result.set("generation", self.generation())?;
        result.set("pid", self.pid())?;
        Ok(result.0)
    }

    /// What was measured for a profile, of this side and of the host that runs. Forgets it if `reset`.
    pub(crate) fn profile<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        reset: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        /// More than a host keeps spans for.
        const ANSWERS_MAX: usize = 64;
        let Some(profiler) = self.profiler.as_deref() else {
            return Err(errors::raised::<PyValueError>(format!(
                "{} has no profile: load it with profile=True",
                self.label()
            )));
        };
        // A host that has ended takes its figures along; none is started for them.
        if self.pid().is_some() {
            for _ in 0..ANSWERS_MAX {
                let request = Request::to(None);
                let left = self.request_and(py, calls::Profile, request, &(), |_, profile| {
                    profiler.add_host(profile).map_err(errors::violation)
                });
                match left {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if self.pid().is_some() => return Err(error),
                    Err(_) => break,
                }
            }
        }
        let result = profiles::facts(py, profiler)?;
        if reset {
            profiler.reset();
        }
        result.set("label", &**self.label())?;
        Ok(result.0)
    }

    /// Frees what is unreachable in the host, and memory that is kept for later buffers.
    pub(crate) fn collect(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.request(py, calls::Collect, Request::to(None), &())?;
        if let Some(generation) = self.current()
            && let Some(memory) = generation.memory()
        {
            memory.trim();
        }
        Ok(())
    }

    /// Ends the process and starts a new one.
    pub(crate) fn restart(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let client = self.client()?;
        self.check_thread()?;
        if let Some(report) = py.detach(|| client.restart()) {
            self.finalize_generation(&report);
        }
        self.start(py, client).map(drop)
    }

    /// Ends the process for good.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.is_closed() {
            self.check_thread()?;
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if let Some(client) = self.client.get() {
            let (grace, drain) = if client.is_to_report() {
                (REPORT_GRACE, REPORT_GRACE)
            } else {
                (SHUTDOWN_GRACE, output::DRAIN_TIMEOUT)
            };
            py.detach(|| client.close(grace).wait());
            output::drain(py, drain);
        }
        for generation in self.live_generations() {
            self.end_generation(&generation, End::Closed);
        }
        self.background.stop();
        Ok(())
    }

    /// Refuses another thread than that of the session, if that is one of the program.
    fn check_thread(&self) -> PyResult<()> {
        if self.background.is_owned_elsewhere() {
            return Err(errors::client(self.label(), ClientError::WrongThread));
        }
        Ok(())
    }
}

/// Registers an addon, which is closed when the interpreter ends.
pub(crate) fn register(addon: &Arc<LoadedAddon>) {
    let mut addons = lock(&ADDONS);
    addons.retain(|known| known.strong_count() > 0);
    addons.push(Arc::downgrade(addon));
}

pub(crate) fn registered() -> Vec<Arc<LoadedAddon>> {
    lock(&ADDONS).iter().filter_map(Weak::upgrade).collect()
}

/// The interpreter ends: closes all processes at once, so that they share one grace, and waits for
/// them until `end` at most.
pub(crate) fn close_all(py: Python<'_>, end: Instant) {
    let mut addons = registered();
    addons.retain(|addon| !addon.closed.swap(true, Ordering::AcqRel));
    let closing: Vec<_> = addons
        .iter()
        .filter_map(|addon| addon.client.get())
        .map(|client| client.close(SHUTDOWN_GRACE))
        .collect();
    py.detach(|| closing.into_iter().for_each(|one| one.wait_until(end)));
    for addon in addons {
        for generation in addon.live_generations() {
            // Pending promises stay as they are: the loops end with the interpreter.
            LentObject::release_all(py, generation.mark_dead());
        }
        addon.background.stop();
    }
}
