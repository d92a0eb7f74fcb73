//! How the generations of an addon begin and end, and what an error of the client means for them.

use std::sync::{Arc, Weak};

use hostd_client::{ClientError, ExitReport, Kill, lock};
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::errors;
use crate::generation::{End, HostGeneration, LentObject};
use crate::proxy::Promise;
use crate::proxy::promise::Outcome;
use crate::wait::{CallWait, WaitEnd};

impl LoadedAddon {
    /// The error to raise for an error of the client.
    #[cold]
    pub(crate) fn client_error(
        &self,
        error: ClientError,
        wait: CallWait<'_>,
        export: Option<&str>,
    ) -> PyErr {
        if let Some(failure) = self.take_failure() {
            return failure;
        }
        match (error, wait.ended_by) {
            (_, Some(WaitEnd::Signal(signal))) => signal,
            (_, Some(WaitEnd::Deadline(after))) => {
                let error = errors::call_timeout(self.label(), export, after);
                Python::attach(|py| self.annotate(py, &error));
                error
            }
            (ClientError::HostDied(report), None) => {
                self.finalize_generation(&report);
                self.crashed(&report)
            }
            (ClientError::GivenUp(report), None) => self.crashed(&report),
            (error, None) => errors::client(self.label(), error),
        }
    }

    /// After an error: kills the host of this generation, and no later one, if it violated the
    /// protocol.
    #[cold]
    pub(crate) fn end_if_broken(&self, generation: &HostGeneration) {
        if errors::take_breach()
            && let Ok(client) = self.client()
        {
            client.kill(
                generation.number,
                Kill::ProtocolViolation("protocol violation by the host".to_owned()),
            );
            drop(generation.mark_dead());
        }
    }

    /// A process has ended, whether or not another one runs: rejects its pending promises and drops
    /// what was lent to it.
    pub(crate) fn finalize_generation(&self, report: &ExitReport) {
        let mut last = lock(&self.last_end);
        if last
            .as_ref()
            .is_none_or(|last| last.generation < report.generation)
        {
            *last = Some(report.clone());
        }
        drop(last);
        for generation in self.live_generations() {
            if generation.number.0 == report.generation {
                self.end_generation(&generation, End::Died(Box::new(report.clone())));
            }
        }
    }

    pub(crate) fn end_generation(&self, generation: &HostGeneration, end: End) {
        Python::attach(|py| {
            let lent = generation.finalize(end);
            generation.for_proxies(py, |proxy| {
                let Ok(promise) = proxy.cast_into::<Promise>() else {
                    return;
                };
                if promise.get().is_pending() {
                    let error = self.ended(generation);
                    Promise::settle(&promise, Outcome::rejected(py, error));
                }
            });
            LentObject::release_all(py, lent);
        });
    }

    /// The generations that have proxies, and the current one.
    pub(crate) fn live_generations(&self) -> Vec<Arc<HostGeneration>> {
        lock(&self.generations)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// In a forked child: the parent's hosts are of no use. These copies of what was lent to them are
    /// dropped.
    pub(crate) fn leave_generations(&self) {
        let current = self.current.swap(None);
        let all = self.generations.try_lock().map(|all| {
            let all = all.iter().filter_map(Weak::upgrade);
            all.collect::<Vec<_>>()
        });
        // If a thread of the parent has locked the list, it stays locked.
        let generations = all.unwrap_or_else(|_| current.iter().map(Arc::clone).collect());
        for generation in generations {
            self.end_generation(&generation, End::Forked);
        }
    }

    /// Makes a generation the current one.
    pub(crate) fn enter_generation(&self, generation: Arc<HostGeneration>) {
        let mut generations = lock(&self.generations);
        generations.retain(|generation| generation.strong_count() > 0);
        generations.push(Arc::downgrade(&generation));
        drop(generations);
        let last = lock(&self.last_end).clone();
        if let Some(report) = last.filter(|last| last.generation == generation.number.0) {
            self.end_generation(&generation, End::Died(Box::new(report)));
        }
        self.current.store(Some(generation));
    }
}
