//! The Python objects that one request refers to.

use std::cell::Cell;
use std::rc::Rc;

use hostd_protocol::ids::SlotId;
use pyo3::prelude::*;

use super::received::{Change, Received};
use crate::argument_memory::SharedArgument;
use crate::deadline::Deadline;
use crate::generation::Lending;

/// The Python objects of a request, kept until its reply: changes name them by their numbers.
#[derive(Default)]
pub(crate) struct RequestObjects {
    /// The compounds in the order of their numbers.
    pub(crate) compounds: Vec<Py<PyAny>>,
    /// The buffers in shared memory that are written back.
    pub(crate) shared: Vec<SharedArgument>,
    /// Proxies whose ids were written: the release of a dropped one can travel on another lane and
    /// arrive before this message.
    pub(crate) proxies: Vec<Py<PyAny>>,
    /// Lent objects that were counted, uncounted again if the message is not sent.
    pub(crate) lent: Vec<SlotId>,
    /// The same after the message was sent, uncounted if the host answers that it did not read it.
    pub(crate) sent: Vec<SlotId>,
    /// What the host has to get before the message is written again.
    pub(crate) missing: Option<Missing>,
    /// Awaitables that were lent; their results are sent to the host once the message is sent.
    pub(crate) awaitables: Vec<(Lending, Py<PyAny>)>,
    /// The deadline of the call, once it was sent.
    pub(crate) deadline: Option<Deadline>,
    /// The values that write-backs added to the containers of the request.
    pub(crate) grown: Cell<u32>,
    /// The changes of the enclosing callback's arguments that this request carries.
    pub(crate) written_back: Option<(Rc<Received>, Vec<Change>)>,
}

/// What a host does not have yet.
pub(crate) enum Missing {
    /// A result of `js_class`.
    Class(Py<PyAny>),
    /// A module, or what it exports, of an earlier process.
    Module(Py<PyAny>),
}

impl RequestObjects {
    #[inline]
    pub(crate) fn was_sent(&mut self, py: Python<'_>) {
        std::mem::swap(&mut self.lent, &mut self.sent);
        if let Some((received, changes)) = &self.written_back {
            received.settle(py, changes);
        }
    }

    /// Drops everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.compounds.clear();
        self.shared.clear();
        self.proxies.clear();
        self.lent.clear();
        self.sent.clear();
        self.awaitables.clear();
        self.written_back = None;
        self.deadline = None;
        self.grown.set(0);
    }
}
