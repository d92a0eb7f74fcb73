//! The exit status that the kernel keeps for a pidfd, also after the process was reaped.

#![expect(unsafe_code, reason = "an ioctl: see the invariants in lib.rs")]

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `struct pidfd_info` in its first version, which every kernel with this call accepts.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// The process, its parent and its users.
    ids: [u32; 11],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xff, 11);
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// How the process of a pidfd ended; none while it has not been reaped. The kernel keeps this while
/// the descriptor is open, whichever process or thread reaped it.
///
/// # Errors
/// The kernel does not keep it (before Linux 6.15), or the call is denied.
pub fn exit_status(pidfd: &impl AsFd) -> io::Result<Option<ExitStatus>> {
    let mut info = PidfdInfo {
        mask: PIDFD_INFO_EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: K; the opcode is that of this structure, whose size is part of it.
    let request = unsafe { Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info) };
    // SAFETY: K; the kernel writes at most the size that the opcode names.
    match unsafe { ioctl(pidfd, request) } {
        Ok(()) if info.mask & PIDFD_INFO_EXIT != 0 => {
            Ok(Some(ExitStatus::from_raw(info.exit_code)))
        }
        Ok(()) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn exit_status_is_kept_after_the_process_was_reaped() {
        for (script, code, signal) in [
            ("read line; exit 7", Some(7), None),
            ("read line; kill -KILL $$", None, Some(9)),
        ] {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
            let before = exit_status(&pidfd);
            drop(child.stdin.take());
            child.wait().unwrap();
            // Before Linux 6.13 there is no such call, before 6.15 it leaves the status out.
            let Some(status) = exit_status(&pidfd).ok().flatten() else {
                println!("skipped: this kernel keeps no exit status for a pidfd");
                return;
            };
            assert_eq!(before.unwrap(), None);
            assert_eq!((status.code(), status.signal()), (code, signal));
        }
    }

    #[test]
    fn descriptor_that_is_no_pidfd_is_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(exit_status(&file).is_err());
    }
}
