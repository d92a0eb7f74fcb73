//! Reports a call that waits behind another thread's callback, once and with both stacks: the
//! callback may itself wait for that call, which would be a deadlock. `wait` checks it while it waits.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use hostd_client::lock;
use pyo3::prelude::*;

use crate::call::{call, unraisable};
use crate::config::AddonConfig;
use crate::fallible;

/// A call that has waited this long behind the same callback is reported.
const BLOCKED_REPORT_AFTER: Duration = Duration::from_secs(1);

/// The callback that a thread runs, readable by other threads.
#[derive(Default)]
struct ThreadCallback {
    /// The thread's `threading.get_ident()`.
    thread: u64,
    /// The address of the config of the addon whose callback the thread runs; zero for none.
    addon: AtomicUsize,
    /// Counts the callbacks of the thread.
    count: AtomicU64,
}

static THREADS: Mutex<Vec<Weak<ThreadCallback>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: RefCell<Option<Arc<ThreadCallback>>> = const { RefCell::new(None) };
}

fn address(config: &AddonConfig) -> usize {
    std::ptr::from_ref(config) as usize
}

/// While it lives, this thread runs a callback of the addon.
pub(crate) struct InCallback {
    outer: usize,
}

impl InCallback {
    #[inline]
    pub(crate) fn enter(py: Python<'_>, config: &AddonConfig) -> Self {
        OWN.with_borrow_mut(|own| {
            let own = own.get_or_insert_with(|| register(py));
            own.count
                .store(own.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            // Only this thread writes it.
            let outer = own.addon.load(Ordering::Relaxed);
            own.addon.store(address(config), Ordering::Release);
            Self { outer }
        })
    }
}

impl Drop for InCallback {
    #[inline]
    fn drop(&mut self) {
        OWN.with_borrow(|own| {
            if let Some(own) = own {
                own.addon.store(self.outer, Ordering::Release);
            }
        });
    }
}

#[cold]
fn register(py: Python<'_>) -> Arc<ThreadCallback> {
    let thread = fallible::import(py, "threading", "get_ident")
        .and_then(|get_ident| get_ident.call0()?.extract())
        .unwrap_or_default();
    let own = Arc::new(ThreadCallback {
        thread,
        ..ThreadCallback::default()
    });
    let mut threads = lock(&THREADS);
    threads.retain(|thread| thread.strong_count() > 0);
    threads.push(Arc::downgrade(&own));
    own
}

/// The other threads that run a callback of the addon, each with the count of its callbacks.
fn in_callbacks(config: &AddonConfig) -> Vec<(u64, u64)> {
    let own = OWN.with_borrow(|own| own.as_ref().map(|own| own.thread));
    // In a forked child a thread of the parent may have left it locked.
    let Ok(threads) = THREADS.try_lock() else {
        return Vec::new();
    };
    threads
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|thread| thread.addon.load(Ordering::Acquire) == address(config))
        .filter(|thread| Some(thread.thread) != own)
        .map(|thread| (thread.thread, thread.count.load(Ordering::Relaxed)))
        .collect()
}

pub(crate) struct BlockedCallDetector<'a> {
    config: &'a AddonConfig,
    /// The callbacks that ran at the first check and still run, and when that was.
    behind: Option<(Vec<(u64, u64)>, Instant)>,
    is_reported: bool,
}

impl<'a> BlockedCallDetector<'a> {
    pub(crate) const fn new(config: &'a AddonConfig) -> Self {
        Self {
            config,
            behind: None,
            is_reported: false,
        }
    }

    /// Checks whether the call waits behind a callback, and reports it when that has taken
    /// [`BLOCKED_REPORT_AFTER`].
    pub(crate) fn check(&mut self, py: Python<'_>) {
        if self.is_reported || self.config.nested_threads {
            return;
        }
        let now = in_callbacks(self.config);
        match &mut self.behind {
            Some((seen, since)) => {
                seen.retain(|callback| now.contains(callback));
                if seen.is_empty() {
                    self.behind = None;
                } else if since.elapsed() >= BLOCKED_REPORT_AFTER {
                    self.is_reported = true;
                    let threads: Vec<u64> = seen.iter().map(|callback| callback.0).collect();
                    let queued = fallible::import(py, "napi_python._output", "queued");
                    let reported =
                        queued.and_then(|queued| call(&queued, (&*self.config.label, threads)));
                    if let Err(error) = reported {
                        unraisable(py, error);
                    }
                }
            }
            None if !now.is_empty() => self.behind = Some((now, Instant::now())),
            None => {}
        }
    }
}
