//! The calls that the sandbox may deny: by functions of the C library, which note a denial.

use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use rustix::io::Errno;

/// The part of the flags that says whether a file is read or written.
const ACCESS: u32 = 3;
const WRITE_ONLY: u32 = 1;
const READ_WRITE: u32 = 2;

/// Opens a file; a program that is started does not inherit it.
pub(super) fn open(path: &[u8], flags: u32, mode: u32) -> io::Result<OwnedFd> {
    let access = flags & ACCESS;
    if access > READ_WRITE {
        return Err(Errno::INVAL.into());
    }
    let file = OpenOptions::new()
        .read(access != WRITE_ONLY)
        .write(access != 0)
        .custom_flags((flags & !ACCESS).cast_signed())
        .mode(mode)
        .open(OsStr::from_bytes(path))?;
    Ok(file.into())
}

pub(super) fn make_folder(path: &[u8], mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(OsStr::from_bytes(path))
}

pub(super) fn rename(from: &[u8], to: &[u8]) -> io::Result<()> {
    std::fs::rename(OsStr::from_bytes(from), OsStr::from_bytes(to))
}

pub(super) fn link(from: &[u8], to: &[u8]) -> io::Result<()> {
    std::fs::hard_link(OsStr::from_bytes(from), OsStr::from_bytes(to))
}

pub(super) fn symlink(target: &[u8], path: &[u8]) -> io::Result<()> {
    std::os::unix::fs::symlink(OsStr::from_bytes(target), OsStr::from_bytes(path))
}

pub(super) fn unlink(path: &[u8]) -> io::Result<()> {
    std::fs::remove_file(OsStr::from_bytes(path))
}

pub(super) fn remove_folder(path: &[u8]) -> io::Result<()> {
    std::fs::remove_dir(OsStr::from_bytes(path))
}
