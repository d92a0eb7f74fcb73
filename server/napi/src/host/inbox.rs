//! Events from any thread to the host's thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Something that a thread wants done on the host's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A threadsafe function has something to do or is to be closed.
    ThreadsafeFunction(usize),
}

/// The queue and the bell.
pub(crate) struct Inbox {
    events: Mutex<VecDeque<Event>>,
    filled: AtomicBool,
    ring: Arc<dyn Fn() + Send + Sync>,
}

impl Inbox {
    /// An empty queue with this bell.
    pub(crate) fn new(ring: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            events: Mutex::default(),
            filled: AtomicBool::new(false),
            ring,
        }
    }

    /// Adds an event; rings if the queue was empty.
    pub(crate) fn post(&self, event: Event) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
        if !self.filled.swap(true, Ordering::SeqCst) {
            (self.ring)();
        }
    }

    /// Rings without an event: the host's thread owes itself something else.
    pub(crate) fn ring(&self) {
        (self.ring)();
    }

    /// Whether there is an event. Cheap.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::SeqCst)
    }

    /// Takes the next event.
    pub(crate) fn next(&self) -> Option<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let event = events.pop_front();
        if events.is_empty() {
            self.filled.store(false, Ordering::SeqCst);
        }
        event
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("filled", &self.is_filled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn inbox_rings_once_until_it_is_empty_again() {
        static RINGS: AtomicUsize = AtomicUsize::new(0);
        let inbox = Inbox::new(Arc::new(|| {
            RINGS.fetch_add(1, Ordering::SeqCst);
        }));
        inbox.post(Event::ThreadsafeFunction(1));
        inbox.post(Event::ThreadsafeFunction(2));
        assert_eq!(RINGS.load(Ordering::SeqCst), 1);
        assert_eq!(inbox.next(), Some(Event::ThreadsafeFunction(1)));
        assert!(inbox.is_filled());
        assert_eq!(inbox.next(), Some(Event::ThreadsafeFunction(2)));
        assert!(!inbox.is_filled());
        assert_eq!(inbox.next(), None);
        inbox.post(Event::ThreadsafeFunction(3));
        assert_eq!(RINGS.load(Ordering::SeqCst), 2);
    }
}
