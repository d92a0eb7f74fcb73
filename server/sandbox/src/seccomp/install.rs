//! Installs a program in the kernel.

use libc::{sock_filter, sock_fprog};
use rustix::io::Errno;

use crate::SingleThreaded;
use crate::error::last_error;

/// Installs the filter on this process irrevocably.
///
/// # Errors
/// The error of the kernel: it has no filters, or the process may still gain rights.
pub fn install(_alone: &SingleThreaded, program: &[sock_filter]) -> Result<(), Errno> {
    install_everywhere(program)
}

/// Installs a further filter on all threads of this process irrevocably.
///
/// # Errors
/// The error of the kernel: for instance, a thread has installed a filter of its own.
pub fn install_everywhere(program: &[sock_filter]) -> Result<(), Errno> {
    let given = sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: C3; the program and its description outlive the call, which copies them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const given,
        )
    };
    match answer {
        0 => Ok(()),
        // With this flag a positive result is a thread that could not be synchronised.
        1.. => Err(Errno::SRCH),
        _ => Err(last_error()),
    }
}
