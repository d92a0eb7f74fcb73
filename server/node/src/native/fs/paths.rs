//! The operations on paths.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use hostd_engine::JsResult;
use rustix::fs::{self, Access, AtFlags, CWD, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::system;
use super::task::{Args, Failure, Outcome, Task};

/// Do not overwrite the target of a copy.
const COPY_EXCLUSIVE: u32 = 1;
/// Share the blocks of the source if the file system can.
const COPY_CLONE: u32 = 2;
/// Share the blocks of the source or fail.
const COPY_CLONE_ONLY: u32 = 4;

/// An operation on one path.
fn on_path<T: 'static>(
    args: &Args<'_>,
    syscall: &'static str,
    run: impl FnOnce(&[u8]) -> io::Result<T> + Send + 'static,
    outcome: fn(T) -> Outcome,
) -> JsResult<Task> {
    let path = args.path(0)?;
    Ok(Task::new(move || match run(&path) {
        Ok(value) => Ok(outcome(value)),
        Err(error) => Err(Failure::new(error, syscall).at(path)),
    }))
}

/// An operation on two paths.
fn on_paths(
    args: &Args<'_>,
    syscall: &'static str,
    run: impl FnOnce(&[u8], &[u8]) -> io::Result<()> + Send + 'static,
) -> JsResult<Task> {
    let (path, dest) = (args.path(0)?, args.path(1)?);
    Ok(Task::new(move || match run(&path, &dest) {
        Ok(()) => Ok(Outcome::Nothing),
        Err(error) => Err(Failure::new(error, syscall).at(path).to(dest)),
    }))
}

fn nothing((): ()) -> Outcome {
    Outcome::Nothing
}

/// `access(path, mode)`.
pub(super) fn access(args: &Args<'_>) -> JsResult<Task> {
    let mode = Access::from_bits_retain(args.bits(1));
    on_path(
        args,
        "access",
        move |path| Ok(fs::access(path, mode)?),
        nothing,
    )
}

/// `open(path, flags, mode)`: the file's number.
pub(super) fn open(args: &Args<'_>) -> JsResult<Task> {
    let (flags, mode) = (args.bits(1), args.bits(2));
    on_path(
        args,
        "open",
        move |path| system::open(path, flags, mode),
        Outcome::File,
    )
}

/// `rename(from, to)`.
pub(super) fn rename(args: &Args<'_>) -> JsResult<Task> {
    on_paths(args, "rename", system::rename)
}

/// `link(existing, new)`.
pub(super) fn link(args: &Args<'_>) -> JsResult<Task> {
    on_paths(args, "link", system::link)
}

/// `symlink(target, path)`.
pub(super) fn symlink(args: &Args<'_>) -> JsResult<Task> {
    on_paths(args, "symlink", system::symlink)
}

/// `copyFile(from, to, mode)`.
pub(super) fn copy_file(args: &Args<'_>) -> JsResult<Task> {
    let mode = args.bits(2);
    on_paths(args, "copyfile", move |from, to| copy(from, to, mode))
}

/// `unlink(path)`.
pub(super) fn unlink(args: &Args<'_>) -> JsResult<Task> {
    on_path(args, "unlink", system::unlink, nothing)
}

/// `rmdir(path)`.
pub(super) fn rmdir(args: &Args<'_>) -> JsResult<Task> {
    on_path(args, "rmdir", system::remove_folder, nothing)
}

/// `readlink(path, isRaw)`.
pub(super) fn readlink(args: &Args<'_>) -> JsResult<Task> {
    let read = |path: &[u8]| Ok(fs::readlink(path, Vec::new())?.into_bytes());
    if args.flag(1) {
        on_path(args, "readlink", read, |name| Outcome::Name(name, true))
    } else {
        on_path(args, "readlink", read, |name| Outcome::Name(name, false))
    }
}

/// `realpath(path, isRaw)`.
pub(super) fn realpath(args: &Args<'_>) -> JsResult<Task> {
    let (path, is_raw) = (args.path(0)?, args.flag(1));
    Ok(Task::new(move || {
        match std::fs::canonicalize(OsStr::from_bytes(&path)) {
            Ok(real) => Ok(Outcome::Name(real.into_os_string().into_vec(), is_raw)),
            Err(error) => Err(Failure::new(error, "realpath").at(path)),
        }
    }))
}

/// `chmod(path, mode)`.
pub(super) fn chmod(args: &Args<'_>) -> JsResult<Task> {
    let mode = Mode::from_raw_mode(args.bits(1));
    let run = move |path: &[u8]| {
        let changed = fs::chmod(path, mode);
        Ok(changed.or_else(|error| accept_unchanged(error, mode, || fs::stat(path)))?)
    };
    on_path(args, "chmod", run, nothing)
}

/// The outcome of a change of a mode that failed. The filter of the sandbox denies all such changes; one of
/// this user's own files to the mode that it has is no failure.
pub(super) fn accept_unchanged(
    error: Errno,
    mode: Mode,
    stat: impl FnOnce() -> Result<Stat, Errno>,
) -> Result<(), Errno> {
    if error == Errno::PERM {
        let found = stat()?;
        let user = rustix::process::geteuid().as_raw();
        if found.st_uid == user && Mode::from_raw_mode(found.st_mode) == mode {
            return Ok(());
        }
    }
    Err(error)
}

/// `chown(path, user, group)`.
pub(super) fn chown(args: &Args<'_>) -> JsResult<Task> {
    let (user, group) = owners(args);
    let run = move |path: &[u8]| Ok(fs::chown(path, user, group)?);
    on_path(args, "chown", run, nothing)
}

/// `lchown(path, user, group)`.
pub(super) fn lchown(args: &Args<'_>) -> JsResult<Task> {
    let (user, group) = owners(args);
    let run = move |path: &[u8]| {
        Ok(fs::chownat(
            CWD,
            path,
            user,
            group,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    };
    on_path(args, "lchown", run, nothing)
}

/// User and group, which are left as they are where -1 is given.
pub(super) fn owners(args: &Args<'_>) -> (Option<Uid>, Option<Gid>) {
    let number = |index| Some(args.bits(index)).filter(|&number| number != u32::MAX);
    (number(1).map(Uid::from_raw), number(2).map(Gid::from_raw))
}

/// `utimes(path, accessed, modified)`.
pub(super) fn utimes(args: &Args<'_>) -> JsResult<Task> {
    let times = times(args);
    let run = move |path: &[u8]| Ok(fs::utimensat(CWD, path, &times, AtFlags::empty())?);
    on_path(args, "utime", run, nothing)
}

/// `lutimes(path, accessed, modified)`.
pub(super) fn lutimes(args: &Args<'_>) -> JsResult<Task> {
    let times = times(args);
    let run = move |path: &[u8]| Ok(fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?);
    on_path(args, "lutime", run, nothing)
}

pub(super) fn times(args: &Args<'_>) -> Timestamps {
    Timestamps {
        last_access: timespec(args.seconds(1)),
        last_modification: timespec(args.seconds(2)),
    }
}

/// Seconds as libuv converts them: to microseconds; infinity is now, and what is no number no change.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn timespec(seconds: f64) -> Timespec {
    if seconds.is_infinite() {
        return Timespec {
            tv_sec: 0,
            tv_nsec: fs::UTIME_NOW,
        };
    }
    if seconds.is_nan() {
        return Timespec {
            tv_sec: 0,
            tv_nsec: fs::UTIME_OMIT,
        };
    }
    let whole = seconds.trunc();
    let nanoseconds = ((seconds - whole) * 1e9) as i64;
    let nanoseconds = nanoseconds - nanoseconds % 1000;
    let borrow = i64::from(nanoseconds < 0);
    Timespec {
        tv_sec: (whole as i64).saturating_sub(borrow),
        tv_nsec: nanoseconds + borrow * 1_000_000_000,
    }
}

fn copy(from: &[u8], to: &[u8], mode: u32) -> io::Result<()> {
    let source = system::open(from, OFlags::RDONLY.bits(), 0)?;
    let facts = fs::fstat(&source)?;
    let permissions = Mode::from_raw_mode(facts.st_mode);
    let mut flags = OFlags::WRONLY | OFlags::CREATE;
    if mode & COPY_EXCLUSIVE != 0 {
        flags |= OFlags::EXCL;
    }
    let target = system::open(to, flags.bits(), permissions.bits())?;
    let there = fs::fstat(&target)?;
    if (facts.st_dev, facts.st_ino) == (there.st_dev, there.st_ino) {
        return Ok(());
    }
    let copied = || -> io::Result<()> {
        fs::ftruncate(&target, 0)?;
        match fs::fchmod(&target, permissions) {
            // The filter of the sandbox denies it: the file keeps the mode that it was made with.
            Ok(()) | Err(Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        if mode & (COPY_CLONE | COPY_CLONE_ONLY) != 0 {
            match fs::ioctl_ficlone(&target, &source) {
                Ok(()) => return Ok(()),
                Err(error) if mode & COPY_CLONE_ONLY != 0 => return Err(error.into()),
                Err(_) => {}
            }
        }
        io::copy(
            &mut File::from(source.try_clone()?),
            &mut File::from(target.try_clone()?),
        )
        .map(drop)
    };
    copied().inspect_err(|_| {
        let _ = system::unlink(to);
    })
}
