//! Installs a program in the kernel.

use rustix::io::Errno;

use super::emit::Instruction;
use crate::SingleThreaded;

/// The operation of `seccomp`; the first filter allows it with [`ALL_THREADS`] only.
pub(super) const SET_MODE_FILTER: u32 = 1;
/// The flag to install on all threads, or on none.
pub(super) const ALL_THREADS: u32 = 1;

/// A program as the kernel reads it.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Installs the filter on this process irrevocably.
///
/// # Errors
/// The error of the kernel: it has no filters, or the process may still gain rights.
pub fn install(_alone: &SingleThreaded, program: &[Instruction]) -> Result<(), Errno> {
    install_everywhere(program)
}

/// Installs a further filter on all threads of this process irrevocably.
///
/// # Errors
/// The error of the kernel: for instance, a thread has installed a filter of its own.
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
        // With ALL_THREADS a positive result is a thread that could not be synchronised.
        1.. => Err(Errno::SRCH),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    let errno = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(errno.unwrap_or(libc::EINVAL))
}
