//! One session of a client: the JS thread's own state, and who may touch it.
//!
//! There is one session per thread, made once and never freed, as the engine is. Everything in it
//! belongs to the JS thread; other threads reach it through a `Bell` only. No cell is borrowed
//! while JavaScript, the addon or the client can run.

mod answer;
mod ask;
mod calls;
mod describe;
mod hooks;
mod intrinsics;
mod iterators;
mod level;
mod notices;
mod promises;
mod run;
mod serve;
mod settled;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hostd_engine::{Deferred, JsResult, Runtime, SlotData, Value};
use hostd_napi::{Host, HostOptions, StartError};
use hostd_protocol::carrier::{CancelFlag, HostCord, HostEnd, HostWaker};
use hostd_protocol::error::{ProtocolError, Result as Carried};
use hostd_protocol::frame::Header;
use hostd_protocol::ids::{CallId, Generation, LaneIndex, SlotId};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::HostKind;
use hostd_sandbox::Tightening;
use rustc_hash::FxHashMap;

use crate::lent::{Classes, LentObject, Objects, Remotes};
use crate::marshal::{Original, nature};
use intrinsics::Intrinsics;
use level::{Level, Scratch};
use notices::Notices;
use promises::Fresh;
use settled::Settled;

pub use run::Ended;

/// The server's mark in a slot, so that its ids are told from those of others.
const REMOTE_MARK: u64 = 1 << 63;
/// Values nest no deeper than this whatever the client asks for: decoding and encoding recurse.
const DEEPEST: u32 = 1024;

thread_local! {
    static CURRENT: Cell<Option<&'static Session>> = const { Cell::new(None) };
}

/// What a session is made from.
#[derive(Debug)]
pub struct SessionOptions {
    /// The host's end of the carrier.
    pub end: HostEnd,
    /// The client's cord, which hangs at that end.
    pub cord: Option<Arc<HostCord>>,
    /// The generation that every frame carries.
    pub generation: Generation,
    /// The limits that the client stated.
    pub limits: Limits,
    /// How much stack JavaScript and the addon may use on this thread.
    pub stack_bytes: usize,
    /// Whether other lanes are served while the client's answer is waited for.
    pub nested_threads: bool,
    /// Whether the addon's misuse of Node-API and what it never gives back are reported. Slow.
    pub debug: bool,
    /// What is taken from this process once the addon is loaded.
    pub tightening: Option<Tightening>,
    /// What ends the process when the addon asks for it, as by `process.exit`.
    pub exit: fn(i32),
}

/// Why a session could not start.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The engine or its bootstrap failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The built-ins are not as they should be, which is a defect of this build.
    #[error("the built-in objects are incomplete: a defect of this build of napi-hostd")]
    Intrinsics,
    /// This thread serves a session already.
    #[error("this thread serves a session already; one thread serves one session")]
    AlreadyServing,
}

/// Rings for the JS thread from any other thread: it then tells the client that a turn is due.
#[derive(Debug)]
struct Bell {
    waker: HostWaker,
    /// What reaches a loop of the client's straight.
    cord: Option<Arc<HostCord>>,
    rung: AtomicBool,
    close: AtomicBool,
    over: AtomicBool,
}

/// Ends a session from another thread.
#[derive(Debug, Clone)]
pub struct Closer(Arc<Bell>);

impl Closer {
    /// Has the session torn down as soon as the JS thread is at its top.
    pub fn close(&self) {
        self.0.close.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Whether the session has come to its end in order.
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It takes as long to reach the client as it takes to wake the JS thread, which the
            // client needs: both at once.
            if let Some(cord) = &self.cord {
                cord.pull_if_at_top();
            }
            self.waker.wake();
        }
    }

    fn is_cord_watched(&self) -> bool {
        self.cord.as_ref().is_some_and(|cord| cord.is_watched())
    }

    /// A turn has come, or somebody came for one.
    fn turn_came(&self) {
        if let Some(cord) = &self.cord {
            cord.release();
        }
    }

    fn take(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::AcqRel)
    }
}

/// What the session itself does in the next turn.
#[derive(Debug)]
enum Due {
    /// An awaitable of the client has come to its end: well, or with an error.
    Settle(Deferred, Result<Value, Value>),
    /// The client has dropped an iterator in the middle.
    CloseIterator(Value),
}

/// An answer that came while something else was on top.
type Early = (Header, Vec<u8>);

/// A session of a client.
#[derive(Debug)]
pub struct Session {
    host: Host,
    rt: Runtime,
    intrinsics: Intrinsics,
    generation: Generation,
    limits: Limits,
    exit: fn(i32),
    end: RefCell<HostEnd>,
    bell: Arc<Bell>,
    objects: RefCell<Objects>,
    remotes: RefCell<Remotes>,
    /// An ordinary object was made the proxy of a client's instance.
    has_instances: Cell<bool>,
    classes: RefCell<Classes>,
    awaitables: RefCell<FxHashMap<u32, Deferred>>,
    /// The number of the last watch.
    watches: Cell<u32>,
    /// A promise that is watched before it is lent, which is about to happen.
    fresh: Cell<Option<Fresh>>,
    settled: RefCell<VecDeque<Settled>>,
    /// What the next turn begins with.
    due: RefCell<Vec<Due>>,
    notices: RefCell<Notices>,
    /// The requests of the client that are open on the lane that is being served, outermost first.
    open: RefCell<Vec<Rc<Level>>>,
    levels: RefCell<Vec<Rc<Level>>>,
    scratch: RefCell<Vec<Scratch>>,
    lane: Cell<Option<LaneIndex>>,
    /// The requests to the client that are open, outermost first: their lanes and compounds.
    asking: RefCell<Vec<(LaneIndex, Rc<[Original]>)>>,
    /// The compounds of a request that has none.
    no_originals: Rc<[Original]>,
    cancels: RefCell<Vec<Option<CancelFlag>>>,
    nested: Cell<u32>,
    nested_threads: bool,
    /// Frames of lanes whose request is open further down: their time comes.
    early: RefCell<FxHashMap<LaneIndex, Early>>,
    next_call: Cell<CallId>,
    lost: RefCell<Option<ProtocolError>>,
    closing: Cell<bool>,
    poisoned: Cell<bool>,
    loaded: Cell<bool>,
    tightening: Cell<Option<Tightening>>,
    /// When the client was told that a turn is due, if it has taken none since.
    owed: Cell<Option<Instant>>,
    /// How often it was rung for again.
    reminders: Cell<u32>,
    /// It was told by the cord alone.
    by_cord: Cell<bool>,
    served: Cell<u64>,
    asked: Cell<u64>,
}

impl Session {
    /// Makes this thread's engine, host and session.
    ///
    /// # Errors
    /// The engine cannot start, or this thread has a session already.
    pub fn start(options: SessionOptions) -> Result<&'static Self, SessionError> {
        if CURRENT.get().is_some() {
            return Err(SessionError::AlreadyServing);
        }
        let bell = Arc::new(Bell {
            waker: options.end.waker(),
            cord: options.cord,
            rung: AtomicBool::new(false),
            close: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let ring = Arc::clone(&bell);
        let host = Host::new(HostOptions {
            stack_bytes: options.stack_bytes,
            argv: vec!["napi-hostd".to_owned()],
            debug: options.debug,
            ring: Arc::new(move || ring.ring()),
            ..HostOptions::new(Box::new(hooks::Hooks))
        })?;
        let rt = host.runtime();
        let intrinsics = Intrinsics::capture(rt).map_err(|_| SessionError::Intrinsics)?;
        let limits = Limits {
            depth: options.limits.depth.min(DEEPEST),
            ..options.limits
        };
        let session: &'static Self = Box::leak(Box::new(Self {
            host,
            rt,
            intrinsics,
            generation: options.generation,
            limits,
            exit: options.exit,
            end: RefCell::new(options.end),
            bell,
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
            scratch: RefCell::default(),
            lane: Cell::new(None),
            asking: RefCell::default(),
            no_originals: Rc::default(),
            cancels: RefCell::default(),
            nested: Cell::new(0),
            nested_threads: options.nested_threads,
            early: RefCell::default(),
            next_call: Cell::new(CallId(0)),
            lost: RefCell::new(None),
            closing: Cell::new(false),
            poisoned: Cell::new(false),
            loaded: Cell::new(false),
            tightening: Cell::new(options.tightening),
            owed: Cell::new(None),
            reminders: Cell::new(0),
            by_cord: Cell::new(false),
            served: Cell::new(0),
            asked: Cell::new(0),
        }));
        session.end.borrow_mut().on_idle(Host::idle);
        CURRENT.set(Some(session));
        hooks::install(session);
        Ok(session)
    }

    /// What ends the session from another thread.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.bell))
    }

    /// This thread's session.
    pub(crate) fn current() -> Option<&'static Self> {
        CURRENT.get()
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

    /// Counts another sending; says what the client was told about the object.
    pub(crate) fn lend_again(&self, id: SlotId) -> Carried<(HostKind, u32)> {
        let mut objects = self.objects.borrow_mut();
        objects.again(id)?;
        let told = objects.get(id).map(|object| match object.kind {
            HostKind::Promise => (HostKind::Promise, object.watch),
            kind => (kind, object.class),
        });
        Ok(told.unwrap_or((HostKind::Object, 0)))
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

    /// Whether the connection is lost: everything that is under way comes to its end.
    fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    fn lose(&self, error: ProtocolError) {
        self.lost.borrow_mut().get_or_insert(error);
    }
}
