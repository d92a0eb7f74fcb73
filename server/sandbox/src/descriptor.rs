//! The descriptors that the host inherits: takes the control socket, closes all others.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::stdio::{dup2_stdin, stdin};

use crate::error::check;
use crate::{SingleThreaded, StepError};

const FIRST_ABOVE_STDIO: RawFd = 3;

/// Takes the control socket, which is the standard input when the process starts, and puts
/// `/dev/null` in its place.
pub fn take_control_socket(_alone: &SingleThreaded) -> Result<OwnedFd, StepError> {
    const STEP: &str = "take_control_socket";
    let found = fstat(stdin()).map_err(StepError::refused(STEP, "fstat"))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(StepError::NoControlSocket);
    }
    let control = fcntl_dupfd_cloexec(stdin(), FIRST_ABOVE_STDIO)
        .map_err(StepError::refused(STEP, "fcntl(F_DUPFD_CLOEXEC)"))?;
    let null = File::open("/dev/null").map_err(|source| StepError::DevNull { source })?;
    dup2_stdin(null).map_err(StepError::refused(STEP, "dup2"))?;
    Ok(control)
}

/// Closes every descriptor above the standard streams but the ones in `keep`.
///
/// The addon must not inherit what the client had open without close-on-exec, such as a database or
/// a listening socket. Call it before the process opens a file: an owned descriptor that is not in
/// `keep` would refer to a closed number afterwards.
pub fn close_other_descriptors(
    _alone: &SingleThreaded,
    keep: &[BorrowedFd<'_>],
) -> Result<(), StepError> {
    let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    kept.retain(|&number| number >= FIRST_ABOVE_STDIO);
    kept.sort_unstable();
    kept.dedup();
    for (first, last) in gaps(&kept) {
        match close_range(first, last) {
            Ok(()) => {}
            // Linux before 5.9, or a filter without the call.
            Err(Errno::NOSYS | Errno::PERM) => return close_listed(&kept),
            refused => {
                refused.map_err(StepError::refused("close_other_descriptors", "close_range"))?;
            }
        }
    }
    Ok(())
}

/// The ranges between the kept numbers, from 3 up to the largest possible descriptor.
fn gaps(kept: &[RawFd]) -> Vec<(RawFd, RawFd)> {
    let mut ranges = Vec::with_capacity(kept.len() + 1);
    let mut next = FIRST_ABOVE_STDIO;
    for &number in kept {
        if number > next {
            ranges.push((next, number - 1));
        }
        next = number.saturating_add(1);
    }
    ranges.push((next, RawFd::MAX));
    ranges
}

fn close_range(first: RawFd, last: RawFd) -> Result<(), Errno> {
    // SAFETY: C2; the caller states by `keep` which owned descriptors exist, and no other thread
    // can have opened one meanwhile.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
}

/// Closes the descriptors one by one, for systems without `close_range`.
fn close_listed(kept: &[RawFd]) -> Result<(), StepError> {
    const LIST: &str = "/proc/self/fd";
    let entries = fs::read_dir(LIST).map_err(StepError::proc("close_other_descriptors", LIST))?;
    // Collected first: the listing itself has a descriptor, which is closed by then.
    let open: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in open {
        if number >= FIRST_ABOVE_STDIO && !kept.contains(&number) {
            // SAFETY: C2; as in `close_range`. An already closed number answers EBADF.
            unsafe { libc::close(number) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn gaps_leave_out_exactly_the_kept_numbers() {
        assert_eq!(gaps(&[]), [(3, i32::MAX)]);
        assert_eq!(gaps(&[3, 4, 9]), [(5, 8), (10, i32::MAX)]);
        assert_eq!(gaps(&[5]), [(3, 4), (6, i32::MAX)]);
    }
}
