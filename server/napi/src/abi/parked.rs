//! Several hosts on one thread, one at a time: a host is taken off the thread while another one runs
//! there.

use hostd_engine::ParkedEngine;

use crate::host;

/// The host that is off the thread while another one runs there, with its engine; none at first.
#[derive(Debug, Default)]
pub struct ParkedHost {
    host: host::ThreadHost,
    engine: ParkedEngine,
}

impl ParkedHost {
    /// Takes the host of this thread off it, and puts the one that was parked here in its place.
    ///
    /// # Safety
    ///
    /// A10, and E18 of `hostd-engine`: what is parked here was taken off this thread, and is not dropped
    /// while it is off.
    pub unsafe fn swap(&mut self) {
        host::swap_thread_host(&mut self.host);
        // SAFETY: the caller keeps the condition.
        unsafe { self.engine.swap() };
    }
}
