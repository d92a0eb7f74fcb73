//! The operations that read and write: at a place of an open file, and whole files.

use std::os::fd::AsFd;

use hostd_engine::{JsResult, Runtime, Value};
use rustix::fs::{self, FileType};
use rustix::io::{Errno, retry_on_intr};

use super::system;
use super::task::{Answer, Args, Failure, Outcome, Target, Task, number};
use crate::files::OpenFile;

/// How many bytes a synchronous read or write copies at a time.
const CHUNK: usize = 1 << 20;
/// Limit of the bytes of a file that is read as a text: the length of Node's longest string.
const TEXT_MAX: usize = 0x1fff_ffe8;
/// How many bytes are asked for at once where the size of a file is not known.
const STEP: usize = 64 << 10;
/// How many views one call of the system reads to; it reads to the first ones, as libuv does.
const READ_VIEWS_MAX: u32 = 1024;
/// Limit of the views that are written at once.
const WRITTEN_VIEWS_MAX: u32 = 1 << 20;

/// Reads once, at a place or the current one.
fn read_once(file: impl AsFd, target: &mut [u8], place: Option<u64>) -> Result<usize, Errno> {
    let file = file.as_fd();
    retry_on_intr(|| match place {
        Some(place) => rustix::io::pread(file, &mut *target, place),
        None => rustix::io::read(file, &mut *target),
    })
}

/// Reads once, up to `length` bytes behind those that are there.
fn read_more(
    file: impl AsFd,
    bytes: &mut Vec<u8>,
    length: usize,
    place: Option<u64>,
) -> Result<usize, Errno> {
    let start = bytes.len();
    bytes.try_reserve(length).map_err(|_| Errno::NOMEM)?;
    bytes.resize(start + length, 0);
    let read = read_once(file, &mut bytes[start..], place);
    bytes.truncate(start + read.unwrap_or(0));
    read
}

/// `read(fd, view, offset, length, position)`: the number of bytes.
pub(super) fn read(args: &Args<'_>) -> JsResult<Task> {
    let target = args.target(1)?;
    let mut task = reading(args, target.length, args.position(4));
    task.targets.push(target);
    Ok(task)
}

/// `readBuffers(fd, views, position)`: the number of bytes.
pub(super) fn read_buffers(args: &Args<'_>) -> JsResult<Task> {
    let targets = args.targets(1, READ_VIEWS_MAX)?;
    let length = targets.iter().map(|target| target.length).sum();
    let mut task = reading(args, length, args.position(2));
    task.targets = targets;
    Ok(task)
}

fn reading(args: &Args<'_>, length: usize, place: Option<u64>) -> Task {
    let file = args.file(0);
    Task::new(move || {
        let file = file.map_err(|error| Failure::new(error, "read"))?;
        let mut bytes = Vec::new();
        match read_more(&file, &mut bytes, length, place) {
            Ok(_) => Ok(Outcome::Read(bytes)),
            Err(error) => Err(Failure::new(error, "read")),
        }
    })
}

/// `read` at once: a large part of a regular file is copied piece by piece, so that it needs no memory
/// of its own.
pub(super) fn read_now(rt: Runtime, args: &Args<'_>) -> JsResult {
    let failed = |error: Errno| Failure::new(error, "read").exception(rt);
    let Target {
        view,
        offset,
        length,
    } = args.target(1)?;
    let file = args.file(0);
    let file = file.map_err(|error| Failure::new(error, "read").exception(rt))?;
    let place = args.position(4);
    let is_regular = length > CHUNK && is_regular(&file);
    let mut bytes = Vec::new();
    let room = if is_regular { CHUNK } else { length };
    rt.reserve(&mut bytes, room)?;
    bytes.resize(room, 0);
    let mut total = 0;
    while total < length {
        let part = &mut bytes[..room.min(length - total)];
        let place = place.map(|place| place.saturating_add(total as u64));
        let read = match read_once(&file, part, place) {
            Ok(read) => read,
            Err(_) if total > 0 => break,
            Err(error) => return Err(failed(error)),
        };
        rt.write_bytes(&view, offset + total, &part[..read]);
        total += read;
        if read < part.len() {
            break;
        }
    }
    Ok(number(total))
}

/// `write(fd, view, offset, length, position)`: the number of bytes.
pub(super) fn write(args: &Args<'_>) -> JsResult<Task> {
    let target = args.target(1)?;
    let mut bytes = Vec::new();
    gather(args.rt, &mut bytes, &target, 0, target.length)?;
    Ok(writing(args, bytes, args.position(4)))
}

/// `writeBuffers(fd, views, position)`: the number of bytes.
pub(super) fn write_buffers(args: &Args<'_>) -> JsResult<Task> {
    let mut bytes = Vec::new();
    for target in args.targets(1, WRITTEN_VIEWS_MAX)? {
        gather(args.rt, &mut bytes, &target, 0, target.length)?;
    }
    Ok(writing(args, bytes, args.position(2)))
}

/// Appends a part of a target.
fn gather(
    rt: Runtime,
    bytes: &mut Vec<u8>,
    target: &Target,
    from: usize,
    length: usize,
) -> JsResult<()> {
    let start = bytes.len();
    rt.reserve(bytes, length)?;
    bytes.resize(start + length, 0);
    if !rt.read_bytes(&target.view, target.offset + from, &mut bytes[start..]) {
        bytes.truncate(start);
    }
    Ok(())
}

fn write_once(file: impl AsFd, bytes: &[u8], place: Option<u64>) -> Result<usize, Errno> {
    let file = file.as_fd();
    retry_on_intr(|| match place {
        Some(place) => rustix::io::pwrite(file, bytes, place),
        None => rustix::io::write(file, bytes),
    })
}

fn writing(args: &Args<'_>, bytes: Vec<u8>, place: Option<u64>) -> Task {
    let file = args.file(0);
    Task::new(move || {
        let file = file.map_err(|error| Failure::new(error, "write"))?;
        match write_once(&file, &bytes, place) {
            #[expect(clippy::cast_precision_loss, reason = "lengths are below 2^53")]
            Ok(written) => Ok(Outcome::Number(written as f64)),
            Err(error) => Err(Failure::new(error, "write")),
        }
    })
}

/// `write` at once: piece by piece, as [`read_now`].
pub(super) fn write_now(rt: Runtime, args: &Args<'_>) -> JsResult {
    let target = args.target(1)?;
    let file = args.file(0);
    let file = file.map_err(|error| Failure::new(error, "write").exception(rt))?;
    let place = args.position(4);
    let is_regular = target.length > CHUNK && is_regular(&file);
    let mut bytes = Vec::new();
    let mut total = 0;
    loop {
        let left = target.length - total;
        let step = if is_regular { left.min(CHUNK) } else { left };
        bytes.clear();
        gather(rt, &mut bytes, &target, total, step)?;
        let place = place.map(|place| place.saturating_add(total as u64));
        match write_once(&file, &bytes, place) {
            Ok(written) => {
                total += written;
                if written < step || total == target.length {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(error) => return Err(Failure::new(error, "write").exception(rt)),
        }
    }
    Ok(number(total))
}

fn is_regular(file: &OpenFile) -> bool {
    fs::fstat(file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file())
}

/// `readFileUtf8(pathOrFd, flags)`: the text of a file.
pub(super) fn read_file_utf8(args: &Args<'_>) -> JsResult<Task> {
    if args.get(0).as_f64().is_some() {
        let file = args.file(0);
        return Ok(Task::new(move || {
            read_all(&file.map_err(|error| Failure::new(error, "read"))?)
        }));
    }
    let path = args.path(0)?;
    let flags = args.bits(1);
    Ok(Task::new(move || match system::open(&path, flags, 0o666) {
        Ok(file) => read_all(&file),
        Err(error) => Err(Failure::new(error, "open").at(path)),
    }))
}

fn read_all(file: &impl AsFd) -> Answer {
    let size = fs::fstat(file).map_or(0, |found| usize::try_from(found.st_size).unwrap_or(0));
    let mut bytes = Vec::new();
    // One more byte finds the end at once.
    let mut step = size.saturating_add(1).clamp(1 << 9, TEXT_MAX + 1);
    loop {
        match read_more(file, &mut bytes, step, None) {
            Ok(0) => return Ok(Outcome::Text(bytes)),
            Ok(_) if bytes.len() > TEXT_MAX => return Err(Failure::new(Errno::FBIG, "read")),
            Ok(_) => {}
            Err(error) => return Err(Failure::new(error, "read")),
        }
        let room = bytes.capacity() - bytes.len();
        step = if room > 0 {
            room
        } else {
            STEP.max(bytes.len())
        };
    }
}

/// `writeFileUtf8(pathOrFd, text, flags, mode)`.
pub(super) fn write_file_utf8(args: &Args<'_>) -> JsResult<Task> {
    let text: &Value = args.get(1);
    let bytes = args.rt.copied(args.rt.utf8(text)?.as_bytes())?;
    if args.get(0).as_f64().is_some() {
        let file = args.file(0);
        return Ok(Task::new(move || {
            let file = file.map_err(|error| Failure::new(error, "write"))?;
            write_all(&file, &bytes)
        }));
    }
    let path = args.path(0)?;
    let (flags, mode) = (args.bits(2), args.bits(3));
    Ok(Task::new(move || match system::open(&path, flags, mode) {
        Ok(file) => write_all(&file, &bytes),
        Err(error) => Err(Failure::new(error, "open").at(path)),
    }))
}

fn write_all(file: &impl AsFd, mut bytes: &[u8]) -> Answer {
    while !bytes.is_empty() {
        match write_once(file, bytes, None) {
            Ok(0) => break,
            Ok(written) => bytes = &bytes[written..],
            Err(error) => return Err(Failure::new(error, "write")),
        }
    }
    Ok(Outcome::Nothing)
}
