//! The state of an engine, which its handles share, and the hooks of the host in it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use hostd_quickjs as q;
use rustc_hash::FxHashMap;

use crate::allocator::Allocator;
use crate::classes::Classes;
use crate::finalizers::Finalizers;
use crate::holds::Nursery;
use crate::intrinsics::Intrinsics;
use crate::large_blocks::LargeBlocks;
use crate::module_record::Module;
use crate::recent_keys::RecentKeys;
use crate::slots::Slots;
use crate::stack_trace::StackTraces;
use crate::thread;
use crate::{JsResult, Key, Thrown, Value};

thread_local! {
    static CURRENT: Cell<*const State> = const { Cell::new(ptr::null()) };
}

/// Why an engine could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// This thread has one already.
    #[error("this thread already has a JavaScript engine; a thread has one at a time")]
    AlreadyRunning,
    /// The system has no memory for one, or the limit given is too small.
    #[error("no memory for a JavaScript engine; raise the memory limit")]
    OutOfMemory,
    /// Another engine version than the one this crate was written for.
    #[error("the JavaScript engine lacks {0}; this build is broken")]
    Missing(&'static str),
}

/// A handle to this thread's engine.
#[derive(Clone, Copy)]
pub struct Runtime {
    pub(crate) state: &'static State,
}

pub(crate) struct State {
    pub(crate) rt: *mut q::JSRuntime,
    pub(crate) ctx: *mut q::JSContext,
    pub(crate) classes: Classes,
    pub(crate) intrinsics: OnceCell<Intrinsics>,
    pub(crate) finalizers: RefCell<Finalizers>,
    pub(crate) remote: RefCell<Option<Rc<dyn RemoteHooks>>>,
    pub(crate) hooks: Hooks,
    pub(crate) modules: Modules,
    pub(crate) brands: Cell<u32>,
    /// Where values that a native callback collects go (see `collection`).
    pub(crate) collected: RefCell<Vec<Value>>,
    pub(crate) collector: OnceCell<Value>,
    pub(crate) stack_traces: OnceCell<StackTraces>,
    /// Negation of bigints, made when first needed.
    pub(crate) negate: OnceCell<Value>,
    pub(crate) recent_keys: RecentKeys,
    pub(crate) slots: Slots,
    pub(crate) nursery: Nursery,
    /// Lives as long as the state (E14).
    pub(crate) allocator: NonNull<Allocator>,
    pub(crate) mutations: Cell<u64>,
    /// What a property read adds to `mutations`: 1 once foreign code exists, whose getters may
    /// write.
    pub(crate) read_weight: Cell<u64>,
    pub(crate) stack_limit: usize,
    pub(crate) external: Cell<i64>,
    pub(crate) external_at_gc: Cell<i64>,
    /// What runs each collection, if something else than the engine does.
    pub(crate) on_collection: Cell<Option<RunCollection>>,
}

/// Runs a collection, by calling what it is given once.
pub(crate) type RunCollection = fn(&mut dyn FnMut());

impl State {
    /// Starts a new count of the growth of external memory, because garbage is collected now.
    pub(crate) fn reset_external(&self) {
        self.external_at_gc.set(self.external.get());
    }

    #[inline]
    pub(crate) fn allocator(&self) -> &Allocator {
        // SAFETY: E14; the allocator is freed with the state.
        unsafe { self.allocator.as_ref() }
    }

    pub(crate) fn large_blocks(&self) -> &Rc<LargeBlocks> {
        &self.allocator().large
    }
}

#[inline]
pub(crate) fn current() -> Option<&'static State> {
    // SAFETY: E1; null, or the state of this thread's engine, which is not freed before it is taken
    // out of here.
    unsafe { CURRENT.get().as_ref() }
}

/// Makes it the state of this thread's engine; null takes it off.
///
/// # Safety
///
/// E1: it is null, or a state that is not freed before it is taken off.
pub(crate) unsafe fn set_current(state: *const State) {
    // SAFETY: E1; null, or a state that is live.
    let engine = unsafe { state.as_ref() }.map_or(ptr::null_mut(), |state| state.rt);
    thread::set_engine(engine);
    CURRENT.set(state);
}

/// As [`set_current`]; returns what was there.
///
/// # Safety
///
/// As for [`set_current`].
pub(crate) unsafe fn replace_current(state: *const State) -> *const State {
    let before = CURRENT.get();
    // SAFETY: the caller keeps the condition.
    unsafe { set_current(state) };
    before
}

impl Runtime {
    /// The engine of this thread, if it was made.
    #[inline]
    pub fn current() -> Option<Runtime> {
        current().map(|state| Runtime { state })
    }

    #[inline]
    pub(crate) fn ctx(self) -> *mut q::JSContext {
        self.state.ctx
    }

    /// The captured built-ins. While they are being captured, a few operations that need them
    /// are not used.
    #[inline]
    pub(crate) fn intrinsics(self) -> &'static Intrinsics {
        match self.state.intrinsics.get() {
            Some(intrinsics) => intrinsics,
            None => missing(),
        }
    }

    /// What recording and formatting of stacks need; fails while an engine is being made.
    pub(crate) fn stack_traces(self) -> JsResult<&'static StackTraces> {
        let traces = self.state.stack_traces.get();
        traces.ok_or_else(|| Thrown(Value::UNDEFINED))
    }

    /// The captured built-ins; `None` while they are being captured.
    #[inline]
    pub(crate) fn try_intrinsics(self) -> Option<&'static Intrinsics> {
        self.state.intrinsics.get()
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "Runtime::new hands out no runtime before the capture is done"
)]
fn missing() -> ! {
    panic!("the built-ins are not captured yet")
}

impl Runtime {
    /// The original `Object.prototype`.
    pub fn object_prototype(self) -> &'static Value {
        &self.intrinsics().object_prototype
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

/// Returns whether JavaScript must stop.
pub type InterruptHook = Rc<dyn Fn() -> bool>;
/// Called for a rejected promise, with the promise, the reason, and whether it is handled.
pub type RejectionHook = Rc<dyn Fn(Runtime, &Value, &Value, bool)>;
/// Called for an exception that a microtask threw.
pub type JobErrorHook = Rc<dyn Fn(Runtime, Thrown)>;

/// The host's hooks.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) interrupt: RefCell<Option<InterruptHook>>,
    pub(crate) rejection: RefCell<Option<RejectionHook>>,
    pub(crate) job_error: RefCell<Option<JobErrorHook>>,
}

/// The operations of remote objects. Hooks may run JavaScript and throw.
pub trait RemoteHooks {
    /// Reads an own property; `None` if there is none.
    fn get(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<Option<Value>>;
    /// Returns whether there is such an own property.
    fn has(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<bool>;
    /// Writes a property; false if that is refused.
    fn set(&self, rt: Runtime, id: u64, key: &Key, value: &Value) -> JsResult<bool>;
    /// Deletes a property; false if that is refused.
    fn delete(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<bool>;
    /// Lists the own properties, integer keys first. For `Object.keys` and the like the engine
    /// then calls `get` for each of them.
    fn own_keys(&self, rt: Runtime, id: u64) -> JsResult<Vec<Key>>;
    /// Reads the `length` of a native function with this data that was made without one.
    fn length(&self, rt: Runtime, words: [usize; 3]) -> JsResult;
    /// Calls the object (`RemoteClass::Function` only).
    fn call(&self, rt: Runtime, id: u64, this: &Value, args: &[Value]) -> JsResult;
}

/// What a module is.
#[derive(Debug)]
pub enum ModuleSource {
    /// The text of an ES module, a string.
    Text(Value),
    /// Values that are exported by name.
    Exports {
        /// The names.
        names: Vec<String>,
        /// The function that is called when the module is evaluated, and returns an array of the
        /// values in the order of the names.
        evaluate: Value,
    },
}

/// Where modules come from.
pub trait ModuleHooks {
    /// The URL that a specifier means in a module or script. It is the name of the module.
    fn resolve(
        &self,
        rt: Runtime,
        specifier: &str,
        base: &str,
        attributes: &Value,
    ) -> JsResult<String>;
    /// What a module of that URL is.
    fn load(&self, rt: Runtime, url: &str, attributes: &Value) -> JsResult<ModuleSource>;
    /// Fills the `import.meta` of a module.
    fn fill_meta(&self, rt: Runtime, url: &str, meta: &Value) -> JsResult<()>;
}

/// The modules of an engine.
#[derive(Default)]
pub(crate) struct Modules {
    pub(crate) hooks: RefCell<Option<Rc<dyn ModuleHooks>>>,
    /// E17: the modules that the engine has, by name and address.
    pub(crate) known: RefCell<FxHashMap<String, Module>>,
    /// What is imported by the module or script that the engine asked for last.
    pub(crate) base: RefCell<String>,
}
