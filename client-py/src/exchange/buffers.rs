//! The buffers of an exchange. Python code can run while values are converted, so these are never
//! borrowed from a conversation; each thread uses its own again and again.

use std::cell::RefCell;
use std::sync::Arc;

use hostd_protocol::direct::{CallbackState, DirectCallback};
use hostd_protocol::frame::{FrameBuilder, Header};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;

use crate::convert::RequestObjects;
use crate::generation::HostGeneration;

/// A larger body buffer is freed after the exchange, in bytes.
const KEPT_BODY_BYTES_MAX: usize = 1 << 20;

/// What one exchange of messages needs.
pub(super) struct ExchangeBuffers {
    pub(super) builder: FrameBuilder,
    /// How many calls the frame stands for, if it is a request that is to be measured; else zero.
    pub(super) weight: u32,
    pub(super) body: Vec<u8>,
    pub(super) objects: RequestObjects,
    pub(super) releases: Vec<Release>,
    /// The place for a callback that the host makes without a frame.
    pub(super) callback: DirectCallback,
    /// The reply to an interrupted request, if its body is here.
    pub(super) unwanted: Option<(Arc<HostGeneration>, Header)>,
}

type FreeList = Vec<Box<ExchangeBuffers>>;

thread_local! {
    static FREE: RefCell<FreeList> = const { RefCell::new(Vec::new()) };
}

impl ExchangeBuffers {
    /// Free buffers of this thread, or new ones.
    #[inline]
    pub(super) fn take(limits: &Limits) -> Box<Self> {
        let Some(mut free) = FREE.with_borrow_mut(Vec::pop) else {
            return Box::new(Self::new(limits));
        };
        free.builder.set_limits(limits);
        free
    }

    fn new(limits: &Limits) -> Self {
        Self {
            builder: FrameBuilder::new(*limits),
            weight: 0,
            body: Vec::new(),
            objects: RequestObjects::default(),
            releases: Vec::new(),
            callback: DirectCallback::default(),
            unwanted: None,
        }
    }

    /// Puts the buffers into the free list of this thread. Python objects in them are dropped first.
    #[inline]
    pub(super) fn give(mut self: Box<Self>) {
        self.objects.clear();
        self.releases.clear();
        self.weight = 0;
        self.callback.state = CallbackState::Absent;
        if self.body.capacity() > KEPT_BODY_BYTES_MAX {
            self.body = Vec::new();
        }
        // A thread that is ending has no free list.
        let _ = FREE.try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut() {
                free.push(self);
            }
        });
    }
}
