//! How a denied call is caught, noted, and made to fail as it would have.
//!
//! The filter sends a denied call to a handler. Of calls with a path, the filter can't tell which
//! will be denied by Landlock: it sends them all, and the handler makes them once more from one
//! place, the *gate*, from which the filter lets them through to the same rules as ever. Code that
//! jumps there gains nothing.
//!
//! A thread that blocked SIGSYS would be ended by its first denied call, and many a runtime blocks
//! all signals in its threads, as the C library does while it starts a process or a thread. So what
//! blocks signals comes by here as well, and blocks all but this one. Only a handler of the addon's
//! that has SIGSYS blocked while it runs must not be denied anything.
//!
//! The end of the process comes by here, too: what was noted is told first.
//!
//! It is written for x86-64, as the filter is; elsewhere nothing is caught, and no sandbox is built.

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use elsewhere::{gate, listen};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{gate, listen};

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::mem::MaybeUninit;
    use std::ptr;

    use rustix::io::Errno;

    use crate::crash;
    use crate::diagnose::{is_denial, last_words, note};
    use crate::seccomp::{blocks_signals, ends_process};
    use crate::trap::Told;

    std::arch::global_asm!(
        ".hidden hostd_sandbox_gate",
        ".hidden hostd_sandbox_gate_end",
        ".globl hostd_sandbox_gate",
        ".globl hostd_sandbox_gate_end",
        "hostd_sandbox_gate:",
        "mov rax, rdi",
        "mov rdi, [rsi]",
        "mov rdx, [rsi + 16]",
        "mov r10, [rsi + 24]",
        "mov r8, [rsi + 32]",
        "mov r9, [rsi + 40]",
        "mov rsi, [rsi + 8]",
        "syscall",
        "hostd_sandbox_gate_end:",
        "ret",
    );

    unsafe extern "C" {
        /// Makes a call from the place that the filter knows.
        fn hostd_sandbox_gate(number: i64, arguments: *const u64) -> i64;
        static hostd_sandbox_gate_end: u8;
    }

    /// Where a call that comes through the gate seems to come from, as the kernel says it.
    pub(crate) fn gate() -> u64 {
        (&raw const hostd_sandbox_gate_end).addr() as u64
    }

    /// Has denied calls noted, in place of what else handles SIGSYS: for good, once there is a
    /// filter.
    pub(crate) fn listen() -> Result<(), Errno> {
        // SAFETY: C3; all-zero is a valid `sigaction` with an empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handle as *const () as libc::sighandler_t;
        // On the stack that made the call: following it takes more than that for crashes has.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: C3 and C5; the handler is as this module's documentation says.
        let answer = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) };
        if answer == 0 {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }

    /// The signal that brings denials, in the kernel's masks.
    const BROUGHT: u64 = 1 << (libc::SIGSYS - 1);

    /// Blocks signals for the interrupted code, all but the one that brings denials: its mask is
    /// what it finds when the handler returns. The kernel reads and writes what the code names.
    fn block(context: &mut libc::ucontext_t, arguments: &[u64; 6]) -> i64 {
        let change = |arguments: [u64; 6]| {
            // SAFETY: C5; the kernel answers EFAULT where nothing is.
            unsafe { hostd_sandbox_gate(libc::SYS_rt_sigprocmask, arguments.as_ptr()) }
        };
        let set_mask = u64::from(libc::SIG_SETMASK.cast_unsigned());
        let [how, set, old, size, ..] = *arguments;
        let (mut before, mut wanted) = (0_u64, 0_u64);
        let at = |mask: &mut u64| (&raw mut *mask).expose_provenance() as u64;
        change([0, 0, at(&mut before), 8, 0, 0]);
        let answer = change([how, set, 0, size, 0, 0]);
        if answer < 0 {
            return answer;
        }
        change([0, 0, at(&mut wanted), 8, 0, 0]);
        change([set_mask, at(&mut before), 0, 8, 0, 0]);
        let mask = (&raw mut context.uc_sigmask).cast::<u64>();
        // SAFETY: C6; the kernel's mask has 64 bits, and lies at the beginning of this one.
        unsafe { mask.write(wanted & !BROUGHT) };
        if old == 0 {
            return answer;
        }
        change([0, 0, old, size, 0, 0])
    }

    extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, at: *mut libc::c_void) {
        // SAFETY: C6; the third argument of such a handler is a `ucontext_t`.
        let context = unsafe { at.cast::<libc::ucontext_t>().as_mut() };
        let (Some(told), Some(context)) = (Told::of(info), context) else {
            return crash::pass_on(signal, info, at);
        };
        let arguments = told.arguments(context);
        let place = usize::try_from(libc::REG_RIP).unwrap_or(0);
        let interrupted = context.uc_mcontext.gregs.get(place);
        let interrupted = interrupted.map_or(0, |word| word.cast_unsigned());
        let answer = match told.errno {
            0 if blocks_signals(told.number()) => block(context, &arguments),
            0 => {
                if ends_process(told.number()) {
                    last_words();
                }
                let number = told.number().into();
                // SAFETY: C5 and C6; the call that the interrupted code made, with its six arguments.
                let answer = unsafe { hostd_sandbox_gate(number, arguments.as_ptr()) };
                let errno = i32::try_from(answer.saturating_neg()).unwrap_or(0);
                if is_denial(errno) {
                    note(told, errno, &arguments, interrupted);
                }
                answer
            }
            errno => {
                note(told, errno, &arguments, interrupted);
                i64::from(errno).saturating_neg()
            }
        };
        let registers = &mut context.uc_mcontext.gregs;
        let place = usize::try_from(libc::REG_RAX).unwrap_or(0);
        if let Some(register) = registers.get_mut(place) {
            *register = answer;
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use rustix::io::Errno;

    /// There is none.
    pub(crate) fn gate() -> u64 {
        0
    }

    /// Nothing is caught here.
    pub(crate) fn listen() -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}
