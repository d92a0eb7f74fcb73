//! How a denied call is caught, noted, and made to fail as it would have.
//!
//! The filter sends a denied call to a handler. Of calls with a path, the filter can't tell which
//! will be denied by Landlock: it sends them all, and the handler makes them once more from one
//! place, the *gate*, from which the filter lets them through to the same rules as ever. Code that
//! jumps there gains nothing.
//!
//! A thread that blocks SIGSYS is ended by its first denied call: this is for finding out. It is
//! written for x86-64, as the filter is; elsewhere nothing is caught, and no sandbox is built.

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
    use crate::diagnose::{is_denial, note};
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
            0 => {
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
