//! What recording and formatting of stacks need: functions, keys and settings.

use std::cell::{Cell, RefCell};

use crate::{Key, Value};

/// The functions, keys and settings of recording and formatting.
pub(crate) struct StackTraces {
    /// The private name under which an object keeps its stack: no function of the language lists
    /// it, and freezing an object does not affect it.
    pub(super) private: Key,
    pub(super) stack: Key,
    pub(super) prepare: Key,
    pub(super) code: Key,
    pub(super) getter: Value,
    pub(super) setter: Value,
    /// What `Error.prepareStackTrace` is until a script replaces it.
    pub(super) default_prepare: Value,
    pub(super) to_string: Value,
    /// The methods of a call site that return its file, line, column, function name and function.
    pub(super) site_methods: [Value; 5],
    pub(super) engine_capture: Value,
    pub(super) engine_set_limit: Value,
    /// `Error.stackTraceLimit`. Where it is not a number, new errors have an undefined stack.
    pub(super) limit: RefCell<Value>,
    /// Whether `Error.captureStackTrace` is reading call sites from the engine.
    pub(super) capturing: Cell<bool>,
    /// Whether a stack is being formatted. Another stack read meanwhile is formatted without
    /// `Error.prepareStackTrace`.
    pub(super) formatting: Cell<bool>,
}

impl StackTraces {
    /// The call sites, or undefined where the limit is not a number.
    pub(super) fn recorded(&self, sites: &Value) -> Value {
        if self.limit.borrow().is_number() {
            sites.clone()
        } else {
            Value::UNDEFINED
        }
    }
}
