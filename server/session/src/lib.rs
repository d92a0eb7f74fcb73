//! One session of a client: its calls served over a carrier, on the thread of the JavaScript engine.
//!
//! The crate starts no thread and no process, and applies no sandbox: what it needs of the process
//! around it is [`SessionHooks`]. A thread has one session at a time. All state belongs to that
//! thread; others reach it through [`Closer`] and the turn requests of `hostd-napi` only. No cell
//! stays borrowed while JavaScript, the addon or the client can run.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod calls;
mod describe;
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
mod promises;
mod run;
mod serve;
mod settled;
mod turn_requests;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use hostd_engine::{Deferred, JsResult, Runtime, SlotData, Value};
use hostd_napi::{Host, HostOptions};
use hostd_protocol::carrier::{CancelFlag, HostEnd};
use hostd_protocol::error::{ProtocolError, Result as Carried};
use hostd_protocol::frame::Header;
use hostd_protocol::ids::{CallId, Generation, LaneIndex, SlotId};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::HostKind;
use rustc_hash::FxHashMap;

use crate::lent::{Classes, LentObject, Objects, Remotes};
use crate::marshal::{Original, nature};
use intrinsics::Intrinsics;
use level::{FrameBuffers, Level};
use notices::Notices;
use promises::Fresh;
use settled::Settled;

pub use options::{SessionError, SessionHooks, SessionOptions};
pub use run::Ended;
pub use turn_requests::Closer;
use turn_requests::TurnRequests;

/// Marks the ids of this crate in the engine's slots.
const REMOTE_MARK: u64 = 1 << 63;
/// The deepest nesting of values whatever the client states: decoding and encoding recurse.
const DEPTH_MAX: u32 = 1024;

thread_local! {
    static CURRENT: RefCell<Weak<Session>> = const { RefCell::new(Weak::new()) };
}

/// What the session does at the beginning of the next turn.
#[derive(Debug)]
enum Due {
    /// An awaitable of the client was settled.
    Settle(Deferred, Result<Value, Value>),
    /// The client has dropped an iterator in the middle.
    CloseIterator(Value),
}

/// A reply to a request that is not the innermost one.
type OutOfOrderReply = (Header, Vec<u8>);

/// A session of a client.
#[derive(Debug)]
pub struct Session {
    host: Host,
    rt: Runtime,
    intrinsics: Intrinsics,
    generation: Generation,
    limits: Limits,
    hooks: Box<dyn SessionHooks>,
    end: RefCell<HostEnd>,
    turn_requests: Arc<TurnRequests>,
    objects: RefCell<Objects>,
    remotes: RefCell<Remotes>,
    /// An ordinary object was made the proxy of a client's instance.
    has_instances: Cell<bool>,
    classes: RefCell<Classes>,
    awaitables: RefCell<FxHashMap<u32, Deferred>>,
    /// The number of the last subscription to a promise.
    watches: Cell<u32>,
    /// A subscription to a promise that is about to be lent.
    fresh: Cell<Option<Fresh>>,
    settled: RefCell<VecDeque<Settled>>,
    /// What is done at the beginning of the next turn.
    due: RefCell<Vec<Due>>,
    notices: RefCell<Notices>,
    /// The requests of the client that are open on the lane that is being served, outermost first.
    open: RefCell<Vec<Rc<Level>>>,
    levels: RefCell<Vec<Rc<Level>>>,
    buffers: RefCell<Vec<FrameBuffers>>,
    lane: Cell<Option<LaneIndex>>,
    /// The requests to the client that are open, outermost first: their lanes and compounds.
    open_requests: RefCell<Vec<(LaneIndex, Rc<Vec<Original>>)>>,
    /// The compounds of a request that has none.
    no_originals: Rc<Vec<Original>>,
    cancels: RefCell<Vec<Option<CancelFlag>>>,
    nested: Cell<u32>,
    nested_threads: bool,
    /// Replies to requests that are not the innermost one, by lane.
    out_of_order: RefCell<FxHashMap<LaneIndex, OutOfOrderReply>>,
    next_call: Cell<CallId>,
    lost: RefCell<Option<ProtocolError>>,
    closing: Cell<bool>,
    poisoned: Cell<bool>,
    loaded: Cell<bool>,
    /// When a turn was requested of the client, if it has taken none since.
    announced_at: Cell<Option<Instant>>,
    /// How often it was requested again.
    reminders: Cell<u32>,
    /// It was requested by the wake pipe alone.
    by_wake_pipe: Cell<bool>,
    served: Cell<u64>,
    asked: Cell<u64>,
}

impl Session {
    /// Makes this thread's engine, host and session.
    ///
    /// # Errors
    /// The engine cannot start, or this thread has a session already.
    pub fn start(options: SessionOptions) -> Result<Rc<Self>, SessionError> {
        if Self::current().is_some() {
            return Err(SessionError::AlreadyServing);
        }
        let turn_requests = Arc::new(TurnRequests::new(options.end.waker(), options.wake_pipe));
        // Weak: the host outlives the session, and the requests map the shared memory.
        let requests = Arc::downgrade(&turn_requests);
        let host = hostd_node::start(HostOptions {
            stack_bytes: options.stack_bytes,
            argv: vec!["napi-hostd".to_owned()],
            debug: options.debug,
            request_turn: Arc::new(move || {
                if let Some(requests) = requests.upgrade() {
                    requests.request();
                }
            }),
            ..HostOptions::new(Box::new(hooks::Hooks))
        })?;
        let rt = host.runtime();
        let intrinsics = Intrinsics::capture(rt).map_err(|_| SessionError::Intrinsics)?;
        let limits = Limits {
            depth: options.limits.depth.min(DEPTH_MAX),
            ..options.limits
        };
        let session = Rc::new(Self {
            host,
            rt,
            intrinsics,
            generation: options.generation,
            limits,
            hooks: options.hooks,
            end: RefCell::new(options.end),
            turn_requests,
            objects: RefCell::new(Objects::new(limits.lent_objects)),
            remotes: RefCell::new(Remotes::new(limits.lent_objects)),
            has_instances: Cell::new(false),
            classes: RefCell::default(),
            awaitables: RefCell::default(),
            watches: Cell::new(0),
            fresh: Cell::new(None),
            settled: RefCell::default(),
            due: RefCell::default(),
            notices: RefCell::default(),
            open: RefCell::default(),
            levels: RefCell::default(),
            buffers: RefCell::default(),
            lane: Cell::new(None),
            open_requests: RefCell::default(),
            no_originals: Rc::default(),
            cancels: RefCell::default(),
            nested: Cell::new(0),
            nested_threads: options.nested_threads,
            out_of_order: RefCell::default(),
            next_call: Cell::new(CallId(0)),
            lost: RefCell::new(None),
            closing: Cell::new(false),
            poisoned: Cell::new(false),
            loaded: Cell::new(false),
            announced_at: Cell::new(None),
            reminders: Cell::new(0),
            by_wake_pipe: Cell::new(false),
            served: Cell::new(0),
            asked: Cell::new(0),
        });
        session.end.borrow_mut().on_idle(Host::idle);
        CURRENT.set(Rc::downgrade(&session));
        hooks::install(&session);
        Ok(session)
    }

    /// What ends the session from another thread.
    pub fn closer(&self) -> Closer {
        Closer::of(&self.turn_requests)
    }

    /// This thread's session.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Weak::upgrade)
    }

    #[inline]
    pub(crate) fn runtime(&self) -> Runtime {
        self.rt
    }

    pub(crate) fn host(&self) -> Host {
        self.host
    }

    pub(crate) fn intrinsics(&self) -> &Intrinsics {
        &self.intrinsics
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether something native hangs on the object.
    pub(crate) fn is_pinned(&self, value: &Value) -> bool {
        self.host.is_pinned(value)
    }

    // The host's objects.

    /// The object that the client means by an id, if it holds it.
    pub(crate) fn lent_value(&self, id: SlotId) -> Option<Value> {
        self.objects
            .borrow()
            .get(id)
            .map(|object| object.value.clone())
    }

    /// The id of an object that the client holds.
    #[inline]
    pub(crate) fn lent_id(&self, identity: usize) -> Option<SlotId> {
        self.objects.borrow().find(identity)
    }

    /// Whether that is the id under which the client holds this object.
    #[inline]
    fn is_lent_as(&self, value: &Value, id: SlotId) -> bool {
        let objects = self.objects.borrow();
        objects
            .get(id)
            .is_some_and(|object| object.value.identity() == value.identity())
    }

    /// Counts another sending; returns kind and class as the client has them.
    pub(crate) fn lend_again(&self, id: SlotId) -> Carried<(HostKind, u32)> {
        let mut objects = self.objects.borrow_mut();
        objects.again(id)?;
        let sent = objects.get(id).map(|object| match object.kind {
            HostKind::Promise => (HostKind::Promise, object.watch),
            kind => (kind, object.class),
        });
        Ok(sent.unwrap_or((HostKind::Object, 0)))
    }

    /// Lends an object that the client does not hold yet.
    pub(crate) fn lend(&self, object: LentObject) -> Carried<SlotId> {
        self.objects.borrow_mut().lend(object)
    }

    /// The number of a class, by its prototype.
    pub(crate) fn class_id(&self, prototype: &Value) -> u32 {
        self.classes.borrow_mut().id(self.rt, prototype)
    }

    /// What an object is called that crosses by reference.
    fn nature(&self, value: &Value) -> (HostKind, u32) {
        nature(self, value)
    }

    // The client's objects.

    /// The id under which a value lives at the client.
    pub(crate) fn remote_slot(&self, value: &Value) -> Option<SlotId> {
        if let Some(id) = self.rt.remote_id(value) {
            return SlotId::new(u32::try_from(id & u64::from(u32::MAX)).ok()?);
        }
        if let Some(function) = self.rt.native_function(value) {
            let ours = function.tag == hooks::CALLABLE_TAG;
            return ours
                .then(|| SlotId::new(u32::try_from(function.words[0]).ok()?))
                .flatten();
        }
        let may_be =
            self.has_instances.get() || self.rt.is_error(value) || self.rt.is_promise(value);
        if !may_be {
            return None;
        }
        let marked = self.rt.slot(value)?.extra?;
        let number = marked & !REMOTE_MARK;
        (marked & REMOTE_MARK != 0)
            .then(|| SlotId::new(u32::try_from(number).ok()?))
            .flatten()
    }

    /// Counts a receipt of a client's id; its proxy, if that lives.
    pub(crate) fn receive(&self, id: SlotId) -> Carried<Option<Value>> {
        self.remotes.borrow_mut().receive(id)
    }

    /// Counts that an object of the client's is sent back to it.
    pub(crate) fn send_back(&self, id: SlotId) -> Carried<()> {
        self.remotes.borrow_mut().send_back(id)
    }

    /// Makes an ordinary object (an error, a promise) the proxy of a client's id.
    pub(crate) fn adopt_proxy(&self, id: SlotId, value: &Value) -> JsResult<()> {
        let token = self.remotes.borrow_mut().token(id);
        let marked = Some(u64::from(id.get()) | REMOTE_MARK);
        let data = self.rt.slot(value).unwrap_or_default();
        self.rt.set_slot(
            value,
            SlotData {
                extra: marked,
                ..data
            },
        )?;
        self.rt.attach_finalizer(value, token)?;
        let weak = self.rt.weak(value)?;
        self.remotes.borrow_mut().insert(id, token, weak);
        Ok(())
    }

    /// Whether the client has cancelled the call that is being served. Cheap.
    pub(crate) fn is_cancelled(&self) -> bool {
        let Some(lane) = self.lane.get() else {
            return false;
        };
        self.cancels.try_borrow().is_ok_and(|flags| {
            let flag = flags.get(usize::from(lane.0));
            flag.and_then(Option::as_ref)
                .is_some_and(|flag| flag.get() != 0)
        })
    }

    /// Whether the connection is lost: then everything under way ends.
    fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    fn lose(&self, error: ProtocolError) {
        self.lost.borrow_mut().get_or_insert(error);
    }
}
