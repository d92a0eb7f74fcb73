//! The start of a host: engine, tables, hooks, bootstrap.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use hostd_engine::{Options, Runtime, Thrown};

use super::{
    CURRENT, Host, HostOptions, HostState, Inbox, Origin, StartError, Timers, Uv, bootstrap,
    current,
};
use crate::abi::frame::Frames;
use crate::abi::types::napi_node_version;
use crate::abi::{address, exports};
use crate::env::finalizer::Finalizers;
use crate::env::handles::HandleStack;
use crate::env::pins::Pins;
use crate::env::scopes::ScopeStack;
use crate::env::slots::{IdKind, Slots};

/// Makes this thread's host.
pub(super) fn start(options: HostOptions) -> Result<Host, StartError> {
    // Keeps the exported functions in the binary.
    std::hint::black_box(exports::symbols().count());
    address::reserve();
    let engine = Options {
        stack_bytes: options.stack_bytes,
        memory_limit: options.memory_limit,
    };
    let rt = Runtime::new(engine).map_err(StartError::Engine)?;
    let state: &'static HostState = Box::leak(Box::new(HostState {
        rt,
        handles: RefCell::new(HandleStack::new()),
        scopes: RefCell::new(ScopeStack::default()),
        frames: Frames::new(),
        inbox: Arc::new(Inbox::new(options.ring)),
        pins: RefCell::new(Pins::new()),
        finalizers: RefCell::new(Finalizers::new()),
        has_experimental: Cell::new(false),
        last_promise: Cell::new(None),
        async_hooks: RefCell::default(),
        works: RefCell::new(Slots::new(IdKind::AsyncWork)),
        contexts: RefCell::new(Slots::new(IdKind::AsyncContext)),
        timers: RefCell::new(Timers::new()),
        timer_calls: OnceCell::new(),
        phase: Cell::default(),
        round: RefCell::default(),
        holds_ticks: Cell::new(false),
        left_holding: Cell::new(false),
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
        hooks: options.hooks,
        argv: options.argv,
        depth: Cell::new(0),
        closed: Cell::new(false),
        ticks: RefCell::new(VecDeque::new()),
        finalized: RefCell::new(VecDeque::new()),
        rejections: RefCell::default(),
        warned: RefCell::new(HashSet::new()),
        buffer_prototype: OnceCell::new(),
    }));
    CURRENT.set(Some(state));
    install_engine_hooks(rt);
    let host = Host { state };
    bootstrap::install(host).map_err(|thrown| StartError::Bootstrap(describe(rt, &thrown)))?;
    Ok(host)
}

fn install_engine_hooks(rt: Runtime) {
    rt.set_rejection_hook(Some(Rc::new(|_, promise, reason, handled| {
        if let Some(host) = current() {
            host.note_rejection(promise, reason, handled);
        }
    })));
    rt.set_job_error_hook(Some(Rc::new(|_, thrown| {
        if let Some(host) = current() {
            host.uncaught(&thrown, Origin::Microtask);
        }
    })));
}

fn describe(rt: Runtime, thrown: &Thrown) -> String {
    rt.utf8(&thrown.0).map_or_else(
        |_| "an error without text".to_owned(),
        |text| (*text).to_owned(),
    )
}
