//! What a forked child must not touch: hosts and conversations of its parent.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, Weak};

use crate::session::Session;

/// How often this process's image was forked on the way to it.
static EPOCH: AtomicU32 = AtomicU32::new(0);

static SESSIONS: Mutex<Vec<Weak<Session>>> = Mutex::new(Vec::new());

/// The number of this process in its line of forked processes.
#[inline]
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Notes a session whose memory a forked child does not inherit.
pub(crate) fn register(session: Weak<Session>) {
    let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.retain(|session| session.strong_count() > 0);
    sessions.push(session);
}

/// To be called in a forked child before anything else of this crate: its clients then behave as
/// if they had not been started, and conversations of the parent write nothing.
pub fn forked() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    // The lock may be held by a thread that does not exist here.
    if let Ok(mut sessions) = SESSIONS.try_lock() {
        for session in std::mem::take(&mut *sessions) {
            if let Some(session) = session.upgrade() {
                session.detach_forked();
            }
        }
    }
}
