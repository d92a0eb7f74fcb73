//! What other threads ask of the JS thread: a turn, and the end of the session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hostd_protocol::carrier::{HostWakePipe, HostWaker};

use crate::options::WakeHook;

/// Requests to the JS thread, from any thread.
#[derive(Debug)]
pub(crate) struct TurnRequests {
    waker: HostWaker,
    /// Wakes a loop of the client without a thread in between.
    wake_pipe: Option<Arc<HostWakePipe>>,
    on_wake: Option<Arc<WakeHook>>,
    is_requested: AtomicBool,
    is_closing: AtomicBool,
    is_over: AtomicBool,
}

impl TurnRequests {
    pub(crate) fn new(
        waker: HostWaker,
        wake_pipe: Option<Arc<HostWakePipe>>,
        on_wake: Option<Arc<WakeHook>>,
    ) -> Self {
        Self {
            waker,
            wake_pipe,
            on_wake,
            is_requested: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Requests a turn: wakes the JS thread, which tells the client. Requests that were not taken
    /// yet count once.
    pub(crate) fn request(&self) {
        if !self.is_requested.swap(true, Ordering::AcqRel) {
            // Waking the client takes as long as waking the JS thread, which the client needs: both
            // at once.
            if let Some(pipe) = &self.wake_pipe {
                pipe.notify_if_at_top();
            }
            self.wake();
        }
    }

    fn wake(&self) {
        self.waker.wake();
        if let Some(hook) = &self.on_wake {
            (hook.0)();
        }
    }

    pub(crate) fn take(&self) -> bool {
        self.is_requested.load(Ordering::Relaxed) && self.is_requested.swap(false, Ordering::AcqRel)
    }

    /// Whether there is a request that was not taken yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_requested.load(Ordering::Relaxed) || self.is_closing()
    }

    /// Whether a loop of the client polls the wake pipe.
    pub(crate) fn is_pipe_watched(&self) -> bool {
        self.wake_pipe
            .as_ref()
            .is_some_and(|pipe| pipe.is_watched())
    }

    /// The client has taken a turn, or tried to: the wake pipe may be written to again.
    pub(crate) fn turn_came(&self) {
        if let Some(pipe) = &self.wake_pipe {
            pipe.rearm();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    pub(crate) fn is_disconnected(&self) -> bool {
        self.waker.is_disconnected()
    }

    pub(crate) fn set_over(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// Ends a session from another thread.
#[derive(Debug, Clone)]
pub struct Closer(Arc<TurnRequests>);

impl Closer {
    pub(crate) fn of(requests: &Arc<TurnRequests>) -> Self {
        Self(Arc::clone(requests))
    }

    /// Has the session torn down as soon as the JS thread is at its top.
    pub fn close(&self) {
        self.0.is_closing.store(true, Ordering::Release);
        self.0.wake();
    }

    /// The client is gone: the session ends as soon as the JS thread waits, and JavaScript that runs
    /// stops.
    pub fn disconnect(&self) {
        self.0.waker.disconnect();
    }

    /// Whether the session has ended in order.
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }
}
