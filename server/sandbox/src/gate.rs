//! Intercepts denied system calls, records them, and makes them fail as without diagnosis.
//!
//! The filter raises SIGSYS for a denied call. It cannot tell which calls with a path Landlock will
//! deny, so it raises SIGSYS for all of them, and the handler repeats the call from one address,
//! the *gate*. The filter applies its normal rules to calls from there, so code that jumps to the
//! gate gains no rights.
//!
//! A denied call ends a thread that has SIGSYS blocked, and runtimes block all signals in their
//! threads, as the C library does while it starts a process or a thread. So the handler also gets
//! calls that block signals, and blocks all signals but this one. One case remains: a denied call
//! in a signal handler of the addon that was installed with SIGSYS in its mask ends the process.
//!
//! The handler gets `exit_group` as well, to wait until all records have reached the client.

use rustix::io::Errno;

use crate::crash;
use crate::diagnose::{await_reports, is_denial, note};
use crate::seccomp::{blocks_signals, ends_process};
use crate::signal::set_action;
use crate::trap::FilteredCall;

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
    /// Makes a system call from the address that the filter compares with.
    fn hostd_sandbox_gate(number: i64, arguments: *const u64) -> i64;
    static hostd_sandbox_gate_end: u8;
}

/// The address that the kernel reports for calls from the gate.
pub(crate) fn gate() -> u64 {
    (&raw const hostd_sandbox_gate_end).addr() as u64
}

/// Installs the handler that records denied calls. With the filter it cannot be replaced.
pub(crate) fn listen() -> Result<(), Errno> {
    // On the stack of the call: unwinding needs more than the alternate stack has.
    let flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    set_action(
        libc::SIGSYS,
        handle as *const () as libc::sighandler_t,
        flags,
    )
}

/// SIGSYS in the kernel's masks.
const SIGSYS_BIT: u64 = 1 << (libc::SIGSYS - 1);

/// Carries out a call of `rt_sigprocmask`, but leaves SIGSYS unblocked: changes the mask that
/// the interrupted code has after the handler returns. The kernel accesses the code's pointers.
fn block(context: &mut libc::ucontext_t, arguments: &[u64; 6]) -> i64 {
    let change = |arguments: [u64; 6]| {
        // SAFETY: C5; for an invalid address the kernel returns EFAULT.
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
    // SAFETY: C6; the kernel's mask has 64 bits, and is at the start of this one.
    unsafe { mask.write(wanted & !SIGSYS_BIT) };
    if old == 0 {
        return answer;
    }
    change([0, 0, old, size, 0, 0])
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, at: *mut libc::c_void) {
    // SAFETY: C6; the third argument of such a handler is a `ucontext_t`.
    let context = unsafe { at.cast::<libc::ucontext_t>().as_mut() };
    let (Some(call), Some(context)) = (FilteredCall::of(info), context) else {
        return crash::pass_on(signal, info, at);
    };
    let arguments = call.arguments(context);
    let place = usize::try_from(libc::REG_RIP).unwrap_or(0);
    let interrupted = context.uc_mcontext.gregs.get(place);
    let interrupted = interrupted.map_or(0, |word| word.cast_unsigned());
    let answer = match call.errno {
        0 if blocks_signals(call.number()) => block(context, &arguments),
        0 => {
            if ends_process(call.number()) {
                await_reports();
            }
            let number = call.number().into();
            // SAFETY: C5 and C6; repeats the call of the interrupted code with its six
            // arguments.
            let answer = unsafe { hostd_sandbox_gate(number, arguments.as_ptr()) };
            let errno = i32::try_from(answer.saturating_neg()).unwrap_or(0);
            if is_denial(errno) {
                note(call, errno, &arguments, interrupted);
            }
            answer
        }
        errno => {
            note(call, errno, &arguments, interrupted);
            i64::from(errno).saturating_neg()
        }
    };
    let registers = &mut context.uc_mcontext.gregs;
    let place = usize::try_from(libc::REG_RAX).unwrap_or(0);
    if let Some(register) = registers.get_mut(place) {
        *register = answer;
    }
}
