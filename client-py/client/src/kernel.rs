//! Whether the kernel has what the client watches hosts with.

use std::os::fd::AsFd as _;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};
use rustix::system::uname;
use thiserror::Error;

/// The first version of Linux that has both calls.
const SINCE: &str = "5.4";

/// The kernel is too old.
#[derive(Debug, Error)]
#[error(
    "this kernel, Linux {release}, is too old: it does not have {what}; use Linux {SINCE} or newer"
)]
pub struct KernelTooOld {
    release: String,
    what: &'static str,
}

/// Checks that this kernel lets a process wait for another one by a descriptor of it.
///
/// What fails otherwise, such as by a filter for system calls, is reported when a host is started.
///
/// # Errors
/// It does not.
pub fn check_kernel() -> Result<(), KernelTooOld> {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Err(Errno::NOSYS) => Err(too_old("pidfd_open")),
        Err(_) => Ok(()),
        Ok(itself) => {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            // A process is no child of its own.
            match waitid(WaitId::PidFd(itself.as_fd()), options) {
                Err(Errno::INVAL) => Err(too_old("P_PIDFD of waitid")),
                _ => Ok(()),
            }
        }
    }
}

fn too_old(what: &'static str) -> KernelTooOld {
    KernelTooOld {
        release: uname().release().to_string_lossy().into_owned(),
        what,
    }
}
