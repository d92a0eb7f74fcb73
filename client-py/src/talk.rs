//! The conversation of this thread: leased for an outermost call, parked while Python code runs in
//! the middle of it, so that a nested call finds it and uses the same lane.
//!
//! Python code can run while values are encoded and decoded too, so those never borrow from a
//! conversation: frames are built, and bodies kept, in buffers of this module, which each thread
//! uses again and again.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hostd_client::Conversation;
use hostd_protocol::frame::{FrameBuilder, Header};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;

use crate::convert::{Brought, Received};
use crate::idle::Deadline;
use crate::session::Session;
use crate::world::World;

/// A conversation and the world it speaks of.
pub(crate) struct Talk {
    pub(crate) conversation: Conversation,
    pub(crate) world: Arc<World>,
    /// Until when the innermost call may take, and so every call inside it.
    pub(crate) until: Option<Deadline>,
}

struct Parked {
    session: *const Session,
    /// None while a nested call uses it.
    talk: Option<Talk>,
    /// The containers of the callback that runs, if it has any.
    received: Option<Rc<Received>>,
}

/// What one exchange of messages needs.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) builder: FrameBuilder,
    pub(crate) body: Vec<u8>,
    pub(crate) brought: Brought,
    pub(crate) releases: Vec<Release>,
    /// The answer of an interrupted call, if its body is here.
    pub(crate) unwanted: Option<(Arc<World>, Header)>,
}

type Spare = Vec<Box<Scratch>>;

thread_local! {
    static PARKED: RefCell<Vec<Parked>> = const { RefCell::new(Vec::new()) };
    static SPARE: RefCell<Spare> = const { RefCell::new(Vec::new()) };
}

/// A body that was larger than this is given back to the allocator.
const KEPT_BYTES: usize = 1 << 20;

/// The world of the conversation that this thread has under way with a session.
#[inline]
pub(crate) fn parked_world(session: &Arc<Session>) -> Option<Arc<World>> {
    PARKED.with_borrow(|parked| {
        parked
            .iter()
            .rev()
            .filter(|entry| std::ptr::eq(entry.session, Arc::as_ptr(session)))
            .find_map(|entry| entry.talk.as_ref())
            .map(|talk| Arc::clone(&talk.world))
    })
}

/// The containers of the callback that this thread runs for a session, for a nested call.
pub(crate) fn received(session: &Arc<Session>) -> Option<Rc<Received>> {
    PARKED.with_borrow(|parked| {
        let mut entries = parked.iter().rev();
        let innermost = entries.find(|entry| {
            std::ptr::eq(entry.session, Arc::as_ptr(session)) && entry.talk.is_some()
        });
        innermost.and_then(|entry| entry.received.clone())
    })
}

/// Sets the containers of the callback whose conversation was parked last; returns the former ones.
pub(crate) fn set_received(received: Option<Rc<Received>>) -> Option<Rc<Received>> {
    PARKED.with_borrow_mut(|parked| {
        let last = parked.last_mut()?;
        std::mem::replace(&mut last.received, received)
    })
}

/// Takes the conversation that this thread has under way, for a nested call.
#[inline]
pub(crate) fn take(session: &Arc<Session>) -> Option<Talk> {
    PARKED.with_borrow_mut(|parked| {
        parked
            .iter_mut()
            .rev()
            .find(|entry| std::ptr::eq(entry.session, Arc::as_ptr(session)) && entry.talk.is_some())
            .and_then(|entry| entry.talk.take())
    })
}

/// Puts it back after a nested call; without a place for it, it is dropped.
pub(crate) fn put_back(session: &Arc<Session>, talk: Talk) {
    let left_over = PARKED.with_borrow_mut(|parked| {
        let place = parked.iter_mut().rev().find(|entry| {
            std::ptr::eq(entry.session, Arc::as_ptr(session)) && entry.talk.is_none()
        });
        match place {
            Some(entry) => {
                entry.talk = Some(talk);
                None
            }
            None => Some(talk),
        }
    });
    drop(left_over);
}

/// Parks a conversation while Python code runs in the middle of it.
pub(crate) fn park(session: &Arc<Session>, talk: Talk) {
    PARKED.with_borrow_mut(|parked| {
        parked.push(Parked {
            session: Arc::as_ptr(session),
            talk: Some(talk),
            received: None,
        });
    });
}

/// Takes the conversation that was parked last out again; None if a nested call lost it.
pub(crate) fn unpark() -> Option<Talk> {
    PARKED
        .with_borrow_mut(Vec::pop)
        .and_then(|entry| entry.talk)
}

impl Scratch {
    /// One of this thread's, or a new one.
    #[inline]
    pub(crate) fn take(limits: &Limits) -> Box<Self> {
        SPARE
            .with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| Box::new(Self::new(limits)))
    }

    fn new(limits: &Limits) -> Self {
        Self {
            builder: FrameBuilder::new(*limits),
            body: Vec::new(),
            brought: Brought::default(),
            releases: Vec::new(),
            unwanted: None,
        }
    }

    /// Keeps it for the next exchange of this thread. Python objects in it are dropped first.
    #[inline]
    pub(crate) fn give(mut self: Box<Self>) {
        self.brought.clear();
        self.releases.clear();
        if self.body.capacity() > KEPT_BYTES {
            self.body = Vec::new();
        }
        // In a thread that is ending there is nothing to keep it in.
        let _ = SPARE.try_with(|spare| {
            if let Ok(mut spare) = spare.try_borrow_mut() {
                spare.push(self);
            }
        });
    }
}
