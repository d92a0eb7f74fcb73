//! Safe access to folders that other processes can write to or replace.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Opens a folder of this user. None if the name is that of nothing, a link, a file, or a folder of
/// another user.
pub(crate) fn open_own(path: &Path) -> io::Result<Option<(OwnedFd, Stat)>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let folder = match open(path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::LOOP | Errno::NOTDIR | Errno::ACCESS | Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let found = fstat(&folder)?;
    Ok((found.st_uid == geteuid().as_raw()).then_some((folder, found)))
}

/// Whether an entry of a folder is the folder itself or the one above it.
pub(crate) fn is_itself(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}
