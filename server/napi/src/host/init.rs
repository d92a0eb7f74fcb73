//! The start of a host: engine and tables.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use hostd_engine::Options;

use super::{
    Host, HostOptions, HostState, Inbox, NodeRuntime, OwnedHost, Profiler, StartError, Uv, profiler,
};
use crate::abi::frame::Frames;
use crate::abi::owned::{self, Owned};
use crate::abi::types::napi_node_version;
use crate::abi::{address, exports};
use crate::env::finalizer::Finalizers;
use crate::env::handles::HandleStack;
use crate::env::pins::Pins;
use crate::env::scopes::ScopeStack;
use crate::env::slots::{IdKind, Slots};

impl Host {
    /// Makes this thread's engine and host. `hostd_node::start` does, with Node's globals.
    ///
    /// # Errors
    /// The engine cannot start, or this thread has one.
    #[expect(clippy::new_ret_no_self, reason = "a host comes with its owner")]
    pub fn new(options: HostOptions, node: Box<dyn NodeRuntime>) -> Result<OwnedHost, StartError> {
        // Keeps the exported functions in the binary.
        std::hint::black_box(exports::symbols().count());
        address::reserve();
        let options_of_engine = Options {
            stack_bytes: options.stack_bytes,
            memory_limit: options.memory_limit,
        };
        let engine = owned::engine(options_of_engine).map_err(StartError::Engine)?;
        if options.profile {
            engine.runtime().on_collection(profiler::collection);
        }
        let state = Owned::new(HostState {
            rt: engine.runtime(),
            handles: RefCell::new(HandleStack::new()),
            scopes: RefCell::new(ScopeStack::default()),
            frames: Frames::new(),
            inbox: Arc::new(Inbox::new(options.request_turn)),
            pins: RefCell::new(Pins::new()),
            finalizers: RefCell::new(Finalizers::new()),
            has_experimental: Cell::new(false),
            last_promise: Cell::new(None),
            async_hooks: RefCell::default(),
            works: RefCell::new(Slots::new(IdKind::AsyncWork)),
            tasks: RefCell::default(),
            contexts: RefCell::new(Slots::new(IdKind::AsyncContext)),
            round: RefCell::default(),
            left_holding: Cell::new(false),
            defers_microtasks: Cell::new(false),
            uv: Uv::default(),
            callback_scopes: RefCell::default(),
            scope_floor: Cell::new(0),
            scope_serial: Cell::new(0),
            grace: options.grace,
            node_version: options.node_version,
            node_version_for_c: napi_node_version {
                major: options.node_version.major,
                minor: options.node_version.minor,
                patch: options.node_version.patch,
                release: c"node".as_ptr(),
            },
            row: Cell::new(None),
            envs: RefCell::new(Vec::new()),
            debug: options.debug.then(super::debug::Debug::new),
            recent: options.keeps_calls.then(super::recent::RecentRows::new),
            profiler: options.profile.then(|| Box::new(Profiler::new())),
            hooks: options.hooks,
            node,
            argv: options.argv,
            depth: Cell::new(0),
            closed: Cell::new(false),
            finalized: RefCell::new(VecDeque::new()),
            warned: RefCell::new(HashSet::new()),
        });
        Ok(OwnedHost::new(state, engine))
    }
}
