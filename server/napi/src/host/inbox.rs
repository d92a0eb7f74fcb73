//! Events from any thread to the host's thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// A request of a thread to the host's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Async work was executed, or cancelled before it was.
    WorkDone {
        /// The work.
        id: usize,
        /// Whether it was cancelled.
        cancelled: bool,
    },
    /// A task of the Node around Node-API was run.
    TaskDone(u64),
    /// An asynchronous cleanup hook is done or removed.
    AsyncHookDone(usize),
    /// There is something to poll for in libuv's loop.
    Loop,
}

/// The queue, and what requests a turn for it.
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// The host's thread waits on it, at the end only.
    arrived: Condvar,
    filled: AtomicBool,
    /// The host's thread.
    thread: ThreadId,
    request_turn: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    /// How many threadsafe functions have something to do.
    functions: usize,
    awaited: bool,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.functions == 0
    }
}

impl Inbox {
    /// An empty queue of this thread's host, whose turns are requested by `request_turn`.
    pub(crate) fn new(request_turn: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            filled: AtomicBool::new(false),
            thread: thread::current().id(),
            request_turn,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; requests a turn if there was none.
    pub(crate) fn post(&self, event: Event) {
        self.add(|queue| queue.events.push_back(event));
    }

    /// A threadsafe function has something to do, or is to be closed; requests a turn if there was
    /// nothing else.
    pub(crate) fn post_function(&self) {
        self.add(|queue| queue.functions += 1);
    }

    fn add(&self, what: impl FnOnce(&mut Queue)) {
        let was_filled = {
            let mut queue = self.lock();
            what(&mut queue);
            if queue.awaited {
                self.arrived.notify_one();
            }
            // Under the lock, or the host's thread could take the event first and find a flag
            // afterwards that nothing takes down.
            self.filled.swap(true, Ordering::SeqCst)
        };
        if !was_filled {
            (self.request_turn)();
        }
    }

    /// Requests a turn without an event.
    pub(crate) fn request_turn(&self) {
        (self.request_turn)();
    }

    /// Whether this is the thread that serves it.
    pub(crate) fn is_served_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Whether there is an event. Cheap.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::SeqCst)
    }

    /// How many events there are, functions aside.
    pub(crate) fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Takes the next event.
    pub(crate) fn next(&self) -> Option<Event> {
        self.take(|queue| queue.events.pop_front())
    }

    /// A function that was posted has nothing to do any more.
    pub(crate) fn done_function(&self) {
        self.take(|queue| queue.functions = queue.functions.saturating_sub(1));
    }

    fn take<R>(&self, what: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.lock();
        let taken = what(&mut queue);
        if queue.is_empty() {
            self.filled.store(false, Ordering::SeqCst);
        }
        taken
    }

    /// Waits until then for something to do; whether there is something.
    pub(crate) fn wait_until(&self, end: Instant) -> bool {
        let mut queue = self.lock();
        while queue.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue.awaited = true;
            queue = self
                .arrived
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            queue.awaited = false;
        }
        true
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
        inbox.post(Event::AsyncHookDone(1));
        inbox.post_function();
        inbox.post(Event::AsyncHookDone(2));
        assert_eq!(RINGS.load(Ordering::SeqCst), 1);
        assert_eq!(inbox.next(), Some(Event::AsyncHookDone(1)));
        assert!(inbox.is_filled());
        inbox.done_function();
        assert!(inbox.is_filled());
        assert_eq!(inbox.next(), Some(Event::AsyncHookDone(2)));
        assert!(!inbox.is_filled());
        assert_eq!(inbox.next(), None);
        inbox.post_function();
        assert_eq!(RINGS.load(Ordering::SeqCst), 2);
        inbox.done_function();
        assert!(!inbox.is_filled());
        inbox.post(Event::AsyncHookDone(3));
        assert_eq!(RINGS.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn inbox_waits_for_an_event_of_another_thread_and_no_longer_than_told() {
        use std::time::Duration;

        let inbox = Arc::new(Inbox::new(Arc::new(|| {})));
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(!inbox.wait_until(soon));
        assert!(Instant::now() >= soon);
        let other = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("addon".to_owned())
            .spawn(move || other.post(Event::AsyncHookDone(7)))
            .unwrap();
        let late = Instant::now() + Duration::from_secs(10);
        assert!(inbox.wait_until(late));
        assert_eq!(inbox.next(), Some(Event::AsyncHookDone(7)));
        thread.join().unwrap();
        assert!(!inbox.is_filled());
    }
}
