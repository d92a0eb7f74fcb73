//! One session of a client: its calls served over a carrier, on the thread of the JavaScript engine.
//!
//! The crate starts no thread and no process, and applies no sandbox: what it needs of the process
//! around it is [`SessionHooks`]. A thread has one session at a time. All state belongs to that
//! thread; others reach it through [`Closer`] and the turn requests of `hostd-napi` only. No cell
//! stays borrowed while JavaScript, the addon or the client can run.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod bulk;
mod calls;
mod describe;
mod direct;
#[cfg(feature = "faults")]
pub mod fault;
mod hooks;
mod intrinsics;
mod iterators;
mod lent;
mod level;
mod marshal;
mod notices;
mod options;
mod pending;
mod profile;
mod promises;
mod run;
mod serve;
mod settled;
mod start;
mod tables;
mod turn_requests;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use hostd_engine::Runtime;
use hostd_napi::{Host, OwnedHost};
use hostd_protocol::carrier::{CancelFlag, HostEnd};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::Header;
use hostd_protocol::ids::{CallId, Generation, LaneNumber};
use hostd_protocol::limits::Limits;
use rustc_hash::FxHashMap;

use crate::marshal::Original;
use level::{FrameBuffers, Level};
use pending::{Due, Notices, Settled};
use tables::ObjectTables;

pub use options::{SessionError, SessionHooks, SessionOptions, WakeHook};
pub use run::Ended;
pub use turn_requests::Closer;
use turn_requests::TurnRequests;

thread_local! {
    static CURRENT: RefCell<Weak<Session>> = const { RefCell::new(Weak::new()) };
}

/// The session that is off the thread while another one runs there; none at first.
#[derive(Debug, Default)]
pub struct ParkedSession(Weak<Session>);

/// A reply to a request that is not the innermost one.
type OutOfOrderReply = (Header, Vec<u8>);

/// A session of a client.
#[derive(Debug)]
pub struct Session {
    host: Host,
    rt: Runtime,
    tables: ObjectTables,
    generation: Generation,
    limits: Limits,
    hooks: Box<dyn SessionHooks>,
    end: RefCell<HostEnd>,
    turn_requests: Arc<TurnRequests>,
    /// The number of the last subscription to a promise.
    watches: Cell<u32>,
    settled: RefCell<VecDeque<Settled>>,
    due: RefCell<Vec<Due>>,
    notices: RefCell<Notices>,
    /// The requests of the client that are open on the lane that is being served, outermost first.
    open: RefCell<Vec<Rc<Level>>>,
    levels: RefCell<Vec<Rc<Level>>>,
    #[expect(
        clippy::vec_box,
        reason = "taking one out moves a pointer, not the buffers"
    )]
    buffers: RefCell<Vec<Box<FrameBuffers>>>,
    lane: Cell<Option<LaneNumber>>,
    /// The requests to the client that are open, outermost first: their lanes and compounds.
    open_requests: RefCell<Vec<(LaneNumber, Rc<Vec<Original>>)>>,
    /// The compounds of a request that has none.
    no_originals: Rc<Vec<Original>>,
    cancels: RefCell<Vec<Option<CancelFlag>>>,
    nested: Cell<u32>,
    nested_threads: bool,
    /// Replies to requests that are not the innermost one, by lane.
    out_of_order: RefCell<FxHashMap<LaneNumber, OutOfOrderReply>>,
    next_call: Cell<CallId>,
    lost: RefCell<Option<ProtocolError>>,
    poisoned: Cell<bool>,
    loaded: Cell<bool>,
    /// When a turn was requested of the client, if it has taken none since.
    announced_at: Cell<Option<Instant>>,
    /// How often it was requested again.
    reminders: Cell<u32>,
    /// It was requested by the wake pipe alone.
    by_wake_pipe: Cell<bool>,
    /// How often the home lane was full since something was sent on it.
    flush_retries: Cell<u32>,
    served: Cell<u64>,
    /// Whether the call that is being served is measured.
    is_measured: Cell<bool>,
    asked: Cell<u64>,
    /// Dropped last: it frees the engine that the values above are of (I-23).
    _owner: OwnedHost,
}

impl Session {
    /// What ends the session from another thread.
    pub fn closer(&self) -> Closer {
        Closer::of(&self.turn_requests)
    }

    /// Exchanges what this thread knows of its session.
    pub fn swap_thread_session(other: &mut ParkedSession) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, &mut other.0));
    }

    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Weak::upgrade)
    }

    /// Whether the client has cancelled the call that is being served. Cheap.
    pub(crate) fn is_cancelled(&self) -> bool {
        let Some(lane) = self.lane.get() else {
            return false;
        };
        self.cancels.try_borrow().is_ok_and(|flags| {
            let flag = flags.get(lane.get());
            flag.and_then(Option::as_ref)
                .is_some_and(|flag| flag.get() != 0)
        })
    }

    /// Whether the connection is lost: then everything under way ends.
    fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Whether nobody waits for replies: the client is gone, or is told how the session has ended, as
    /// after `process.exit`. One that broke the protocol gets its reply.
    fn has_left(&self) -> bool {
        matches!(*self.lost.borrow(), Some(ProtocolError::Disconnected))
    }

    /// Whether JavaScript that runs is to stop because the session ends. Cheap.
    fn is_ending(&self) -> bool {
        self.is_lost() || self.turn_requests.is_disconnected()
    }

    fn lose(&self, error: ProtocolError) {
        self.lost.borrow_mut().get_or_insert(error);
    }
}
