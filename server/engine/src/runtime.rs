//! The engine of this thread: its creation, its stack, its memory and its counters.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::hint::black_box;
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};

use hostd_quickjs as q;

use crate::allocator::Heap;
use crate::holds::Nursery;
use crate::intrinsics::Intrinsics;
use crate::recent_keys::RecentKeys;
use crate::slots::Slots;
use crate::state::{EngineError, Hooks, Modules, State, current, set_current};
use crate::{ErrorConstructor, Runtime, Thrown, Value, register, shared_memory};

/// How the engine is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much of the calling thread's stack JavaScript and native calls may use, from the frame
    /// that makes the engine on.
    pub stack_bytes: usize,
    /// The largest heap, in bytes; more is an `InternalError` "out of memory" in the script.
    pub memory_limit: Option<usize>,
}

/// Owns this thread's engine, with all its objects and memory, and frees it.
pub struct Engine {
    state: NonNull<State>,
    /// Freed by [`Drop::drop`], while there is a state.
    heap: ManuallyDrop<Heap>,
}

/// What the engine's heap holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes allocated and not freed.
    pub allocated: u64,
    /// Objects alive.
    pub objects: u64,
    /// The total of [`Runtime::adjust_external`], in bytes.
    pub external: i64,
}

/// How many bytes external memory may grow by before a collection is forced.
const EXTERNAL_GROWTH_MAX: i64 = 64 * 1024 * 1024;

/// The address of a local variable: close enough to the stack pointer.
#[inline]
fn stack_pointer() -> usize {
    let marker = 0_u8;
    black_box(&raw const marker).addr()
}

impl Engine {
    /// Makes the engine of this thread.
    ///
    /// # Errors
    /// This thread has an engine, or there is no memory for one.
    ///
    /// # Safety
    ///
    /// E1: before the engine is dropped, everything that came from it is: no copy of its
    /// [`Runtime`], no [`Value`] and no [`Key`](crate::Key) is used or dropped afterwards.
    pub unsafe fn new(options: Options) -> Result<Engine, EngineError> {
        if current().is_some() {
            return Err(EngineError::AlreadyRunning);
        }
        let heap = Heap::new().ok_or(EngineError::OutOfMemory)?;
        let rt = heap.rt;
        // SAFETY: E1; just made.
        unsafe { q::JS_SetMaxStackSize(rt, options.stack_bytes as _) };
        if let Some(limit) = options.memory_limit {
            // SAFETY: E1; just made.
            unsafe { q::JS_SetMemoryLimit(rt, limit as _) };
        }
        // SAFETY: E1; just made.
        let ctx = unsafe { q::JS_NewContext(rt) };
        if ctx.is_null() {
            return Err(EngineError::OutOfMemory);
        }
        let Some(classes) = register::register(rt) else {
            // SAFETY: E1; nothing refers to it.
            unsafe { q::JS_FreeContext(ctx) };
            return Err(EngineError::OutOfMemory);
        };
        shared_memory::install(rt);
        let state = Box::new(State {
            rt,
            ctx,
            classes,
            intrinsics: OnceCell::new(),
            finalizers: RefCell::default(),
            remote: RefCell::new(None),
            modules: Modules::default(),
            hooks: Hooks::default(),
            brands: Cell::new(0),
            collected: RefCell::default(),
            collector: OnceCell::new(),
            stack_traces: OnceCell::new(),
            negate: OnceCell::new(),
            recent_keys: RecentKeys::default(),
            slots: Slots::default(),
            nursery: Nursery::new(),
            allocator: NonNull::from(heap.allocator()),
            mutations: Cell::new(0),
            read_weight: Cell::new(0),
            stack_limit: stack_pointer().saturating_sub(options.stack_bytes),
            external: Cell::new(0),
            external_at_gc: Cell::new(0),
            on_collection: Cell::new(None),
        });
        let engine = Engine {
            state: NonNull::from(Box::leak(state)),
            heap: ManuallyDrop::new(heap),
        };
        // SAFETY: E1; the drop takes it off.
        unsafe { set_current(engine.state.as_ptr()) };
        engine.runtime().fill()?;
        Ok(engine)
    }

    /// A handle to it.
    pub fn runtime(&self) -> Runtime {
        // SAFETY: E1; handles are not used after the engine is dropped.
        let state = unsafe { self.state.as_ref() };
        Runtime { state }
    }
}

impl Drop for Engine {
    /// Frees the engine. What something still refers to, against E1, is not freed, nor is the engine.
    fn drop(&mut self) {
        {
            // SAFETY: E1; no handle is in use. Finalizers find the state by `current`, and none runs
            // before this borrow ends.
            let state = unsafe { self.state.as_mut() };
            let values = (
                mem::take(&mut state.hooks),
                state.modules.hooks.take(),
                state.remote.take(),
                mem::replace(&mut state.nursery, Nursery::new()),
                mem::take(&mut state.slots),
                state.collected.take(),
                state.collector.take(),
                state.stack_traces.take(),
                state.negate.take(),
                mem::take(&mut state.recent_keys),
                state.intrinsics.take(),
            );
            drop(values);
        }
        let rt = self.runtime();
        rt.set_continuation_data(Value::UNDEFINED);
        // SAFETY: E1; the count of the context that `new` got.
        unsafe { q::JS_FreeContext(rt.ctx()) };
        // SAFETY: E1, E5; the engine is live, and finalizers only move plain words.
        unsafe { q::JS_RunGC(rt.state.rt) };
        // Queued microtasks keep objects alive too, but only until the engine is freed.
        let is_referenced = rt.memory().objects > 0 && !rt.has_microtasks();
        if is_referenced {
            // SAFETY: E1; null.
            unsafe { set_current(ptr::null()) };
            return;
        }
        // SAFETY: E1; it is dropped here only. Its finalizers need the state.
        unsafe { ManuallyDrop::drop(&mut self.heap) };
        // SAFETY: E1; null.
        unsafe { set_current(ptr::null()) };
        // SAFETY: E1; it was leaked in `new`, and nothing refers to it any more.
        drop(unsafe { Box::from_raw(self.state.as_ptr()) });
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl Runtime {
    /// Makes the engine of this thread, which is never freed: a thread has no other one afterwards.
    ///
    /// # Errors
    /// This thread has an engine, or there is no memory for one.
    pub fn new(options: Options) -> Result<Runtime, EngineError> {
        // SAFETY: E1; it is not dropped.
        let engine = ManuallyDrop::new(unsafe { Engine::new(options) }?);
        Ok(engine.runtime())
    }

    /// Captures the built-ins of a new engine, and checks that it is laid out as this crate reads it.
    fn fill(self) -> Result<(), EngineError> {
        if !self.global().count_is_found() {
            return Err(EngineError::Missing("reference counts before its blocks"));
        }
        let intrinsics = Intrinsics::capture(self)?;
        if self.state.intrinsics.set(intrinsics).is_err() {
            return Err(EngineError::AlreadyRunning);
        }
        if !self.string_units_are_found() {
            return Err(EngineError::Missing("code units behind a string's head"));
        }
        self.install_stack_traces()
            .map_err(|_| EngineError::Missing("Error.prepareStackTrace"))?;
        let collector = self
            .make_collector()
            .map_err(|_| EngineError::OutOfMemory)?;
        self.state
            .collector
            .set(collector)
            .map_err(|_| EngineError::AlreadyRunning)?;
        self.install_job_callbacks();
        Ok(())
    }

    /// The version of the engine.
    pub fn version(self) -> &'static str {
        // SAFETY: E1; takes nothing.
        let version = unsafe { q::JS_GetVersion() };
        // SAFETY: E1; the engine returns a static C string.
        let version = unsafe { std::ffi::CStr::from_ptr(version) };
        version.to_str().unwrap_or("unknown")
    }

    /// Returns whether the stack has room for another call. The engine itself checks JavaScript
    /// code only, so calls of native functions check this.
    #[inline]
    pub fn stack_ok(self) -> bool {
        stack_pointer() > self.state.stack_limit
    }

    /// The `RangeError` of an exhausted stack.
    #[cold]
    pub fn stack_overflow(self) -> Thrown {
        self.range_error("Maximum call stack size exceeded")
    }

    /// The global object.
    pub fn global(self) -> Value {
        // SAFETY: E1, E3; it cannot fail.
        Value(unsafe { q::JS_GetGlobalObject(self.ctx()) })
    }

    /// How often JavaScript data may have changed: sets, defines, deletes, calls of functions
    /// that are not native, data pointers handed out. It never goes down.
    #[inline]
    pub fn mutations(self) -> u64 {
        self.state.mutations.get()
    }

    /// Returns whether JavaScript code exists that is not the host's own. Until then
    /// [`mutations`](Self::mutations) counts every change; such code is counted when it is called
    /// and when it returns, not for each change that it makes.
    #[inline]
    pub fn has_foreign_code(self) -> bool {
        self.state.read_weight.get() != 0
    }

    /// Counts a change that the engine does not see.
    #[inline]
    pub fn count_mutation(self) {
        self.state
            .mutations
            .set(self.state.mutations.get().wrapping_add(1));
    }

    /// Counts a property read, which may run a getter once foreign code exists.
    #[inline]
    pub(crate) fn count_read(self) {
        let sum = self
            .state
            .mutations
            .get()
            .wrapping_add(self.state.read_weight.get());
        self.state.mutations.set(sum);
    }

    /// Reports to the collector that the foreign memory which objects keep alive has grown or
    /// shrunk by so many bytes; returns the total.
    pub fn adjust_external(self, change: i64) -> i64 {
        let total = self.state.external.get().saturating_add(change);
        self.state.external.set(total);
        self.count_foreign(u64::try_from(change).unwrap_or(0));
        if total < self.state.external_at_gc.get() {
            self.state.external_at_gc.set(total);
        } else if total.saturating_sub(self.state.external_at_gc.get()) >= EXTERNAL_GROWTH_MAX {
            self.gc();
        }
        total
    }

    /// Has the engine collect cycles of itself only when its heap has so many bytes, or as many as it
    /// would wait for anyway. For what is known to stay.
    pub fn collect_cycles_from(self, bytes: usize) {
        // SAFETY: E1; a plain integer.
        let usual = unsafe { q::JS_GetGCThreshold(self.state.rt) };
        // SAFETY: E1; a plain integer.
        unsafe { q::JS_SetGCThreshold(self.state.rt, usual.max(bytes as _)) };
    }

    /// Measures the heap; it walks all of it.
    pub fn memory(self) -> Memory {
        // SAFETY: E1; plain integers, for which zero is valid.
        let mut usage: q::JSMemoryUsage = unsafe { std::mem::zeroed() };
        // SAFETY: E1; the out-pointer lives on our stack.
        unsafe { q::JS_ComputeMemoryUsage(self.state.rt, &raw mut usage) };
        Memory {
            allocated: usage.malloc_size.unsigned_abs(),
            objects: usage.obj_count.unsigned_abs(),
            external: self.state.external.get(),
        }
    }

    /// Turns a caught panic into an exception.
    #[cold]
    pub(crate) fn panicked(self) -> Thrown {
        self.throw(
            ErrorConstructor::InternalError,
            "the host failed (a defect of the host)",
        )
    }
}
