//! [`OwnedHost`], whose drop ends a host and frees all that it has.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::thread;

use hostd_engine::Engine;

use super::{CALLER, CURRENT, Host, HostState};
use crate::abi::owned::Owned;
use crate::env::cleanup;

/// Owns a host: its environments, its loop of libuv, and the engine.
///
/// Drop it after all that came from it (I-23): copies of [`Host`] and of the engine's `Runtime`,
/// values, keys. The drop [closes](Host::close) the host first. The thread can have another host
/// then. What belongs to the process stays: the threads of the pool, the range of addresses of
/// handles, the libraries of addons, and a threadsafe function's slot while threads hold it.
pub struct OwnedHost {
    host: Host,
    /// In the order in which they are freed.
    parts: Option<(Owned<HostState>, Engine)>,
}

impl OwnedHost {
    pub(super) fn new(state: Owned<HostState>, engine: Engine) -> Self {
        let host = Host { state: state.get() };
        CURRENT.set(Some(host.state));
        Self {
            host,
            parts: Some((state, engine)),
        }
    }

    /// Keeps the host for as long as the process lives, as where that ends soon.
    pub fn leak(mut self) -> Host {
        let _never_dropped = ManuallyDrop::new(self.parts.take());
        self.host
    }
}

impl Deref for OwnedHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for OwnedHost {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        let state = self.host.state;
        if !state.is_idle() || thread::panicking() {
            tracing::error!("a host that is in use is dropped: its memory is not freed");
            let _never_dropped = ManuallyDrop::new(parts);
            return;
        }
        self.host.close();
        // Handles that finalizers closed.
        state.finish_uv();
        for handle in state.async_hooks.take().into_keys() {
            cleanup::take_handle(handle);
        }
        CALLER.set(None);
        CURRENT.set(None);
        drop(parts);
    }
}

impl fmt::Debug for OwnedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}
