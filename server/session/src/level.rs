//! One open request of the client, and the memory that requests and frames use again and again.

use std::cell::{Cell, RefCell};

use hostd_protocol::frame::{Flags, FrameBuilder};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;

use crate::marshal::{Baseline, RequestObjects, Seen, Sent};

/// A request of the client that is being served: kept for the write-back until its reply is sent.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// What the body begins with.
    pub(crate) flags: Cell<Flags>,
    pub(crate) body: RefCell<Vec<u8>>,
    /// The compounds it brought.
    pub(crate) objects: RefCell<RequestObjects>,
    /// What was written back already.
    pub(crate) baseline: RefCell<Baseline>,
    /// The engine's count of mutations up to which nothing needs to be compared.
    pub(crate) compared: Cell<u64>,
}

impl Level {
    pub(crate) fn clear(&self) {
        self.objects.borrow_mut().clear();
        self.baseline.borrow_mut().clear();
    }
}

/// What it takes to write and to receive one frame.
#[derive(Debug)]
pub(crate) struct FrameBuffers {
    pub(crate) builder: FrameBuilder,
    pub(crate) seen: Seen,
    pub(crate) sent: Vec<Sent>,
    pub(crate) releases: Vec<Release>,
    pub(crate) body: Vec<u8>,
    pub(crate) objects: RequestObjects,
}

impl FrameBuffers {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            builder: FrameBuilder::new(limits),
            seen: Seen::default(),
            sent: Vec::new(),
            releases: Vec::new(),
            body: Vec::new(),
            objects: RequestObjects::default(),
        }
    }
}
