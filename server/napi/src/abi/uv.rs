//! libuv's loop, and what the host needs of it: the only place that calls libuv.
//!
//! Where the phases of a round stand is Node's: what threads posted is served right before polling,
//! immediates run right after it. Handles that were started first are called last, so two handles
//! of ours that are older than any addon's say when.

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wall::through;

type Raw = *mut c_void;
type Callback = unsafe extern "C" fn(Raw);

const CHECK: c_uint = 2;
const IDLE: c_uint = 6;
const PREPARE: c_uint = 9;
const RUN_DEFAULT: usize = 0;

// As libuv's header declares them; loops and handles are pointers here.
unsafe extern "C" {
    fn uv_version_string() -> *const c_char;
    fn uv_default_loop() -> Raw;
    fn uv_loop_size() -> usize;
    fn uv_loop_init(of: Raw) -> c_int;
    fn uv_loop_alive(of: Raw) -> c_int;
    fn uv_run(of: Raw, mode: c_int) -> c_int;
    fn uv_stop(of: Raw);
    fn uv_update_time(of: Raw);
    fn uv_backend_fd(of: Raw) -> c_int;
    fn uv_backend_timeout(of: Raw) -> c_int;
    fn uv_handle_size(kind: c_uint) -> usize;
    fn uv_handle_get_data(handle: Raw) -> Raw;
    fn uv_handle_set_data(handle: Raw, data: Raw);
    fn uv_ref(handle: Raw);
    fn uv_unref(handle: Raw);
    fn uv_prepare_init(of: Raw, handle: Raw) -> c_int;
    fn uv_prepare_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_check_init(of: Raw, handle: Raw) -> c_int;
    fn uv_check_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_idle_init(of: Raw, handle: Raw) -> c_int;
    fn uv_idle_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_idle_stop(handle: Raw) -> c_int;
}

/// The version of libuv.
pub(crate) fn version() -> String {
    // SAFETY: it takes nothing and has no state.
    let text = unsafe { uv_version_string() };
    // SAFETY: libuv gives a literal.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// What is run in the middle of a round of the loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Middle {
    /// Right before polling.
    pub(crate) before: fn(),
    /// Right after polling.
    pub(crate) after: fn(),
}

/// What our handles in the loop point to.
struct Shared {
    raw: Raw,
    middle: Middle,
    /// Whether a round of ours is under way, and not one that an addon runs.
    running: Cell<bool>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// A loop of libuv's. It lives as long as the process.
pub(crate) struct Loop {
    shared: &'static Shared,
    prepare: Raw,
    idle: Raw,
}

/// Whether the process's default loop is some host's.
static DEFAULT_TAKEN: AtomicBool = AtomicBool::new(false);

impl Loop {
    /// The loop of this thread's host: the default one for the first host of the process, as for
    /// Node's main thread, and one of its own for any other. None if the system has no descriptors
    /// left for it.
    pub(crate) fn open(middle: Middle) -> Option<Self> {
        let raw = if DEFAULT_TAKEN.swap(true, Ordering::AcqRel) {
            own_loop()?
        } else {
            // SAFETY: A7 (the first and only host that asks for it).
            let raw = unsafe { uv_default_loop() };
            if raw.is_null() {
                DEFAULT_TAKEN.store(false, Ordering::Release);
                return None;
            }
            raw
        };
        let shared: &'static Shared = Box::leak(Box::new(Shared {
            raw,
            middle,
            running: Cell::new(false),
            panic: Cell::new(None),
        }));
        let data = std::ptr::from_ref(shared).cast_mut().cast();
        let (prepare, check, idle) = (handle(PREPARE), handle(CHECK), handle(IDLE));
        // SAFETY: A7; the memory is as large as libuv says. These calls cannot fail.
        unsafe { uv_prepare_init(raw, prepare) };
        // SAFETY: A7.
        unsafe { uv_check_init(raw, check) };
        // SAFETY: A7.
        unsafe { uv_idle_init(raw, idle) };
        for ours in [prepare, check, idle] {
            // SAFETY: A7; what is pointed to is never freed.
            unsafe { uv_handle_set_data(ours, data) };
        }
        // SAFETY: A7; the callback takes what was set as data above.
        unsafe { uv_prepare_start(prepare, before_polling) };
        // SAFETY: A7; as above.
        unsafe { uv_check_start(check, after_polling) };
        for ours in [prepare, check] {
            // SAFETY: A7. An addon that runs the loop until nothing is left does not wait for ours.
            unsafe { uv_unref(ours) };
        }
        Some(Self {
            shared,
            prepare,
            idle,
        })
    }

    /// What `napi_get_uv_event_loop` gives.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.shared.raw
    }

    /// Whether a round of [`Loop::run_once`] is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.shared.running.get()
    }

    /// Runs one round without waiting: timers, polling with what belongs in its middle, closing
    /// callbacks, timers.
    pub(crate) fn run_once(&self) {
        if self.is_running() {
            return;
        }
        let shared = self.shared;
        shared.running.set(true);
        // An idle handle keeps the loop from waiting, and from ending before it polls.
        // SAFETY: A7.
        unsafe { uv_idle_start(self.idle, nothing) };
        // SAFETY: A7; the handle before polling stops the loop after this round. An exception of an
        // addon's callback ends in front of this frame.
        unsafe {
            through(
                shared.raw.expose_provenance(),
                RUN_DEFAULT,
                0,
                0,
                uv_run as *const (),
            )
        };
        // SAFETY: A7.
        unsafe { uv_idle_stop(self.idle) };
        shared.running.set(false);
        if let Some(panic) = shared.panic.take() {
            resume_unwind(panic);
        }
    }

    /// Has the loop look at the clock: its timers count from when it last did.
    pub(crate) fn update_time(&self) {
        // SAFETY: A7.
        unsafe { uv_update_time(self.shared.raw) };
    }

    /// How long nothing needs to be done if nothing happens: for ever if there is no timer.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        // A loop in which nothing keeps the process alive says that it is due.
        // SAFETY: A7.
        unsafe { uv_ref(self.prepare) };
        // SAFETY: A7.
        let timeout = unsafe { uv_backend_timeout(self.shared.raw) };
        // SAFETY: A7.
        unsafe { uv_unref(self.prepare) };
        u64::try_from(timeout).ok().map(Duration::from_millis)
    }

    /// Whether something of an addon keeps the loop alive.
    pub(crate) fn is_alive(&self) -> bool {
        // SAFETY: A7.
        unsafe { uv_loop_alive(self.shared.raw) != 0 }
    }

    /// What becomes readable when there is something to poll for.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'static> {
        // SAFETY: A7.
        let descriptor = unsafe { uv_backend_fd(self.shared.raw) };
        // SAFETY: A7 (a loop that is open has one, and this one is never closed).
        unsafe { BorrowedFd::borrow_raw(descriptor) }
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("at", &self.raw()).finish()
    }
}

fn own_loop() -> Option<Raw> {
    // SAFETY: it takes nothing and has no state.
    let raw = memory(unsafe { uv_loop_size() });
    // SAFETY: A7; the memory is as large as libuv says.
    (unsafe { uv_loop_init(raw) } == 0).then_some(raw)
}

fn handle(kind: c_uint) -> Raw {
    // SAFETY: it takes a number and has no state.
    memory(unsafe { uv_handle_size(kind) })
}

/// Memory for so many bytes, aligned for anything that libuv keeps, that is never freed.
fn memory(bytes: usize) -> Raw {
    let words = bytes.div_ceil(size_of::<u128>());
    Box::leak(vec![0_u128; words].into_boxed_slice())
        .as_mut_ptr()
        .cast()
}

/// What a handle of ours points to.
///
/// # Safety
///
/// It is one of ours, with its data.
unsafe fn shared(handle: Raw) -> &'static Shared {
    // SAFETY: A7.
    let data = unsafe { uv_handle_get_data(handle) };
    // SAFETY: the caller says that this was set as its data.
    unsafe { &*data.cast() }
}

/// Runs `what` if the round is ours. A panic is kept for the one that runs the loop: it may not
/// pass through libuv.
fn run(shared: &Shared, what: fn()) {
    if shared.running.get()
        && let Err(panic) = catch_unwind(AssertUnwindSafe(what))
    {
        shared.panic.set(Some(panic));
    }
}

unsafe extern "C" fn before_polling(handle: Raw) {
    // SAFETY: A7 (started for a handle of ours).
    let shared = unsafe { shared(handle) };
    if shared.running.get() {
        // SAFETY: A7.
        unsafe { uv_stop(shared.raw) };
    }
    run(shared, shared.middle.before);
}

unsafe extern "C" fn after_polling(handle: Raw) {
    // SAFETY: A7 (started for a handle of ours).
    let shared = unsafe { shared(handle) };
    run(shared, shared.middle.after);
}

unsafe extern "C" fn nothing(_: Raw) {}
