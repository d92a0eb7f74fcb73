//! The start of a session on its thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hostd_napi::{Host, HostOptions};
use hostd_protocol::ids::CallId;
use hostd_protocol::limits::Limits;

use super::intrinsics::Intrinsics;
use super::tables::ObjectTables;
use super::turn_requests::TurnRequests;
use super::{CURRENT, Session, SessionError, SessionOptions, hooks, iterators};

/// The deepest nesting of values whatever the client states: decoding and encoding recurse.
const DEPTH_MAX: u32 = 1024;

impl Session {
    /// Makes this thread's engine, host and session.
    ///
    /// # Errors
    /// The engine cannot start, or this thread has a session already.
    pub fn start(options: SessionOptions) -> Result<Rc<Self>, SessionError> {
        if Self::current().is_some() {
            return Err(SessionError::AlreadyServing);
        }
        let turn_requests = Arc::new(TurnRequests::new(
            options.end.waker(),
            options.wake_pipe,
            options.on_wake,
        ));
        // Weak: threads of the addon may outlive the session, and the requests map shared memory.
        let requests = Arc::downgrade(&turn_requests);
        let owner = hostd_node::start(HostOptions {
            stack_bytes: options.stack_bytes,
            argv: vec!["napi-hostd".to_owned()],
            debug: options.debug,
            keeps_calls: options.keeps_calls,
            profile: options.profile,
            request_turn: Arc::new(move || {
                if let Some(requests) = requests.upgrade() {
                    requests.request();
                }
            }),
            ..HostOptions::new(Box::new(hooks::Hooks))
        })?;
        let (host, rt) = (*owner, owner.runtime());
        let intrinsics = Intrinsics::capture(rt, hooks::call_callable, iterators::step_of_client)
            .map_err(|_| SessionError::Intrinsics)?;
        let limits = Limits {
            depth: options.limits.depth.min(DEPTH_MAX),
            ..options.limits
        };
        let session = Rc::new(Self {
            host,
            rt,
            tables: ObjectTables::new(host, intrinsics, &limits, options.memory),
            generation: options.generation,
            limits,
            hooks: options.hooks,
            end: RefCell::new(options.end),
            turn_requests,
            watches: Cell::new(0),
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
            poisoned: Cell::new(false),
            loaded: Cell::new(false),
            announced_at: Cell::new(None),
            reminders: Cell::new(0),
            by_wake_pipe: Cell::new(false),
            flush_retries: Cell::new(0),
            served: Cell::new(0),
            is_measured: Cell::new(false),
            asked: Cell::new(0),
            _owner: owner,
        });
        session.end.borrow_mut().on_idle(Host::idle);
        CURRENT.set(Rc::downgrade(&session));
        hooks::install(&session);
        Ok(session)
    }
}
