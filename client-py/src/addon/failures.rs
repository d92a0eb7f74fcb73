//! Errors of an addon whose wording depends on its state: stale objects, crashes, failed starts, and
//! the note that the sandbox may be the reason.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use hostd_client::{Client, ExitReport, SandboxLimit, lock};
use hostd_protocol::frame::Denial;
use pyo3::prelude::*;

use super::LoadedAddon;
use crate::call::{call, unraisable};
use crate::errors::{self, After};
use crate::generation::{End, HostGeneration};
use crate::names::Names;

/// The most time to wait for the exit report of a process that has ended.
const EXIT_REPORT_TIMEOUT: Duration = Duration::from_secs(5);

impl LoadedAddon {
    /// The error for the use of an object of `home` after its end, while `current` is the generation
    /// that was started last. Its cause is the crash of that process, if it crashed.
    #[cold]
    pub(crate) fn stale(&self, home: &HostGeneration, current: u32) -> PyErr {
        let error = errors::stale("this object", home.number.0, current, self.after_crash());
        Python::attach(|py| {
            let end = py.detach(|| home.wait_for_end(EXIT_REPORT_TIMEOUT));
            if let Some(End::Died(report)) = end {
                error.set_cause(py, Some(self.crashed(report)));
            }
        });
        error
    }

    /// The error for a message of this generation's process that can't be read any more, because the
    /// objects in it were dropped when the process ended.
    #[cold]
    pub(crate) fn ended(&self, generation: &HostGeneration) -> PyErr {
        match generation.end() {
            Some(End::Died(report)) => self.crashed(report),
            Some(End::Closed) => errors::closed(self.label()),
            Some(End::Forked) => errors::forked(self.label()),
            None => {
                let (own, current) = (generation.number.0, self.generation());
                errors::stale("this answer", own, current, self.after_crash())
            }
        }
    }

    /// The error for a process that died, with a note if its sandbox may be the reason.
    #[cold]
    pub(crate) fn crashed(&self, report: &ExitReport) -> PyErr {
        // A process that has no tables died before it had loaded the addon.
        let loading = self
            .current()
            .is_none_or(|generation| generation.number.0 < report.generation);
        let error = errors::crashed(self.label(), report, self.after_crash(), loading);
        Python::attach(|py| self.annotate(py, &error));
        error
    }

    /// What the next call does after a crash.
    fn after_crash(&self) -> After<'_> {
        if !self.opened.load(Ordering::Acquire) {
            After::NoAddon
        } else if self.is_closed() {
            After::Closed
        } else if self.client.get().is_some_and(Client::has_given_up) {
            After::NoStart(&self.config.policy)
        } else {
            After::Start
        }
    }

    /// Stores the error that a start in this thread is to raise.
    pub(crate) fn fail(&self, error: PyErr) {
        let former = lock(&self.failure).replace((thread::current().id(), error));
        drop(former);
    }

    /// Takes what [`Self::fail`] stored in this thread.
    pub(crate) fn take_failure(&self) -> Option<PyErr> {
        let own = thread::current().id();
        let taken = lock(&self.failure).take_if(|failure| failure.0 == own);
        taken.map(|failure| failure.1)
    }

    /// Adds the note to an error that the sandbox may be the reason.
    #[cold]
    pub(crate) fn annotate(&self, py: Python<'_>, error: &PyErr) {
        if let Some(confined) = &self.config.sandbox {
            let bounds = self.client.get().and_then(Client::bounds);
            let advice: Vec<_> = SandboxLimit::ALL
                .into_iter()
                .filter_map(|limit| Some((limit.option(), limit.advice(bounds.as_ref()?)?)))
                .collect();
            // An error while the note is made leaves the error without a note.
            let _ = Names::get(py).and_then(|names| {
                let denials = self.denials.kept(py);
                call(
                    names.annotate.bind(py),
                    (error.value(py), confined, advice, denials),
                )
            });
        }
    }

    /// Stores the denials of the sandbox that a frame reports.
    #[cold]
    pub(crate) fn denied(&self, py: Python<'_>, denials: &[Denial]) {
        if let Some(confined) = &self.config.sandbox
            && let Err(error) = self.denials.add(py, confined, denials)
        {
            unraisable(py, error);
        }
    }

    /// Warns of denials that no exception has reported.
    #[cold]
    pub(crate) fn warn_of_denials(
        &self,
        py: Python<'_>,
        export: Option<&str>,
        is_end: bool,
    ) -> PyResult<()> {
        let place = match export {
            Some(export) => format!("{}.{export}", self.label()),
            None => self.label().to_string(),
        };
        self.denials.warn(py, &place, is_end)
    }
}
