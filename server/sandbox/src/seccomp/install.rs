//! Gives a program to the kernel.

use rustix::io::Errno;

use super::emit::Instruction;
use crate::SingleThreaded;

/// What the call is asked to do; the first filter knows both numbers.
pub(super) const SET_MODE_FILTER: u32 = 1;
/// All threads, or none.
pub(super) const ALL_THREADS: u32 = 1;

/// What the kernel is told about a program.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Puts the filter on this process, for good. Nothing that it forbids can be done afterwards.
///
/// # Errors
/// What the kernel says: it has no filters, or the process may still gain rights.
pub fn install(_alone: &SingleThreaded, program: &[Instruction]) -> Result<(), Errno> {
    install_everywhere(program)
}

/// Puts a further filter on all threads of this process, for good.
///
/// # Errors
/// What the kernel says: a thread may have made itself another filter meanwhile.
pub fn install_everywhere(program: &[Instruction]) -> Result<(), Errno> {
    let given = Program {
        length: u16::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr(),
    };
    // SAFETY: C3; the program and its description outlive the call, which copies them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_ulong::from(SET_MODE_FILTER),
            libc::c_ulong::from(ALL_THREADS),
            &raw const given,
        )
    };
    match answer {
        0 => Ok(()),
        // With ALL_THREADS a positive answer is a thread that could not be taken along.
        1.. => Err(Errno::SRCH),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    let errno = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(errno.unwrap_or(libc::EINVAL))
}
