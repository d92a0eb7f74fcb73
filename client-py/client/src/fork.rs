//! The fork epoch: tells a forked child from the process that started a host.

use std::sync::atomic::{AtomicU32, Ordering};

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
