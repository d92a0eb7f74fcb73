//! What a session needs of the process around it where that is the client's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hostd_session::SessionHooks;

/// JavaScript that runs on the client's thread lets the client check its deadline and signals so often.
const PAUSE_INTERVAL: Duration = Duration::from_millis(10);

/// The hooks of one session.
#[derive(Debug)]
pub(crate) struct InProcessHooks {
    /// The code of `process.exit`, once the addon has called it.
    pub(crate) exited: Rc<Cell<Option<i32>>>,
    /// What to call where JavaScript runs on the client's thread, and when that was called last.
    pub(crate) pause: Option<(fn(), Cell<Instant>)>,
}

impl SessionHooks for InProcessHooks {
    /// Python goes on: it returns, and the session ends.
    fn exit(&self, code: i32) {
        self.exited.set(Some(code));
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
