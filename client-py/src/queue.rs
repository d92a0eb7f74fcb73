//! Calls that wait behind another thread's callback: reported once, with both stacks, since what
//! such a callback waits for may be that very call.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::call::{call, unraisable};
use crate::session::Session;

/// A call that has waited this long behind one and the same callback is reported.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a thread is doing, for others to see.
#[derive(Debug, Default)]
struct Place {
    /// The thread, as Python calls it.
    thread: u64,
    /// The session whose callback it runs, by address; zero for none.
    session: AtomicUsize,
    /// Counts its callbacks.
    count: AtomicU64,
}

static PLACES: Mutex<Vec<Weak<Place>>> = Mutex::new(Vec::new());

thread_local! {
    static PLACE: RefCell<Option<Arc<Place>>> = const { RefCell::new(None) };
}

fn address(session: &Session) -> usize {
    std::ptr::from_ref(session) as usize
}

/// While it lives, this thread runs a callback of the session.
#[derive(Debug)]
pub(crate) struct InCallback {
    outer: usize,
}

impl InCallback {
    #[inline]
    pub(crate) fn enter(py: Python<'_>, session: &Session) -> Self {
        PLACE.with_borrow_mut(|place| {
            let place = place.get_or_insert_with(|| register(py));
            place
                .count
                .store(place.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            // Nobody else writes it.
            let outer = place.session.load(Ordering::Relaxed);
            place.session.store(address(session), Ordering::Release);
            Self { outer }
        })
    }
}

impl Drop for InCallback {
    #[inline]
    fn drop(&mut self) {
        PLACE.with_borrow(|place| {
            if let Some(place) = place {
                place.session.store(self.outer, Ordering::Release);
            }
        });
    }
}

#[cold]
fn register(py: Python<'_>) -> Arc<Place> {
    // Python has a number for every thread that runs it.
    let thread = py
        .import("threading")
        .and_then(|threading| threading.call_method0("get_ident"))
        .and_then(|ident| ident.extract())
        .unwrap_or_default();
    let place = Arc::new(Place {
        thread,
        ..Place::default()
    });
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.retain(|place| place.strong_count() > 0);
    places.push(Arc::downgrade(&place));
    place
}

/// The other threads that run a callback of the session, and which of their callbacks it is.
fn in_callbacks(session: &Session) -> Vec<(u64, u64)> {
    let own = PLACE.with_borrow(|place| place.as_ref().map(|place| place.thread));
    // A forked child may find it locked for good.
    let Ok(places) = PLACES.try_lock() else {
        return Vec::new();
    };
    places
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|place| place.session.load(Ordering::Acquire) == address(session))
        .filter(|place| Some(place.thread) != own)
        .map(|place| (place.thread, place.count.load(Ordering::Relaxed)))
        .collect()
}

/// One call that waits for a session.
#[derive(Debug)]
pub(crate) struct Queue<'a> {
    session: &'a Session,
    /// The callbacks that were seen first, and when.
    behind: Option<(Vec<(u64, u64)>, Instant)>,
    told: bool,
}

impl<'a> Queue<'a> {
    pub(crate) const fn new(session: &'a Session) -> Self {
        Self {
            session,
            behind: None,
            told: false,
        }
    }

    /// Looks whether the call waits behind a callback, and for how long already.
    pub(crate) fn look(&mut self, py: Python<'_>) {
        if self.told || self.session.nested_threads {
            return;
        }
        let now = in_callbacks(self.session);
        match &mut self.behind {
            Some((seen, since)) => {
                seen.retain(|callback| now.contains(callback));
                if seen.is_empty() {
                    self.behind = None;
                } else if since.elapsed() >= PATIENCE {
                    self.told = true;
                    let threads: Vec<u64> = seen.iter().map(|callback| callback.0).collect();
                    let told = py.import("napi_python._output").and_then(|output| {
                        call(&output.getattr("queued")?, (&*self.session.label, threads))
                    });
                    if let Err(error) = told {
                        unraisable(py, error);
                    }
                }
            }
            None if !now.is_empty() => self.behind = Some((now, Instant::now())),
            None => {}
        }
    }
}
