//! Copies a folder to which a host may write meanwhile.
//!
//! Only regular files with one link are read, no link is followed, and bytes, entries, depth and time
//! are limited.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{
    FileType, Mode, OFlags, Timespec, Timestamps, copy_file_range, fdatasync, fstat, futimens,
    mkdirat, openat,
};
use rustix::io::Errno;

use crate::folder::{FOLDER, check_time, entries};

/// Limits of one copy.
pub(crate) const ENTRY_BYTES: u64 = 256 << 20;
const ENTRY_FILES: u32 = 4096;
pub(crate) const DEPTH_MAX: u32 = 16;
const COPY_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that are copied between two checks of the timeout.
const CHUNK_BYTES: u64 = 8 << 20;
/// The mode of folders, and the most of a file's mode.
pub(crate) const PRIVATE: Mode = Mode::RWXU;

/// Whether copied files are synchronised to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSync {
    Yes,
    No,
}

struct CopyBudget {
    bytes: u64,
    files: u32,
    deadline: Instant,
    sync: FileSync,
}

/// Copies what is in one folder to another.
///
/// # Errors
/// It is beyond a limit, or the system refuses; a part may be copied.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, sync: FileSync) -> io::Result<()> {
    let mut budget = CopyBudget {
        bytes: ENTRY_BYTES,
        files: ENTRY_FILES,
        deadline: Instant::now() + COPY_TIMEOUT,
        sync,
    };
    budget.folder(from, to, DEPTH_MAX)
}

impl CopyBudget {
    fn folder(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
        for entry in entries(from)? {
            self.files = self.files.checked_sub(1).ok_or(Errno::FBIG)?;
            check_time(self.deadline)?;
            self.entry((from, to), entry?.file_name(), depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
        name: &CStr,
        depth: u32,
    ) -> io::Result<()> {
        // NONBLOCK: opening a FIFO must not block.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = match openat(from, name, flags, Mode::empty()) {
            Ok(source) => source,
            // A link, a socket, or removed meanwhile.
            Err(Errno::LOOP | Errno::NXIO | Errno::NOENT | Errno::ACCESS) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let found = fstat(&source)?;
        let mode = Mode::from_raw_mode(found.st_mode) & PRIVATE;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                mkdirat(to, name, PRIVATE)?;
                let folder = openat(to, name, FOLDER, Mode::empty())?;
                self.folder(source.as_fd(), folder.as_fd(), depth)
            }
            FileType::RegularFile if found.st_nlink == 1 => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let target = openat(to, name, flags, mode)?;
                self.file(&source, &target)?;
                let written = Timespec {
                    tv_sec: found.st_mtime,
                    tv_nsec: found.st_mtime_nsec.cast_signed(),
                };
                Ok(futimens(&target, &times(written))?)
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
        loop {
            // One byte more than the budget shows that the file is too long.
            let wanted = CHUNK_BYTES.min(self.bytes.saturating_add(1));
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let copied = copy_file_range(from, None, to, None, wanted)?;
            if copied == 0 {
                break;
            }
            self.bytes = self.bytes.checked_sub(copied as u64).ok_or(Errno::FBIG)?;
            check_time(self.deadline)?;
        }
        if self.sync == FileSync::Yes {
            fdatasync(to)?;
        }
        Ok(())
    }
}

pub(crate) const fn times(time: Timespec) -> Timestamps {
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
