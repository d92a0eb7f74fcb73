//! The worlds of an addon, one for each generation of its host, and how they end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hostd_client::{Client, ExitReport};
use pyo3::prelude::*;

use super::{Session, locked};
use crate::errors::{self, After};
use crate::proxy::promise::Outcome;
use crate::world::{End, LentObject, World};

/// Longer than it takes to hear how a process ended.
const TO_HEAR: Duration = Duration::from_secs(5);

impl Session {
    /// What to raise where an object of this world is used after its end, while `current` is the
    /// generation that was started last: the reason for it is what the process died of.
    #[cold]
    pub(crate) fn stale(&self, home: &World, current: u32) -> PyErr {
        let error = errors::stale(
            "this object",
            home.generation.0,
            current,
            self.after_crash(),
        );
        Python::attach(|py| {
            let end = py.detach(|| home.wait_for_end(TO_HEAR));
            if let Some(End::Died(report)) = end {
                error.set_cause(py, Some(self.crashed(report)));
            }
        });
        error
    }

    /// What to raise where a message of this world's process can't be read any more, because what
    /// it speaks of was dropped when the process ended.
    #[cold]
    pub(crate) fn ended(&self, world: &World) -> PyErr {
        match world.end() {
            Some(End::Died(report)) => self.crashed(report),
            Some(End::Closed) => errors::closed(&self.label),
            Some(End::Forked) => errors::forked(&self.label),
            None => {
                let (own, current) = (world.generation.0, self.generation());
                errors::stale("this answer", own, current, self.after_crash())
            }
        }
    }

    /// What to raise for a process that died, with what its sandbox may have to do with that.
    #[cold]
    pub(super) fn crashed(&self, report: &ExitReport) -> PyErr {
        // A process whose exports were never read died before it had loaded the addon.
        let loading = self
            .world()
            .is_none_or(|world| world.generation.0 < report.generation);
        let error = errors::crashed(&self.label, report, self.after_crash(), loading);
        Python::attach(|py| self.annotate(py, &error));
        error
    }

    /// What the next call does now that a process has died.
    fn after_crash(&self) -> After<'_> {
        if !self.is_opened() {
            After::NoAddon
        } else if self.is_closed() {
            After::Closed
        } else if self.client.get().is_some_and(Client::has_given_up) {
            After::NoStart(&self.policy)
        } else {
            After::Start
        }
    }

    /// A process is gone, whether or not another runs meanwhile: pending promises fail, what was
    /// lent to it is dropped.
    pub(crate) fn bury(&self, report: &ExitReport) {
        let mut last = locked(&self.last_end);
        if last
            .as_ref()
            .is_none_or(|last| last.generation < report.generation)
        {
            *last = Some(report.clone());
        }
        drop(last);
        for world in self.worlds() {
            if world.generation.0 == report.generation {
                self.end_world(&world, End::Died(Box::new(report.clone())));
            }
        }
    }

    pub(super) fn end_world(&self, world: &World, end: End) {
        Python::attach(|py| {
            let lent = world.die_of(end);
            for promise in world.promises(py) {
                let error = self.ended(world);
                promise.get().settle(py, Outcome::rejected(py, error));
            }
            // Whatever runs then, nobody waits for it.
            LentObject::release_all(py, lent);
        });
    }

    /// The worlds that somebody holds, the one that was made last among them.
    pub(super) fn worlds(&self) -> Vec<Arc<World>> {
        locked(&self.worlds)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// In a forked child: what belongs to the parent's hosts is of no use here. What was lent to
    /// them is the parent's; these copies are dropped.
    pub(super) fn leave_worlds(&self) {
        let current = self.world.swap(None);
        let all = self.worlds.try_lock().map(|all| {
            let all = all.iter().filter_map(Weak::upgrade);
            all.collect::<Vec<_>>()
        });
        // If it is a thread of the parent's that has the list locked, that lasts for ever.
        let worlds = all.unwrap_or_else(|_| current.iter().map(Arc::clone).collect());
        for world in worlds {
            self.end_world(&world, End::Forked);
        }
    }

    pub(super) fn enter_world(&self, world: Arc<World>) {
        let mut worlds = locked(&self.worlds);
        worlds.retain(|world| world.strong_count() > 0);
        worlds.push(Arc::downgrade(&world));
        drop(worlds);
        let generation = world.generation;
        let last = locked(&self.last_end).clone();
        if let Some(report) = last.filter(|last| last.generation == generation.0) {
            self.end_world(&world, End::Died(Box::new(report)));
        }
        self.world.store(Some(world));
        self.owner.start();
        self.owner.world_is_there(generation);
    }
}
