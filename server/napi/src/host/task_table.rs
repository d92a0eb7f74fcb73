//! The tasks of the Node around Node-API that are not completed.

use std::collections::HashMap;
use std::fmt;

use hostd_engine::{JsResult, Runtime};

pub(super) type Completion = Box<dyn FnOnce(Runtime) -> JsResult<()>>;

/// What completes the tasks that are queued or run, by number.
#[derive(Default)]
pub(crate) struct Tasks {
    pub(super) completions: HashMap<u64, Completion>,
    /// Numbers given so far: none is given twice.
    pub(super) given: u64,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.completions.keys()).finish()
    }
}
