//! The descriptors that the host inherits: takes ownership of some, closes the others.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::error::check;
use crate::{SingleThreaded, StepError};

const FIRST_ABOVE_STDIO: RawFd = 3;
static ADOPTED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Takes ownership of a descriptor that the client left open for this process, by its number.
///
/// The number comes from the command line or the environment. Numbers up to 2, closed ones, and
/// ones adopted before are refused. The descriptor is marked close-on-exec, so that processes
/// started by the addon do not inherit it.
pub fn adopt_descriptor(_alone: &SingleThreaded, number: RawFd) -> Result<OwnedFd, StepError> {
    let refuse = |reason| StepError::Descriptor { number, reason };
    if number < FIRST_ABOVE_STDIO {
        return Err(refuse("it is one of the standard streams"));
    }
    let mut adopted = ADOPTED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if adopted.contains(&number) {
        return Err(refuse("it was adopted before"));
    }
    // SAFETY: C3; F_GETFD reads a flag and takes no pointer.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(refuse("it is not open; was it passed on to the host?"));
    }
    adopted.push(number);
    // SAFETY: C1; the number is open, was noted above as taken, and by C2 no other thread runs.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&descriptor, FdFlags::CLOEXEC)
        .map_err(StepError::refused("adopt_descriptor", "fcntl(F_SETFD)"))?;
    Ok(descriptor)
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
