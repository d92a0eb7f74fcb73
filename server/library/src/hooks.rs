//! What a session needs of the process around it where that is the client's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hostd_protocol::direct::{
    CallbackState, DirectCallback, DirectReleases, DirectRequest, Scalar,
};
use hostd_protocol::profile::HostTimes;
use hostd_session::SessionHooks;

/// JavaScript that runs on the client's thread lets the client check its deadline and signals so often.
const PAUSE_INTERVAL: Duration = Duration::from_millis(10);

/// The calls between the client and the session that take no frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectCalls {
    /// Takes the one that the client makes.
    pub(crate) take: fn() -> Option<DirectRequest>,
    /// Answers it, if the client still waits in place.
    pub(crate) answer: fn(Scalar, Option<&HostTimes>) -> bool,
    /// Releases objects with that answer, if the client still waits in place.
    pub(crate) release: fn(DirectReleases) -> bool,
    /// Makes a callback, if the client takes it.
    pub(crate) ask: fn(DirectCallback) -> CallbackState,
}

/// The hooks of one session.
#[derive(Debug)]
pub(crate) struct InProcessHooks {
    /// The code of `process.exit`, once the addon has called it.
    pub(crate) exited: Rc<Cell<Option<i32>>>,
    /// What to call where JavaScript runs on the client's thread, and when that was called last.
    pub(crate) pause: Option<(fn(), Cell<Instant>)>,
    /// Where the session runs on the client's thread.
    pub(crate) direct: Option<DirectCalls>,
}

impl SessionHooks for InProcessHooks {
    /// Python goes on: it returns, and the session ends.
    fn exit(&self, code: i32) {
        self.exited.set(Some(code));
    }

    fn take_direct(&self) -> Option<DirectRequest> {
        self.direct.and_then(|calls| (calls.take)())
    }

    fn answer_direct(&self, result: Scalar, times: Option<&HostTimes>) -> bool {
        self.direct
            .is_some_and(|calls| (calls.answer)(result, times))
    }

    fn release_direct(&self, releases: DirectReleases) -> bool {
        self.direct.is_some_and(|calls| (calls.release)(releases))
    }

    fn asks_directly(&self) -> bool {
        self.direct.is_some()
    }

    fn ask_direct(&self, callback: DirectCallback) -> CallbackState {
        let refused = CallbackState::Refused;
        self.direct.map_or(refused, |calls| (calls.ask)(callback))
    }

    fn pause(&self) {
        if let Some((pause, last)) = &self.pause
            && last.get().elapsed() >= PAUSE_INTERVAL
        {
            pause();
            last.set(Instant::now());
        }
    }
}
