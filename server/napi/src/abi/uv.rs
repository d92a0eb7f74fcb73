//! libuv's loop as the host uses it.
//!
//! The order of a round is Node's: what threads posted is served right before polling, immediates
//! run right after it. libuv calls the handle that was started first last, so two handles of ours
//! that are older than any addon's mark these two moments.

use std::alloc::{Layout, handle_alloc_error};
use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::barrier::guarded_call;
use super::libuv::{
    Functions, Libuv, Raw, uv_handle_get_data, uv_handle_set_data, uv_handle_size, uv_loop_size,
};
use super::owned::Owned;

const CHECK: c_uint = 2;
const IDLE: c_uint = 6;
const PREPARE: c_uint = 9;
const RUN_DEFAULT: usize = 0;
const RUN_NOWAIT: c_int = 2;
/// How many handles of ours are in a loop.
const OURS: usize = 3;

/// What the host runs in each round of the loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundHooks {
    /// Right before polling.
    pub(crate) before: fn(),
    /// Right after polling.
    pub(crate) after: fn(),
}

/// The data of our handles in the loop.
struct Shared {
    uv: &'static Functions,
    raw: Raw,
    hooks: RoundHooks,
    /// Whether the host runs the loop, and not an addon.
    running: Cell<bool>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// A loop of libuv's. The drop closes it, unless something of an addon is in it.
pub(crate) struct Loop {
    /// Freed with the loop.
    shared: ManuallyDrop<Owned<Shared>>,
    prepare: Raw,
    check: Raw,
    idle: Raw,
    is_default: bool,
}

/// Whether a host has the process's default loop.
static DEFAULT_TAKEN: AtomicBool = AtomicBool::new(false);

impl Loop {
    /// Opens the loop of this thread's host, of the libuv that addons call: the default loop if no
    /// other host has it, as for Node's main thread, else a new one. `None` without free descriptors.
    pub(crate) fn open(libuv: &'static Libuv, hooks: RoundHooks) -> Option<Self> {
        let uv = libuv.functions();
        let is_default = !DEFAULT_TAKEN.swap(true, Ordering::AcqRel);
        let raw = if is_default {
            // SAFETY: A7; one host at a time comes here.
            let raw = unsafe { (uv.uv_default_loop)() };
            if raw.is_null() {
                DEFAULT_TAKEN.store(false, Ordering::Release);
                return None;
            }
            raw
        } else {
            own_loop(uv)?
        };
        let shared = Owned::new(Shared {
            uv,
            raw,
            hooks,
            running: Cell::new(false),
            panic: Cell::new(None),
        });
        let data = std::ptr::from_ref(shared.get()).cast_mut().cast();
        let (prepare, check, idle) = (handle(PREPARE), handle(CHECK), handle(IDLE));
        // SAFETY: A7; the memory is as large as libuv says. These calls cannot fail.
        unsafe { (uv.uv_prepare_init)(raw, prepare) };
        // SAFETY: A7; as above.
        unsafe { (uv.uv_check_init)(raw, check) };
        // SAFETY: A7; as above.
        unsafe { (uv.uv_idle_init)(raw, idle) };
        for ours in [prepare, check, idle] {
            // SAFETY: A7; what is pointed to is freed after the handle.
            unsafe { uv_handle_set_data(ours, data) };
        }
        // SAFETY: A7; the callback takes what was set as data above.
        unsafe { (uv.uv_prepare_start)(prepare, before_polling) };
        // SAFETY: A7; as above.
        unsafe { (uv.uv_check_start)(check, after_polling) };
        for ours in [prepare, check] {
            // SAFETY: A7; an addon that runs the loop until nothing is left does not wait for ours.
            unsafe { (uv.uv_unref)(ours) };
        }
        Some(Self {
            shared: ManuallyDrop::new(shared),
            prepare,
            check,
            idle,
            is_default,
        })
    }

    fn uv(&self) -> &'static Functions {
        self.shared.get().uv
    }

    /// The `uv_loop_t` for `napi_get_uv_event_loop`.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.shared.get().raw
    }

    /// Whether a round of [`Loop::run_once`] is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.shared.get().running.get()
    }

    /// Runs one round without waiting: timers, polling with what belongs in its middle, closing
    /// callbacks, timers.
    pub(crate) fn run_once(&self) {
        if self.is_running() {
            return;
        }
        let shared = self.shared.get();
        shared.running.set(true);
        // An idle handle keeps the loop from waiting, and from ending before it polls.
        // SAFETY: A7; our handle, on the thread of its loop; the callback does nothing.
        unsafe { (self.uv().uv_idle_start)(self.idle, nothing) };
        // SAFETY: A7; `before_polling` stops the loop after this round. No exception of an addon's
        // callback passes the barrier.
        unsafe {
            guarded_call(
                shared.raw.expose_provenance(),
                RUN_DEFAULT,
                0,
                0,
                self.uv().uv_run as *const (),
            )
        };
        // SAFETY: A7; our handle, on the thread of its loop.
        unsafe { (self.uv().uv_idle_stop)(self.idle) };
        shared.running.set(false);
        if let Some(panic) = shared.panic.take() {
            resume_unwind(panic);
        }
    }

    /// Updates the loop's time, from which its timers count.
    pub(crate) fn update_time(&self) {
        // SAFETY: A7; our loop, on its thread.
        unsafe { (self.uv().uv_update_time)(self.raw()) };
    }

    /// How long until the loop's next timer; `None` without one.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        // The timeout of a loop without referenced handles is 0, so one of ours is referenced.
        // SAFETY: A7; our loop, on its thread.
        unsafe { (self.uv().uv_ref)(self.prepare) };
        // SAFETY: A7; our handle, on the thread of its loop.
        let timeout = unsafe { (self.uv().uv_backend_timeout)(self.raw()) };
        // SAFETY: A7; our handle, on the thread of its loop.
        unsafe { (self.uv().uv_unref)(self.prepare) };
        u64::try_from(timeout).ok().map(Duration::from_millis)
    }

    /// Returns whether a handle or request of an addon keeps the loop alive.
    pub(crate) fn is_alive(&self) -> bool {
        // SAFETY: A7; our loop, on its thread.
        unsafe { (self.uv().uv_loop_alive)(self.raw()) != 0 }
    }

    /// The descriptor that becomes readable when the loop has events. It is used no longer than the
    /// loop lives.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'static> {
        // SAFETY: A7; our loop, on its thread.
        let descriptor = unsafe { (self.uv().uv_backend_fd)(self.raw()) };
        // SAFETY: A7, A10; a loop that is open has one.
        unsafe { BorrowedFd::borrow_raw(descriptor) }
    }

    fn handles(&self) -> usize {
        let mut count = 0_usize;
        // SAFETY: A7; our loop, on its thread; the callback counts in our local variable.
        unsafe { (self.uv().uv_walk)(self.raw(), count_handle, (&raw mut count).cast()) };
        count
    }

    /// Closes the loop; false if that is not possible.
    fn close(&self) -> bool {
        if self.is_alive() || self.handles() > OURS {
            return false;
        }
        for ours in [self.prepare, self.check, self.idle] {
            // SAFETY: A7; our handle, on the thread of its loop; the callback does nothing.
            unsafe { (self.uv().uv_close)(ours, nothing) };
        }
        // SAFETY: A7; our loop, on its thread. Nothing is in it but our handles, which are closing.
        unsafe { (self.uv().uv_run)(self.raw(), RUN_NOWAIT) };
        // SAFETY: A7; our loop, on its thread, with nothing in it.
        unsafe { (self.uv().uv_loop_close)(self.raw()) == 0 }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if !self.close() {
            tracing::warn!(
                "an addon has left handles or requests in its libuv loop, which stays open"
            );
            return;
        }
        for ours in [self.prepare, self.check, self.idle] {
            // SAFETY: A7; our memory, of a handle that is closed.
            unsafe { libc::free(ours) };
        }
        if self.is_default {
            DEFAULT_TAKEN.store(false, Ordering::Release);
        } else {
            // SAFETY: A7; our memory, of a loop that is closed.
            unsafe { libc::free(self.raw()) };
        }
        // SAFETY: A7, A10; the handles that pointed to it are freed. It is dropped here only.
        unsafe { ManuallyDrop::drop(&mut self.shared) };
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("at", &self.raw()).finish()
    }
}

fn own_loop(uv: &Functions) -> Option<Raw> {
    // SAFETY: A7; it takes nothing and has no state.
    let raw = memory(unsafe { uv_loop_size() });
    // SAFETY: A7; the memory is as large as libuv says.
    if unsafe { (uv.uv_loop_init)(raw) } == 0 {
        return Some(raw);
    }
    // SAFETY: A7; our memory, of which libuv has kept nothing.
    unsafe { libc::free(raw) };
    None
}

fn handle(kind: c_uint) -> Raw {
    // SAFETY: A7; it takes a number and has no state.
    memory(unsafe { uv_handle_size(kind) })
}

/// Memory for so many bytes, which is aligned for all of libuv's structures.
fn memory(bytes: usize) -> Raw {
    // SAFETY: A7; any number is allowed.
    let block = unsafe { libc::calloc(1, bytes) };
    if block.is_null()
        && let Ok(layout) = Layout::from_size_align(bytes, align_of::<u128>())
    {
        handle_alloc_error(layout);
    }
    block
}

/// The data of a handle of ours.
///
/// # Safety
///
/// The handle is one of ours.
unsafe fn shared(handle: Raw) -> &'static Shared {
    // SAFETY: A7; the handle is one of ours and was initialised.
    let data = unsafe { uv_handle_get_data(handle) };
    // SAFETY: A7, A10; this was set as the data of each handle of ours, and is freed after it.
    unsafe { &*data.cast() }
}

/// Runs `what` if the host runs the loop. A panic is kept for [`Loop::run_once`], because it may
/// not pass through libuv.
fn run(shared: &Shared, what: fn()) {
    if shared.running.get()
        && let Err(panic) = catch_unwind(AssertUnwindSafe(what))
    {
        shared.panic.set(Some(panic));
    }
}

unsafe extern "C" fn before_polling(handle: Raw) {
    // SAFETY: A7; started for a handle of ours.
    let shared = unsafe { shared(handle) };
    if shared.running.get() {
        // SAFETY: A7; libuv calls this on the thread of the loop.
        unsafe { (shared.uv.uv_stop)(shared.raw) };
    }
    run(shared, shared.hooks.before);
}

unsafe extern "C" fn after_polling(handle: Raw) {
    // SAFETY: A7; started for a handle of ours.
    let shared = unsafe { shared(handle) };
    run(shared, shared.hooks.after);
}

unsafe extern "C" fn nothing(_: Raw) {}

unsafe extern "C" fn count_handle(_: Raw, count: Raw) {
    // SAFETY: A7; `Loop::handles` passes its count.
    unsafe { *count.cast::<usize>() += 1 };
}
