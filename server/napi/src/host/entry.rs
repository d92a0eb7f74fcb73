//! Entries and turns of a host: how an embedder runs JavaScript, takes a turn, collects and closes.
//!
//! The outermost entry's end is where next ticks, microtasks and finalizers run, because nothing of
//! an addon is on the stack then.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use hostd_engine::{ElementType, FinalizerToken, JsResult, Runtime, Thrown, Value};

use super::{Budget, Host, HostState, Origin, Profiler, Settled};
use crate::env::Env;
use crate::env::finalizer::{Finalizer, Owner, TAG_FINALIZER};
use crate::env::slots::{IdKind, pack};

/// How many rounds of follow-up work one exit does before the rest has to wait for a turn.
const MAX_ROUNDS: usize = 1000;
/// How often garbage is collected at most where finalizers make more of it each time.
const MAX_COLLECTIONS: usize = 100;

impl Host {
    /// Runs `f` with the engine. Leaving the outermost entry runs what is due: next ticks,
    /// microtasks, then the finalizers of what died.
    pub fn enter<R>(&self, f: impl FnOnce(Runtime) -> R) -> R {
        let state = self.state;
        let depth = Depth::enter(state);
        if depth.is_outermost() {
            state.uv.enter();
            state.left_holding.set(false);
        }
        let result = f(state.rt);
        if depth.is_outermost()
            && state.is_unsettled()
            && !state.left_holding.get()
            && !state.defers_microtasks.get()
        {
            state.settle();
        }
        result
    }

    /// Runs `f` as nested: for an embedder that waits in the middle of JavaScript and serves other calls
    /// meanwhile. A callback of libuv, which is outermost itself, may have called that JavaScript.
    pub fn nest<R>(&self, f: impl FnOnce() -> R) -> R {
        let _depth = Depth::enter(self.state);
        f()
    }

    /// Reports what the embedder's remote objects and shared memory are no longer used by, now. Runs no
    /// code of an addon.
    pub fn report_unused(&self) {
        let state = self.state;
        state.handles.borrow_mut().forget_ended();
        state.note_finalized();
        let all = state.finalized.take();
        let (finalizers, unused) = all
            .into_iter()
            .partition(|token| token.tag == TAG_FINALIZER);
        state.finalized.replace(finalizers);
        let unused: VecDeque<FinalizerToken> = unused;
        for token in unused {
            state.hooks.finalized(state.rt, &token);
        }
    }

    /// Runs what is due although nothing was done, as where something has died since the last
    /// entry: an entry without an item.
    pub fn tidy(&self) {
        if !self.state.node.holds_ticks() {
            self.enter(|_| ());
        }
    }

    /// Whether a turn has something to do.
    pub fn has_pending(&self) -> bool {
        let state = self.state;
        state.inbox.is_filled()
            || state.node.is_due()
            || state.is_unsettled()
            || state.uv.is_due()
            || state.round.borrow().is_closing()
    }

    /// Has the microtasks and ticks that wait, and those that are added to them, run in the next turn and
    /// not at the end of an entry. Does nothing if none waits, or if JavaScript waits further down.
    pub fn defer_microtasks(&self) {
        let state = self.state;
        if state.is_unsettled() && !state.is_nested() {
            state.defers_microtasks.set(true);
        }
    }

    /// Runs the microtasks and ticks that were deferred, unless JavaScript waits further down.
    pub fn run_deferred_microtasks(&self) {
        let state = self.state;
        if !state.is_nested() && state.defers_microtasks.replace(false) {
            state.settle_item();
        }
    }

    /// Whether JavaScript waits further down, so that no turn can be taken.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        self.state.is_nested()
    }

    /// Runs what is due, within bounds: timers, what threads posted,
    /// immediates. True if more is left. Called from inside JavaScript it does nothing.
    pub fn turn(&self, max_items: usize, max: Duration) -> bool {
        let state = self.state;
        // JavaScript that waits on the stack runs to completion first.
        if state.is_nested() || state.is_closed() || max_items == 0 {
            return self.has_pending();
        }
        // One entry deep, whether or not the caller has entered: that is where items are settled.
        state.defers_microtasks.set(false);
        let _depth = state.is_idle().then(|| Depth::enter(state));
        let mut budget = Budget::new(max_items, max);
        state.node.turn(*self, &mut budget);
        state.left_holding.set(state.node.holds_ticks());
        self.has_pending()
    }

    /// Collects garbage, and all unreachable objects whose death was delayed, until there are none:
    /// finalizers may drop others. Called from inside JavaScript it runs no finalizers. Gives shared memory
    /// that is kept for later buffers back to the system.
    pub fn collect(&self) {
        let state = self.state;
        let _depth = state.is_idle().then(|| Depth::enter(state));
        for _ in 0..MAX_COLLECTIONS {
            if !state.collect() || state.is_nested() {
                break;
            }
            state.settle_item();
        }
        state.rt.trim_shared();
    }

    /// Releases unreachable objects whose death was delayed, if it is time to. True if a turn is to be
    /// asked for, which runs their finalizers. Called from inside JavaScript it does nothing.
    pub fn age(&self) -> bool {
        let state = self.state;
        if !state.is_idle() {
            return false;
        }
        state.handles.borrow_mut().forget_ended();
        state.rt.age(Instant::now());
        state.is_unsettled()
    }

    /// Whether something about the object is known only by its identity: a wrap, a type tag, a
    /// finalizer, a live strong reference. Such an object is not plain data.
    pub fn is_pinned(&self, value: &Value) -> bool {
        let Some(address) = value.identity() else {
            return false;
        };
        if self.state.rt.is_pinned(value) {
            return true;
        }
        let mut pins = self.state.pins.borrow_mut();
        pins.contains(address, || {
            let mut all = HashSet::new();
            for env in self.state.envs() {
                let references = env.references.borrow();
                all.extend(references.iter().filter_map(|(_, one)| one.pinned()));
            }
            all
        })
    }

    /// Whether the value is an `ArrayBufferView` that inherits from `Buffer.prototype`.
    pub fn is_buffer(&self, value: &Value) -> bool {
        let rt = self.state.rt;
        let Some(buffer) = self.state.node.buffer_prototype() else {
            return false;
        };
        let mut holder = value.clone();
        if rt.element_type(value).is_none() {
            return false;
        }
        while let Ok(prototype) = rt.prototype_no_trap(&holder) {
            if !prototype.is_object() {
                return false;
            }
            if prototype.identity() == buffer.identity() {
                return true;
            }
            holder = prototype;
        }
        false
    }

    /// Makes a `Buffer` that owns these bytes.
    pub fn buffer(&self, bytes: Vec<u8>) -> JsResult {
        let memory = self.state.rt.array_buffer_from(bytes)?;
        self.buffer_over(&memory)
    }

    /// Makes a `Buffer` over an array buffer.
    pub fn buffer_over(&self, memory: &Value) -> JsResult {
        let length = self.state.rt.byte_length(memory).unwrap_or(0);
        self.state.buffer_over(memory, 0, length)
    }

    /// Ends every environment in Node's order: async work, buffers' finalizers, cleanup hooks, threadsafe
    /// functions, all other finalizers. JavaScript of addons cannot run from then on.
    pub fn close(&self) {
        let state = self.state;
        if state.closed.replace(true) {
            return;
        }
        let _depth = Depth::enter(state);
        let now = Instant::now();
        let end = now.checked_add(state.grace).unwrap_or(now);
        for env in state.envs().into_iter().rev() {
            env.close(state, end);
        }
    }
}

impl HostState {
    /// Whether no entry is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.depth.get() == 0
    }

    /// Whether something is due at the end of an entry.
    pub(super) fn is_unsettled(&self) -> bool {
        self.rt.has_microtasks()
            || self.rt.has_finalized()
            || !self.finalized.borrow().is_empty()
            || self.node.is_unsettled()
    }

    /// Whether JavaScript may be waiting on the stack below the innermost entry.
    pub(super) fn is_nested(&self) -> bool {
        self.depth.get() > 1
    }

    /// Whether the host was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// What follows each item of a turn. JavaScript cannot run at the end, so nothing follows then.
    #[inline]
    pub(crate) fn settle_item(&'static self) {
        if self.is_unsettled() && !self.is_nested() && !self.is_closed() {
            self.settle();
        }
    }

    /// Opens a callback scope; gives its id.
    pub(crate) fn open_callback_scope(&self) -> usize {
        self.depth.set(self.depth.get() + 1);
        let serial = self.scope_serial.get().wrapping_add(1);
        self.scope_serial.set(serial);
        let mut open = self.callback_scopes.borrow_mut();
        let id = pack(
            IdKind::CallbackScope,
            serial,
            u32::try_from(open.len()).unwrap_or(u32::MAX - 1),
        );
        open.push(id);
        id
    }

    /// Closes the innermost callback scope, which must be this one. Closing the outermost one runs
    /// what is due.
    pub(crate) fn close_callback_scope(&'static self, id: usize) -> bool {
        {
            let mut open = self.callback_scopes.borrow_mut();
            if open.len() <= self.scope_floor.get() || open.last() != Some(&id) {
                return false;
            }
            open.pop();
        }
        self.leave_callback_scope();
        true
    }

    fn leave_callback_scope(&'static self) {
        self.settle_item();
        self.depth.set(self.depth.get() - 1);
    }

    /// Starts a call into the addon: callback scopes below are its callers'. Gives the floor to come
    /// back to.
    #[inline]
    pub(super) fn raise_scope_floor(&self) -> usize {
        self.scope_floor
            .replace(self.callback_scopes.borrow().len())
    }

    /// Ends a call into the addon: closes the callback scopes it left open; true if there were any.
    #[inline]
    pub(super) fn restore_scope_floor(&'static self, outer: usize) -> bool {
        let floor = self.scope_floor.replace(outer);
        let left_open = self.callback_scopes.borrow().len() > floor;
        if left_open {
            self.drop_callback_scopes(floor);
        }
        left_open
    }

    #[cold]
    fn drop_callback_scopes(&'static self, floor: usize) {
        while self.callback_scopes.borrow().len() > floor {
            self.callback_scopes.borrow_mut().pop();
            self.leave_callback_scope();
        }
    }

    /// Runs what is due: next ticks, microtasks, rejections that stayed unhandled, finalizers, and
    /// what those made due.
    #[cold]
    fn settle(&'static self) {
        for _ in 0..MAX_ROUNDS {
            self.run_basic_finalizers();
            match self.node.settle(Host { state: self }) {
                Settled::Held => return,
                Settled::Again => continue,
                Settled::Done => {}
            }
            self.run_finalizers();
            if !self.is_unsettled() {
                return;
            }
        }
        self.inbox.request_turn();
    }

    /// Collects garbage, and runs the finalizers that Node runs while it does. Whether there were any
    /// finalizers.
    pub(crate) fn collect(&'static self) -> bool {
        self.handles.borrow_mut().forget_ended();
        self.rt.gc();
        let has_finalized = self.rt.has_finalized();
        self.run_basic_finalizers();
        has_finalized
    }

    /// Takes over the tokens of what died until now.
    fn note_finalized(&self) {
        let mut tokens = Vec::new();
        self.rt.take_finalized(&mut tokens);
        self.finalized.borrow_mut().extend(tokens);
    }

    /// Runs those finalizers of what died that Node runs during the collection itself: of objects of
    /// experimental addons. They cannot touch the engine, so JavaScript may wait below.
    fn run_basic_finalizers(&'static self) {
        if !self.has_experimental.get() {
            return;
        }
        loop {
            self.note_finalized();
            let all = self.finalized.take();
            let (basic, others) = all
                .into_iter()
                .partition(|token| self.is_basic_token(token));
            self.finalized.replace(others);
            let basic: VecDeque<FinalizerToken> = basic;
            if basic.is_empty() {
                return;
            }
            let _finalizers = self.profiler.as_deref().map(Profiler::finalizers);
            for token in basic {
                self.run_token(&token);
            }
        }
    }

    fn is_basic_token(&self, token: &FinalizerToken) -> bool {
        let finalizers = self.finalizers.borrow();
        let entry = finalizers.get(token.words[0]);
        token.tag == TAG_FINALIZER && entry.is_some_and(|entry| self.is_basic(entry))
    }

    /// Whether Node runs a finalizer during the collection itself. Those of buffers and those that
    /// were posted wait in any case.
    fn is_basic(&self, finalizer: &Finalizer) -> bool {
        matches!(finalizer.owner, Owner::Wrap | Owner::Object)
            && self
                .env_by_id(finalizer.env)
                .is_some_and(Env::is_experimental)
    }

    /// Runs the finalizers of everything that died until now.
    fn run_finalizers(&'static self) {
        let mut finalizers = None;
        loop {
            self.note_finalized();
            let token = self.finalized.borrow_mut().pop_front();
            let Some(token) = token else { return };
            if token.tag != TAG_FINALIZER {
                self.hooks.finalized(self.rt, &token);
                continue;
            }
            if finalizers.is_none() {
                finalizers = self.profiler.as_deref().map(Profiler::finalizers);
            }
            self.run_token(&token);
        }
    }

    fn run_token(&'static self, token: &FinalizerToken) {
        let [id, ..] = token.words;
        // It may be gone already: a removed wrap, a deleted reference.
        let finalizer = self.finalizers.borrow_mut().remove(id);
        let Some(finalizer) = finalizer else { return };
        if let Some(profiler) = self.profiler.as_deref() {
            profiler.count_finalizer();
        }
        match self.env_by_id(finalizer.env) {
            Some(env) if self.is_basic(&finalizer) => {
                env.with_basic_only(|| self.run_finalizer(&finalizer));
            }
            _ => self.run_finalizer(&finalizer),
        }
    }

    /// Makes a finalizer due without an object.
    pub(crate) fn post_finalizer(&self, id: usize) {
        let token = crate::env::finalizer::token(id);
        self.finalized.borrow_mut().push_back(token);
        if self.is_idle() {
            self.inbox.request_turn();
        }
    }

    /// Calls a finalizer that was taken out of the table.
    pub(crate) fn run_finalizer(&'static self, finalizer: &Finalizer) {
        let Finalizer { data, hint, .. } = *finalizer;
        if let (Some(env), Some(finalize)) = (self.env_by_id(finalizer.env), finalizer.call) {
            self.call_native(env, Origin::Finalizer, || {
                finalize.call(env.raw, data, hint);
            });
        }
    }

    /// See [`super::Host::uncaught`].
    pub(crate) fn uncaught(&self, thrown: &Thrown, origin: Origin) {
        let heard = !thrown.is_uncatchable() && self.node.uncaught(self.rt, thrown, origin);
        if !heard {
            self.hooks.uncaught(self.rt, &thrown.0, origin);
        }
    }

    /// Makes a `Buffer` over a part of an array buffer.
    pub(crate) fn buffer_over(&self, memory: &Value, offset: usize, length: usize) -> JsResult {
        let rt = self.rt;
        let view = rt.typed_array(ElementType::Uint8, memory, offset, length)?;
        if self.node.buffer_prototype().is_none() {
            self.node.load_buffer(rt)?;
        }
        if let Some(prototype) = self.node.buffer_prototype() {
            rt.set_prototype(&view, prototype)?;
        }
        Ok(view)
    }
}

/// Counts an entry, also when it unwinds.
pub(super) struct Depth {
    host: &'static HostState,
    outer: u32,
}

impl Depth {
    #[inline]
    pub(super) fn enter(host: &'static HostState) -> Self {
        let outer = host.depth.get();
        host.depth.set(outer + 1);
        Self { host, outer }
    }

    /// Has what comes be outermost, although something has entered.
    pub(super) fn suspend(host: &'static HostState) -> Self {
        let outer = host.depth.replace(0);
        Self { host, outer }
    }

    #[inline]
    fn is_outermost(&self) -> bool {
        self.host.depth.get() == 1
    }
}

impl Drop for Depth {
    #[inline]
    fn drop(&mut self) {
        self.host.depth.set(self.outer);
    }
}
