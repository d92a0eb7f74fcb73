//! Safe access to folders that other processes can write to or replace.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use rustix::fs::{Dir, DirEntry, Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The flags with which a folder is opened, and nothing else.
pub(crate) const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a folder of this user. None if the name is that of nothing, a link, a file, or a folder of
/// another user.
pub(crate) fn open_own(path: &Path) -> io::Result<Option<(OwnedFd, Stat)>> {
    let folder = match open(path, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::LOOP | Errno::NOTDIR | Errno::ACCESS | Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let found = fstat(&folder)?;
    Ok((found.st_uid == geteuid().as_raw()).then_some((folder, found)))
}

/// Opens a folder of this user that no other user may enter; none if there is no such folder.
pub(crate) fn open_private(path: &Path) -> io::Result<Option<OwnedFd>> {
    let is_private = |mode| (Mode::from_raw_mode(mode) & (Mode::RWXG | Mode::RWXO)).is_empty();
    let folder = open_own(path)?.filter(|(_, found)| is_private(found.st_mode));
    Ok(folder.map(|(folder, _)| folder))
}

/// The entries of a folder without itself and the one above it.
pub(crate) fn entries(
    folder: impl AsFd,
) -> Result<impl Iterator<Item = Result<DirEntry, Errno>>, Errno> {
    let is_itself = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
    let entries = Dir::read_from(folder)?;
    Ok(entries.filter(move |entry| !entry.as_ref().is_ok_and(is_itself)))
}

/// Fails after the deadline.
pub(crate) fn check_time(deadline: Instant) -> Result<(), Errno> {
    if Instant::now() < deadline {
        Ok(())
    } else {
        Err(Errno::TIMEDOUT)
    }
}
