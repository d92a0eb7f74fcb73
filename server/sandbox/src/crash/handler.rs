//! The signal handler that writes the crash record, and then ends the process by the same signal.
//!
//! It may interrupt any code, so it has no allocation, no lock, no lazily made thread-local and no
//! arithmetic that can panic. Reading the stack may fault, although its pages are probed first: the
//! handler is then entered again on the same thread, and ends the process with the record so far.

use std::ffi::CStr;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use rustix::io::Errno;

use super::call;
use super::memory::copy_stack;
use super::page::{self, Layout, Page, REGISTERS, state, store};
use crate::signal::set_action;
use crate::thread::{pause, this_process, this_thread};
use crate::trap::FilteredCall;
use crate::{StepError, core_file, diagnose};

/// The signals of a crash.
const SIGNALS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// A call of x32, for which every filter raises SIGSYS.
const FOREIGN_CALL: libc::c_long = 0x4000_0000;
/// Time to wait for the record of another thread, in steps of 10 ms.
const RECORD_WAIT_STEPS: u32 = 200;

/// Returns the function of Node-API that the calling thread runs.
pub type NodeApi = fn() -> Option<&'static str>;
/// Gives the functions of Node-API that the calling thread ran last, the latest last.
pub type RecentCalls = fn(&mut dyn FnMut(&'static str));

static NODE_API: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static RECENT_CALLS: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// The process of the record; processes that are forked from it do not write to the page.
static PROCESS: AtomicU32 = AtomicU32::new(0);
static JS_THREAD: AtomicU32 = AtomicU32::new(0);
/// The thread whose record is being written, and the signal it is about.
static WRITER: AtomicU32 = AtomicU32::new(0);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Files of the kernel about the process.
static MAPS: ProcFile = ProcFile::of(c"/proc/self/maps");
static STATUS: ProcFile = ProcFile::of(c"/proc/self/status");

/// Stores what the handler needs. Must be called on the JS thread.
pub(super) fn prepare(node_api: NodeApi, recent_calls: RecentCalls) {
    PROCESS.store(this_process(), Ordering::Relaxed);
    JS_THREAD.store(this_thread(), Ordering::Relaxed);
    MAPS.open();
    STATUS.open();
    NODE_API.store(node_api as *mut (), Ordering::Release);
    RECENT_CALLS.store(recent_calls as *mut (), Ordering::Release);
}

pub(super) fn install() -> Result<(), StepError> {
    for signal in SIGNALS {
        // With a filter, SIGSYS has a handler already.
        if signal != libc::SIGSYS || !is_handled(signal) {
            install_for(signal).map_err(StepError::refused("crash::install", "sigaction"))?;
        }
    }
    Ok(())
}

fn is_handled(signal: libc::c_int) -> bool {
    // SAFETY: C3; all-zero is a valid `sigaction`: the default action.
    let mut now: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: C3; the call changes nothing, and writes the whole structure.
    unsafe { libc::sigaction(signal, ptr::null(), &raw mut now) };
    now.sa_sigaction != libc::SIG_DFL
}

pub(super) fn install_for(signal: libc::c_int) -> Result<(), Errno> {
    // A fault in the handler must enter it again, so that the process ends by the first signal.
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    set_action(signal, handle as *const () as libc::sighandler_t, flags)
}

pub(super) extern "C" fn handle(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // Read first: the calls below change it.
    let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let thread = this_thread();
    match WRITER.compare_exchange(0, thread, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            SIGNAL.store(signal, Ordering::Relaxed);
            let is_ours = this_process() == PROCESS.load(Ordering::Relaxed);
            if is_ours && let Some(page) = page::page() {
                page.error.store(error, Ordering::Relaxed);
                write(page, thread, signal, info, context);
            }
            diagnose::await_reports();
            die(signal);
        }
        // The handler itself faulted.
        Err(writer) if writer == thread => die(SIGNAL.load(Ordering::Relaxed)),
        // Another thread is writing the record, and ends the process.
        Err(_) => {
            for _ in 0..RECORD_WAIT_STEPS {
                pause(10);
            }
            die(signal);
        }
    }
}

/// Restores the default action of the signal and raises it. Where raising it is denied, the handler
/// returns, and the interrupted instruction causes it again.
fn die(signal: libc::c_int) {
    core_file::enter_folder();
    let reset = set_action(signal, libc::SIG_DFL, 0);
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: C3; `sigemptyset` initialises the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: C3; the set was initialised above.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    if reset.is_err() {
        // The filter denies to change SIGSYS. With the signal blocked, a filtered call ends the
        // process.
        // SAFETY: C3 and C5; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) };
        // SAFETY: C5; no pointer is passed.
        unsafe { libc::syscall(FOREIGN_CALL) };
    }
    // SAFETY: C3 and C5; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) };
    // SAFETY: C5; no pointer is passed.
    unsafe { libc::syscall(libc::SYS_tgkill, this_process(), this_thread(), signal) };
}

fn write(
    page: &Page,
    thread: u32,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    page.state.store(state::BEGUN, Ordering::Release);
    page.signal.store(signal, Ordering::Relaxed);
    // SAFETY: C6; the kernel passes a filled structure to a handler with SA_SIGINFO.
    if let Some(info) = unsafe { info.as_ref() } {
        page.code.store(info.si_code, Ordering::Relaxed);
        // SAFETY: C6; the field exists for every signal, and the code tells whether it is
        // meaningful.
        let address = unsafe { info.si_addr() };
        page.address.store(address.addr() as u64, Ordering::Relaxed);
    }
    if signal == libc::SIGSYS
        && let Some(filtered) = FilteredCall::of(info)
    {
        call::write(page, filtered, context);
    }
    page.thread.store(thread, Ordering::Relaxed);
    let is_js = thread == JS_THREAD.load(Ordering::Relaxed);
    page.js_thread.store(u32::from(is_js), Ordering::Relaxed);
    let mut name = [0_u8; 16];
    // SAFETY: C3 and C5; the kernel writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    store(&page.thread_name, &name);
    if is_js && let Some(function) = node_api() {
        store(&page.node_api, function.as_bytes());
    }
    let registers = registers(context);
    for (word, register) in page.registers.iter().zip(registers) {
        word.store(register, Ordering::Relaxed);
    }
    let [program_counter, stack_pointer, frame_pointer, ..] = registers;
    for (word, register) in [
        (&page.program_counter, program_counter),
        (&page.stack_pointer, stack_pointer),
        (&page.frame_pointer, frame_pointer),
    ] {
        word.store(register, Ordering::Relaxed);
    }
    STATUS.copy(Layout::CURRENT.status, &page.status_bytes);
    MAPS.copy(Layout::CURRENT.maps, &page.maps_bytes);
    page.state.store(state::FACTS, Ordering::Release);
    if is_js {
        copy_calls(page);
    }
    copy_stack(page, stack_pointer);
    page.state.store(state::WHOLE, Ordering::Release);
}

fn node_api() -> Option<&'static str> {
    let function = NODE_API.load(Ordering::Acquire);
    if function.is_null() {
        return None;
    }
    // SAFETY: C5; only `prepare` stores it, and it stores a function of this type.
    let function: NodeApi = unsafe { mem::transmute::<*mut (), NodeApi>(function) };
    function()
}

/// Copies the names of recent functions, as many as there is room for.
fn copy_calls(page: &Page) {
    let function = RECENT_CALLS.load(Ordering::Acquire);
    if function.is_null() {
        return;
    }
    // SAFETY: C5; only `prepare` stores it, and it stores a function of this type.
    let recent_calls: RecentCalls = unsafe { mem::transmute::<*mut (), RecentCalls>(function) };
    let (begin, most) = Layout::CURRENT.calls;
    let mut have = 0_usize;
    recent_calls(&mut |name| {
        let end = have.saturating_add(name.len()).saturating_add(1);
        if end <= most {
            let to = page::part::<u8>(begin.wrapping_add(have));
            // SAFETY: C4; the mapping has `most` bytes from `begin` on, and the end was checked.
            unsafe { to.copy_from_nonoverlapping(name.as_ptr(), name.len()) };
            // SAFETY: C4; as above.
            unsafe { to.wrapping_byte_add(name.len()).write(b'\n') };
            have = end;
            page.calls_bytes.store(have as u64, Ordering::Relaxed);
        }
    });
}

/// The registers of the interrupted code, program counter, stack pointer and frame pointer first.
fn registers(context: *mut libc::c_void) -> [u64; REGISTERS] {
    use libc::{
        REG_EFL, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX,
        REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
    };
    // SAFETY: C6; the third argument of such a handler is a `ucontext_t`.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else {
        return [0; REGISTERS];
    };
    [
        REG_RIP, REG_RSP, REG_RBP, REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_R8,
        REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_EFL,
    ]
    .map(|number| {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let value = context.uc_mcontext.gregs.get(number);
        value.map_or(0, |value| value.cast_unsigned())
    })
}

/// A file of `/proc` about this process, which is opened before the sandbox denies it.
struct ProcFile {
    path: &'static CStr,
    descriptor: AtomicI32,
}

impl ProcFile {
    const fn of(path: &'static CStr) -> Self {
        Self {
            path,
            descriptor: AtomicI32::new(-1),
        }
    }

    fn open(&self) {
        self.descriptor.store(self.opened(), Ordering::Relaxed);
    }

    fn opened(&self) -> libc::c_int {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: C3; the path is a constant that ends with a zero.
        unsafe { libc::open(self.path.as_ptr(), flags) }
    }

    /// Copies as much of it as fits into a part of the page; `count` is the number of bytes.
    fn copy(&self, (begin, most): (usize, usize), count: &AtomicU64) {
        let mut from = self.descriptor.load(Ordering::Relaxed);
        let mut reopened = false;
        let mut have = 0;
        while have < most {
            let to = page::part::<u8>(begin.wrapping_add(have));
            let room = most.saturating_sub(have);
            let offset = libc::off_t::try_from(have).unwrap_or(0);
            // SAFETY: C4; the mapping has at least `room` bytes from `to` on.
            let read = unsafe { libc::pread(from, to.cast(), room, offset) };
            match usize::try_from(read) {
                Ok(0) => break,
                Ok(more) => {
                    have = have.saturating_add(more);
                    count.store(have as u64, Ordering::Relaxed);
                }
                // The addon has closed the descriptor.
                Err(_) if have == 0 && !reopened => {
                    reopened = true;
                    from = self.opened();
                }
                Err(_) => break,
            }
        }
    }
}
