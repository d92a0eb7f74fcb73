//! Pools over a fork: the child gets an entry in the tables, and references, of its own.

use std::process;
use std::sync::Arc;
use std::time::Duration;

use super::error::PoolError;
use super::lock;
use super::shared::{Prepared, SharedPool, pools};

/// How long a fork waits for the lock of the tables.
const FORK_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

impl SharedPool {
    /// Before a fork: registers the child with the references of this process, under an opened file that
    /// only the child keeps.
    fn prepare(&self) -> Result<Prepared, PoolError> {
        // The kernel releases it if the fork fails.
        let control = lock::reopen(&self.control.load())?;
        let entry = self.locked(FORK_LOCK_TIMEOUT, |tables| {
            let entry = tables.register(&control, process::id())?;
            tables.copy_references(entry)?;
            Ok(entry)
        })?;
        Ok(Prepared {
            control: Arc::new(control),
            entry,
        })
    }

    /// In a forked child: takes over what was prepared. Without that the pool is of no use to the child.
    fn adopt(&self) {
        let Some(prepared) = self.prepared.swap(None) else {
            return;
        };
        self.control.store(Arc::clone(&prepared.control));
        self.member.set(prepared.entry);
        // If the tables stay locked, the child is shown with the number of its parent.
        let _ = self.locked(FORK_LOCK_TIMEOUT, |tables| {
            Ok(tables.set_pid(prepared.entry, process::id())?)
        });
    }
}

/// Before a fork: prepares all pools for the child.
pub fn pools_before_fork() {
    for pool in pools() {
        let prepared = pool.prepare().ok().map(Arc::new);
        pool.prepared.store(prepared);
    }
}

/// In the parent, after a fork or a failed one.
pub fn pools_after_fork_in_parent() {
    for pool in pools() {
        pool.prepared.store(None);
    }
}

/// In a forked child.
pub fn pools_after_fork_in_child() {
    for pool in pools() {
        pool.adopt();
    }
}
