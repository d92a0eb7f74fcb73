//! What a session needs of the process around it where that is the client's.

use std::cell::Cell;
use std::rc::Rc;

use hostd_session::SessionHooks;

/// The hooks of one session.
#[derive(Debug, Default)]
pub(crate) struct InProcessHooks {
    /// The code of `process.exit`, once the addon has called it.
    pub(crate) exited: Rc<Cell<Option<i32>>>,
}

impl SessionHooks for InProcessHooks {
    /// Python goes on: it returns, and the session ends.
    fn exit(&self, code: i32) {
        self.exited.set(Some(code));
    }
}
