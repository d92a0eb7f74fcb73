//! What the event loop and the globals of one host remember.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;

use hostd_engine::{ErrorConstructor, JsResult, Runtime, Value};
use hostd_napi::Host;

use crate::compression::Streams;
use crate::decoders::Decoders;
use crate::digests::Hashes;
use crate::files::Files;
use crate::rejections::Rejections;
use crate::subprocess::Programs;
use crate::timers::Timers;
use crate::watches::Watches;

/// The engine function tag of this crate's native functions.
pub(crate) const TAG: u8 = 32;

/// The Node around one host. Scripts set the `OnceCell`s when they are first evaluated.
#[derive(Debug, Default)]
pub(crate) struct NodeState {
    pub(crate) timers: RefCell<Timers>,
    /// The functions that run a timer and an immediate.
    pub(crate) timer_calls: OnceCell<(Value, Value)>,
    /// Where the next turn goes on.
    pub(crate) phase: Cell<Phase>,
    /// The queue of `process.nextTick`.
    pub(crate) ticks: RefCell<VecDeque<Tick>>,
    /// A tick, timer or immediate threw: ticks and microtasks wait for the next item of a turn.
    pub(crate) holds_ticks: Cell<bool>,
    /// Rejections that are not reported before the microtasks are done.
    pub(crate) rejections: RefCell<Rejections>,
    /// The scripts' function that evaluates a part of the globals.
    pub(crate) load: OnceCell<Value>,
    /// The function of `process` that emits an event.
    pub(crate) listener: OnceCell<Value>,
    pub(crate) buffer_prototype: OnceCell<Value>,
    pub(crate) decoders: RefCell<Decoders>,
    /// What `fs` has open.
    pub(crate) files: RefCell<Files>,
    pub(crate) streams: RefCell<Streams>,
    pub(crate) hashes: RefCell<Hashes>,
    pub(crate) programs: RefCell<Programs>,
    /// What `fs.watch` watches.
    pub(crate) watches: RefCell<Watches>,
    /// The folder from which scripts that are no modules import.
    pub(crate) root: OnceCell<String>,
}

#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) function: Value,
    pub(crate) args: Vec<Value>,
}

/// Where in its round a loop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Timers,
    /// What threads posted.
    Events,
    Immediates,
    /// Threadsafe functions that have come to their end.
    Closing,
}

impl NodeState {
    /// That of this thread's host, if it has one.
    pub(crate) fn current() -> Option<&'static Self> {
        let node: &dyn Any = Host::current()?.node();
        node.downcast_ref()
    }

    /// The same for a native function, which throws where there is none.
    pub(crate) fn of(rt: Runtime) -> JsResult<&'static Self> {
        Self::current()
            .ok_or_else(|| rt.throw(ErrorConstructor::InternalError, "this thread has no host"))
    }

    /// Emits an event of `process`, such as `uncaughtException`; false if it has no listener.
    pub(crate) fn emit(&self, rt: Runtime, event: &str, args: &[&Value]) -> JsResult<bool> {
        let Some(listener) = self.listener.get() else {
            return Ok(false);
        };
        let event = rt.string_utf8(event.as_bytes())?;
        let args: Vec<Value> = std::iter::once(event)
            .chain(args.iter().map(|&arg| arg.clone()))
            .collect();
        let heard = rt.call(listener, &Value::UNDEFINED, &args)?;
        Ok(heard.as_bool().unwrap_or(false))
    }
}
