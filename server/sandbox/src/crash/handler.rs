//! Writes the record and lets the signal do what it would have done.
//!
//! Runs in the middle of anything, so: no allocation, no lock, no thread-local that is made on
//! first use, no arithmetic that can panic. The one thing that may fail here is reading the stack,
//! whose pages are asked about first; should it fault nevertheless, the handler is entered once
//! more on the same thread, and ends the process with what there is.

use std::ffi::CStr;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use rustix::io::Errno;

use super::call;
use super::page::{self, Layout, Page, STACK_BYTES, state};
use crate::trap::Told;
use crate::{StepError, diagnose};

/// The signals that end a process for what it did itself.
const SIGNALS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// A call of the x32 table, which every filter ends.
const FOREIGN: libc::c_long = 0x4000_0000;
/// The smallest unit of memory that is there or not.
const MEMORY_PAGE: usize = 4096;
/// How far above a stack pointer that points to nowhere the stack is looked for: as far as an
/// overflow can step over the guard of the main thread.
const FAR: usize = 2 << 20;
/// How long another thread's record is waited for, in steps of 10 ms.
const PATIENCE: u32 = 200;

type NodeApi = fn() -> Option<&'static str>;

static NODE_API: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// The process that the record is about: one forked from it leaves it alone.
static PROCESS: AtomicU32 = AtomicU32::new(0);
static JS_THREAD: AtomicU32 = AtomicU32::new(0);
/// The thread whose record is being written, and the signal it is about.
static WRITER: AtomicU32 = AtomicU32::new(0);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What the kernel says of the process.
static MAPS: Report = Report::of(c"/proc/self/maps");
static STATUS: Report = Report::of(c"/proc/self/status");

/// Notes what the handler needs to know. The calling thread is the JS thread.
pub(super) fn prepare(node_api: NodeApi) {
    PROCESS.store(this_process(), Ordering::Relaxed);
    JS_THREAD.store(this_thread(), Ordering::Relaxed);
    MAPS.open();
    STATUS.open();
    NODE_API.store(node_api as *mut (), Ordering::Release);
}

/// Has the signals written down from now on.
pub(super) fn install() -> Result<(), StepError> {
    for signal in SIGNALS {
        // Where there is a filter, its calls are handled already.
        if signal != libc::SIGSYS || !is_handled(signal) {
            install_for(signal).map_err(StepError::refused("crash::install", "sigaction"))?;
        }
    }
    Ok(())
}

fn is_handled(signal: libc::c_int) -> bool {
    // SAFETY: C3; all-zero is a valid `sigaction`: the default action.
    let mut now: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: C3; nothing is changed, and the structure is written whole.
    unsafe { libc::sigaction(signal, ptr::null(), &raw mut now) };
    now.sa_sigaction != libc::SIG_DFL
}

/// Has one signal written down from now on.
pub(super) fn install_for(signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: C3; all-zero is a valid `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handle as *const () as libc::sighandler_t;
    // A fault in the handler must reach it, and not end the process with another signal.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    // SAFETY: C3 and C5; the handler is as this module's documentation says.
    let answer = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(error.unwrap_or(libc::EINVAL)))
}

/// The handler.
pub(super) extern "C" fn handle(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // Read first: what follows has errors of its own.
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
            diagnose::last_words();
            die(signal);
        }
        // The handler itself faulted.
        Err(writer) if writer == thread => die(SIGNAL.load(Ordering::Relaxed)),
        // Another thread was first: it ends the process.
        Err(_) => {
            for _ in 0..PATIENCE {
                let pause = libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 10_000_000,
                };
                // SAFETY: C3 and C5; the time left over is not asked for.
                unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
            }
            die(signal);
        }
    }
}

/// Lets the signal do what it does by itself.
///
/// Where sending it is forbidden, returning repeats what caused it.
fn die(signal: libc::c_int) {
    // SAFETY: C3; all-zero is a valid `sigaction`: the default action.
    let action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: C3 and C5.
    let reset = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: C3; `sigemptyset` initialises the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: C3; it was initialised above.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    if reset != 0 {
        // The filter keeps the handler: a call that it ends, on a thread that can't be told of it.
        // SAFETY: C3 and C5; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) };
        // SAFETY: C5; no pointer is passed.
        unsafe { libc::syscall(FOREIGN) };
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
        // SAFETY: C6; whether the field means anything is told by the code.
        let address = unsafe { info.si_addr() };
        page.address.store(address.addr() as u64, Ordering::Relaxed);
    }
    if signal == libc::SIGSYS
        && let Some(told) = Told::of(info)
    {
        call::write(page, told, context);
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
    page.program_counter
        .store(registers.program_counter, Ordering::Relaxed);
    page.stack_pointer
        .store(registers.stack_pointer, Ordering::Relaxed);
    page.frame_pointer
        .store(registers.frame_pointer, Ordering::Relaxed);
    page.link_register
        .store(registers.link_register, Ordering::Relaxed);
    STATUS.copy(Layout::CURRENT.status, &page.status_bytes);
    MAPS.copy(Layout::CURRENT.maps, &page.maps_bytes);
    page.state.store(state::FACTS, Ordering::Release);
    copy_stack(page, registers.stack_pointer);
    page.state.store(state::WHOLE, Ordering::Release);
}

fn node_api() -> Option<&'static str> {
    let function = NODE_API.load(Ordering::Acquire);
    if function.is_null() {
        return None;
    }
    // SAFETY: C5; only `prepare` stores there, and it stores such a function.
    let function: NodeApi = unsafe { mem::transmute::<*mut (), NodeApi>(function) };
    function()
}

/// Stores a text, as far as it fits.
pub(super) fn store(field: &[AtomicU64], text: &[u8]) {
    for (word, bytes) in field.iter().zip(text.chunks(8)) {
        let mut whole = [0_u8; 8];
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Registers {
    program_counter: u64,
    stack_pointer: u64,
    frame_pointer: u64,
    link_register: u64,
}

fn registers(context: *mut libc::c_void) -> Registers {
    // SAFETY: C6; the third argument of such a handler is a `ucontext_t`.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else {
        return Registers::default();
    };
    #[cfg(target_arch = "x86_64")]
    {
        let general = &context.uc_mcontext.gregs;
        let read = |number: libc::c_int| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            general.get(number).map_or(0, |value| value.cast_unsigned())
        };
        Registers {
            program_counter: read(libc::REG_RIP),
            stack_pointer: read(libc::REG_RSP),
            frame_pointer: read(libc::REG_RBP),
            link_register: 0,
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let machine = &context.uc_mcontext;
        let [.., frame_pointer, link_register] = machine.regs;
        Registers {
            program_counter: machine.pc,
            stack_pointer: machine.sp,
            frame_pointer,
            link_register,
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = context;
        Registers::default()
    }
}

/// A file of the kernel's about this process, opened while that is allowed.
struct Report {
    path: &'static CStr,
    descriptor: AtomicI32,
}

impl Report {
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

    /// Copies it into a part of the page, as far as it fits; `count` says how far that was.
    fn copy(&self, (begin, most): (usize, usize), count: &AtomicU64) {
        let mut from = self.descriptor.load(Ordering::Relaxed);
        let mut reopened = false;
        let mut have = 0;
        while have < most {
            let to = page::part::<u8>(begin.wrapping_add(have));
            let room = most.saturating_sub(have);
            let offset = libc::off_t::try_from(have).unwrap_or(0);
            // SAFETY: C4; the part of the mapping behind `to` is at least `room` bytes long.
            let read = unsafe { libc::pread(from, to.cast(), room, offset) };
            match usize::try_from(read) {
                Ok(0) => break,
                Ok(more) => {
                    have = have.saturating_add(more);
                    count.store(have as u64, Ordering::Relaxed);
                }
                // The addon has closed what is not its own.
                Err(_) if have == 0 && !reopened => {
                    reopened = true;
                    from = self.opened();
                }
                Err(_) => break,
            }
        }
    }
}

/// Copies the stack above the pointer, as far as there is any and as it fits.
fn copy_stack(page: &Page, pointer: u64) {
    let Ok(pointer) = usize::try_from(pointer) else {
        return;
    };
    let mut from = pointer & !7;
    let farthest = from.saturating_add(FAR);
    while !readable(from) {
        from = next_page(from);
        if from >= farthest {
            return;
        }
    }
    page.stack_address.store(from as u64, Ordering::Relaxed);
    let mut have = 0_usize;
    loop {
        let room = STACK_BYTES.saturating_sub(have);
        let length = next_page(from).saturating_sub(from).min(room);
        if length == 0 || !readable(from) {
            return;
        }
        let to = page::part::<u64>(page::Layout::CURRENT.stack.0.wrapping_add(have));
        for offset in (0..length).step_by(8) {
            let word = ptr::with_exposed_provenance::<u64>(from.wrapping_add(offset));
            // SAFETY: C7; the page was readable a moment ago, and the address is aligned.
            let value = unsafe { word.read_volatile() };
            let to = to.wrapping_add(offset / 8);
            // SAFETY: C4; there was room for the whole length, which is a multiple of 8.
            unsafe { to.write_volatile(value) };
        }
        have = have.saturating_add(length);
        from = from.saturating_add(length);
        page.stack_bytes.store(have as u64, Ordering::Release);
    }
}

fn next_page(address: usize) -> usize {
    (address & !(MEMORY_PAGE - 1)).saturating_add(MEMORY_PAGE)
}

/// Whether the eight bytes there can be read.
///
/// The kernel is asked to read a signal set from there for an operation that does not exist: it
/// reads first, and complains about the operation only then.
pub(super) fn readable(address: usize) -> bool {
    const NO_OPERATION: libc::c_long = -1;
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: C5; the kernel checks the address, and changes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_OPERATION,
            address,
            nothing,
            8_usize,
        )
    };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}

fn this_process() -> u32 {
    // SAFETY: C5; no pointer is passed. The C library's own function may remember another's.
    let number = unsafe { libc::syscall(libc::SYS_getpid) };
    u32::try_from(number).unwrap_or(0)
}

fn this_thread() -> u32 {
    // SAFETY: C5; no pointer is passed.
    let number = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(number).unwrap_or(u32::MAX)
}
