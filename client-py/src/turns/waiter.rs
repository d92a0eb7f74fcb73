//! A thread that waits for a promise, as the scheduler knows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

pub(super) struct TurnWaiter {
    thread: Thread,
    pub(super) is_notified: AtomicBool,
}

impl TurnWaiter {
    pub(super) fn of_this_thread() -> Self {
        Self {
            thread: thread::current(),
            is_notified: AtomicBool::new(false),
        }
    }

    pub(super) fn notify(&self) {
        self.is_notified.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl PartialEq for TurnWaiter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
