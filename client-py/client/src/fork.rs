//! What a forked child must know: that it is not the process that started a host, and that no thread
//! exists there which could release a lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwapOption;

use crate::lock;

/// How many forks lie between the program's first process and this one.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// The fork epoch of this process.
#[inline]
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Begins a new epoch, in a forked child.
pub(crate) fn advance() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

/// State of the process behind a lock. A forked child begins with a new one, since a thread that does
/// not exist there may hold the lock for ever.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(ArcSwapOption<Mutex<T>>);

impl<T: Default + 'static> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(ArcSwapOption::const_empty())
    }

    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        let state = self.0.load_full().unwrap_or_else(|| {
            let none = None::<Arc<Mutex<T>>>;
            let new = Arc::default();
            let before = self.0.compare_and_swap(&none, Some(Arc::clone(&new)));
            before.as_ref().map_or(new, Arc::clone)
        });
        body(&mut lock(&state))
    }

    /// Begins anew, in a forked child. Returns the state of the parent; none if that was locked. It is
    /// never dropped: what it owns belongs to the parent, and it may be half-changed.
    pub(crate) fn forked(&self) -> Option<MutexGuard<'static, T>> {
        let parent: &'static _ = Box::leak(Box::new(self.0.swap(None)?));
        parent.try_lock().ok()
    }
}
