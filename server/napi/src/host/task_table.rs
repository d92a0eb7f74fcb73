//! The tasks of the Node around Node-API that are not completed.

use std::collections::HashMap;
use std::fmt;

use hostd_engine::{JsResult, Runtime};

pub(super) type Completion = Box<dyn FnOnce(Runtime) -> JsResult<()>>;

/// A task that is not completed.
pub(super) struct Pending {
    pub(super) completion: Completion,
    /// Whether it keeps the host alive.
    pub(super) is_referenced: bool,
}

/// What completes the tasks that are queued or run, by number.
#[derive(Default)]
pub(crate) struct Tasks {
    pub(super) completions: HashMap<u64, Pending>,
    /// How many of them do not keep the host alive.
    pub(super) unreferenced: usize,
    /// Numbers given so far: none is given twice.
    pub(super) given: u64,
}

impl Tasks {
    /// Takes what completes a task.
    pub(super) fn remove(&mut self, number: u64) -> Option<Completion> {
        let pending = self.completions.remove(&number)?;
        self.unreferenced -= usize::from(!pending.is_referenced);
        Some(pending.completion)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.completions.keys()).finish()
    }
}
