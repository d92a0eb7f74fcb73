//! The operations that say what a file or a file system is.
#![expect(
    clippy::unnecessary_wraps,
    reason = "all operations have one signature"
)]

use hostd_engine::JsResult;
use rustix::fs::{self, AtFlags, CWD, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use super::task::{Answer, Args, Failure, Outcome, Task};

/// The errors that are no error of a `stat`, but the answer that there is nothing.
#[derive(Clone, Copy)]
enum Accepted {
    None,
    Missing,
    All,
}

impl Accepted {
    fn accepts(self, error: Errno) -> bool {
        match self {
            Self::None => false,
            Self::Missing => matches!(error, Errno::NOENT | Errno::NOTDIR),
            Self::All => true,
        }
    }
}

/// `stat(path, isBigint, accepted)`: 18 numbers as the bytes of an array; undefined if there is nothing
/// and that is accepted: 1 for what is missing, 2 for every error.
pub(super) fn stat(args: &Args<'_>) -> JsResult<Task> {
    at_path(args, "stat", AtFlags::empty())
}

/// `lstat(path, isBigint, accepted)`.
pub(super) fn lstat(args: &Args<'_>) -> JsResult<Task> {
    at_path(args, "lstat", AtFlags::SYMLINK_NOFOLLOW)
}

fn at_path(args: &Args<'_>, syscall: &'static str, flags: AtFlags) -> JsResult<Task> {
    let (path, is_bigint, accepted) = (args.path(0)?, args.flag(1), accepted(args));
    Ok(Task::new(move || {
        match fs::statx(CWD, path.as_slice(), flags, wanted()) {
            Ok(found) => Ok(numbers(&found, is_bigint)),
            Err(error) if accepted.accepts(error) => Ok(Outcome::Nothing),
            Err(error) => Err(Failure::new(error, syscall).at(path)),
        }
    }))
}

/// `fstat(fd, isBigint, accepted)`.
pub(super) fn fstat(args: &Args<'_>) -> JsResult<Task> {
    let (file, is_bigint, accepted) = (args.file(0), args.flag(1), accepted(args));
    Ok(Task::new(move || {
        let file = match file {
            Ok(file) => file,
            Err(_) if accepted.accepts(Errno::BADF) => return Ok(Outcome::Nothing),
            Err(error) => return Err(Failure::new(error, "fstat")),
        };
        match fs::statx(&file, c"", AtFlags::EMPTY_PATH, wanted()) {
            Ok(found) => Ok(numbers(&found, is_bigint)),
            Err(error) if accepted.accepts(error) => Ok(Outcome::Nothing),
            Err(error) => Err(Failure::new(error, "fstat")),
        }
    }))
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

fn accepted(args: &Args<'_>) -> Accepted {
    match args.bits(2) {
        0 => Accepted::None,
        1 => Accepted::Missing,
        _ => Accepted::All,
    }
}

fn numbers(found: &Statx, is_bigint: bool) -> Outcome {
    let device = |major, minor| fs::makedev(major, minor).cast_signed();
    let time = |time: StatxTimestamp| [time.tv_sec, i64::from(time.tv_nsec)];
    let facts = [
        device(found.stx_dev_major, found.stx_dev_minor),
        i64::from(found.stx_mode),
        i64::from(found.stx_nlink),
        i64::from(found.stx_uid),
        i64::from(found.stx_gid),
        device(found.stx_rdev_major, found.stx_rdev_minor),
        i64::from(found.stx_blksize),
        found.stx_ino.cast_signed(),
        found.stx_size.cast_signed(),
        found.stx_blocks.cast_signed(),
    ];
    let times = [
        found.stx_atime,
        found.stx_mtime,
        found.stx_ctime,
        found.stx_btime,
    ];
    let all: Vec<i64> = facts
        .into_iter()
        .chain(times.into_iter().flat_map(time))
        .collect();
    bytes(&all, is_bigint)
}

/// The bytes of a `BigInt64Array`, or of a `Float64Array`.
fn bytes(numbers: &[i64], is_bigint: bool) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "as in Node")]
    let bytes = |&number: &i64| {
        if is_bigint {
            number.to_ne_bytes()
        } else {
            (number as f64).to_ne_bytes()
        }
    };
    Outcome::Bytes(numbers.iter().flat_map(bytes).collect())
}

/// `statfs(path, isBigint)`: seven numbers as the bytes of an array.
pub(super) fn statfs(args: &Args<'_>) -> JsResult<Task> {
    let (path, is_bigint) = (args.path(0)?, args.flag(1));
    Ok(Task::new(move || -> Answer {
        let found = match fs::statfs(path.as_slice()) {
            Ok(found) => found,
            Err(error) => return Err(Failure::new(error, "statfs").at(path)),
        };
        let numbers = [
            found.f_type,
            found.f_bsize,
            found.f_blocks.cast_signed(),
            found.f_bfree.cast_signed(),
            found.f_bavail.cast_signed(),
            found.f_files.cast_signed(),
            found.f_ffree.cast_signed(),
        ];
        Ok(bytes(&numbers, is_bigint))
    }))
}
