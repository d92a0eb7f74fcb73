//! The other operations on open files.
#![expect(
    clippy::unnecessary_wraps,
    reason = "all operations have one signature"
)]

use std::io;

use hostd_engine::JsResult;
use rustix::fs::{self, Mode};
use rustix::io::Errno;

use super::paths::{accept_unchanged, owners, times};
use super::task::{Args, Failure, Outcome, Task};
use crate::files::OpenFile;

fn on_file(
    args: &Args<'_>,
    syscall: &'static str,
    run: impl FnOnce(&OpenFile) -> Result<(), Errno> + Send + 'static,
) -> Task {
    let file = args.file(0);
    Task::new(move || {
        let done = file.and_then(|file| run(&file).map_err(io::Error::from));
        done.map(|()| Outcome::Nothing)
            .map_err(|error| Failure::new(error, syscall))
    })
}

/// `close(fd)`: no other operation finds the file from now on.
pub(super) fn close(args: &Args<'_>) -> JsResult<Task> {
    let file = args.node.files.borrow_mut().remove(args.descriptor(0));
    Ok(Task::new(move || match file {
        Ok(file) => {
            drop(file);
            Ok(Outcome::Nothing)
        }
        Err(error) => Err(Failure::new(error, "close")),
    }))
}

/// `fsync(fd)`.
pub(super) fn fsync(args: &Args<'_>) -> JsResult<Task> {
    Ok(on_file(args, "fsync", |file| fs::fsync(file)))
}

/// `fdatasync(fd)`.
pub(super) fn fdatasync(args: &Args<'_>) -> JsResult<Task> {
    Ok(on_file(args, "fdatasync", |file| fs::fdatasync(file)))
}

/// `ftruncate(fd, length)`.
pub(super) fn ftruncate(args: &Args<'_>) -> JsResult<Task> {
    let length = u64::try_from(args.integer(1));
    Ok(on_file(args, "ftruncate", move |file| {
        fs::ftruncate(file, length.map_err(|_| Errno::INVAL)?)
    }))
}

/// `fchmod(fd, mode)`.
pub(super) fn fchmod(args: &Args<'_>) -> JsResult<Task> {
    let mode = Mode::from_raw_mode(args.bits(1));
    Ok(on_file(args, "fchmod", move |file| {
        let changed = fs::fchmod(file, mode);
        changed.or_else(|error| accept_unchanged(error, mode, || fs::fstat(file)))
    }))
}

/// `fchown(fd, user, group)`.
pub(super) fn fchown(args: &Args<'_>) -> JsResult<Task> {
    let (user, group) = owners(args);
    Ok(on_file(args, "fchown", move |file| {
        fs::fchown(file, user, group)
    }))
}

/// `futimes(fd, accessed, modified)`.
pub(super) fn futimes(args: &Args<'_>) -> JsResult<Task> {
    let times = times(args);
    Ok(on_file(args, "futime", move |file| {
        fs::futimens(file, &times)
    }))
}
