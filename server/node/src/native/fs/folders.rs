//! The operations on folders.
#![expect(
    clippy::unnecessary_wraps,
    reason = "all operations have one signature"
)]

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hostd_engine::JsResult;
use rustix::fs::{self, Dir, FileType, OFlags};
use rustix::io::Errno;

use super::system;
use super::task::{Answer, Args, Failure, Outcome, Task};

/// How many names `mkdtemp` tries.
const ATTEMPTS: usize = 100;

/// `mkdir(path, mode, isRecursive, isRaw)`: with `isRecursive` the first folder that was made.
pub(super) fn mkdir(args: &Args<'_>) -> JsResult<Task> {
    let path = args.path(0)?;
    let mode = args.bits(1);
    if args.flag(2) {
        return Ok(Task::new(move || match make_all(&path, mode) {
            Ok(Some(first)) => Ok(Outcome::Text(first)),
            Ok(None) => Ok(Outcome::Nothing),
            Err(error) => Err(Failure::new(error, "mkdir").at(path)),
        }));
    }
    Ok(Task::new(move || match system::make_folder(&path, mode) {
        Ok(()) => Ok(Outcome::Nothing),
        Err(error) => Err(Failure::new(error, "mkdir").at(path)),
    }))
}

/// Makes a folder and those that it lies in; gives the first that was not there.
fn make_all(path: &[u8], mode: u32) -> io::Result<Option<Vec<u8>>> {
    let mut first = None;
    let mut wanted = vec![path];
    while let Some(path) = wanted.pop() {
        let Err(error) = system::make_folder(path, mode) else {
            first = first.or_else(|| Some(path.to_vec()));
            continue;
        };
        match Errno::from_io_error(&error) {
            Some(Errno::ACCESS | Errno::NOSPC | Errno::NOTDIR | Errno::PERM) => return Err(error),
            Some(Errno::NOENT) => match parent(path) {
                Some(parent) => wanted.extend([path, parent]),
                None => return Err(error),
            },
            known => {
                let is_folder = FileType::from_raw_mode(fs::stat(path)?.st_mode).is_dir();
                if !is_folder && known == Some(Errno::EXIST) && !wanted.is_empty() {
                    return Err(Errno::NOTDIR.into());
                }
                if !is_folder {
                    return Err(error);
                }
            }
        }
    }
    Ok(first)
}

/// The path without its last name.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|&byte| byte != b'/')?;
    let slash = path[..=end].iter().rposition(|&byte| byte == b'/')?;
    let last = path[..slash].iter().rposition(|&byte| byte != b'/');
    Some(&path[..last.map_or(1, |last| last + 1)])
}

/// `mkdtemp(prefix, isRaw)`: the folder that was made.
pub(super) fn mkdtemp(args: &Args<'_>) -> JsResult<Task> {
    let (prefix, is_raw) = (args.path(0)?, args.flag(1));
    Ok(Task::new(move || {
        let mut made = Err(io::Error::from(Errno::EXIST));
        for _ in 0..ATTEMPTS {
            let path = [prefix.as_slice(), &random_name()].concat();
            made = system::make_folder(&path, 0o700).map(|()| path);
            if !made
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
            {
                break;
            }
        }
        let error = match made {
            Ok(path) => return Ok(Outcome::Name(path, is_raw)),
            Err(error) => error,
        };
        let template = [prefix.as_slice(), b"XXXXXX"].concat();
        Err(Failure::new(error, "mkdtemp").at(template))
    }))
}

/// Six letters and digits. The folder is made only if the name is free.
fn random_name() -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut rest = RandomState::new().hash_one(0);
    [(); 6].map(|()| {
        let digit = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
        digit
    })
}

fn open(path: &[u8]) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    Ok(Dir::new(system::open(path, flags.bits(), 0)?)?)
}

/// `readdir(path, isRaw, withTypes)`: the names, sorted; with `withTypes` also what they name.
pub(super) fn readdir(args: &Args<'_>) -> JsResult<Task> {
    let (path, is_raw, with_kinds) = (args.path(0)?, args.flag(1), args.flag(2));
    Ok(Task::new(move || {
        let found = open(&path).and_then(|mut folder| Ok(entries(&mut folder, usize::MAX)?));
        let mut found = match found {
            Ok(found) => found,
            Err(error) => return Err(Failure::new(error, "scandir").at(path)),
        };
        found.sort_unstable();
        let (names, kinds): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let kinds = with_kinds.then_some(kinds);
        Ok(Outcome::Entries {
            names,
            kinds,
            is_raw,
        })
    }))
}

/// Names and kinds of up to `most` entries.
fn entries(folder: &mut Dir, most: usize) -> Result<Vec<(Vec<u8>, u8)>, Errno> {
    let mut found = Vec::new();
    while found.len() < most {
        let Some(entry) = folder.read() else { break };
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        found.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        found.push((name.to_vec(), kind(entry.file_type())));
    }
    Ok(found)
}

/// The number that libuv has for a kind of file.
fn kind(kind: FileType) -> u8 {
    match kind {
        FileType::RegularFile => 1,
        FileType::Directory => 2,
        FileType::Symlink => 3,
        FileType::Fifo => 4,
        FileType::Socket => 5,
        FileType::CharacterDevice => 6,
        FileType::BlockDevice => 7,
        FileType::Unknown => 0,
    }
}

/// `opendir(path)`: the number of the open folder.
pub(super) fn opendir(args: &Args<'_>) -> JsResult<Task> {
    let path = args.path(0)?;
    Ok(Task::new(move || match open(&path) {
        Ok(folder) => Ok(Outcome::Folder(folder)),
        Err(error) => Err(Failure::new(error, "opendir").at(path)),
    }))
}

fn folder(args: &Args<'_>) -> u32 {
    u32::try_from(args.integer(0)).unwrap_or(0)
}

/// `readOpenDir(folder, isRaw, most)`: names and kinds; undefined at the end.
pub(super) fn read_open_dir(args: &Args<'_>) -> JsResult<Task> {
    let folder = args.node.files.borrow().folder(folder(args));
    let is_raw = args.flag(1);
    let most = usize::try_from(args.integer(2)).unwrap_or(0).max(1);
    Ok(Task::new(move || -> Answer {
        let folder: Arc<Mutex<Dir>> = folder.map_err(|error| Failure::new(error, "scandir"))?;
        let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries(&mut folder, most);
        let found = found.map_err(|error| Failure::new(error, "scandir"))?;
        if found.is_empty() {
            return Ok(Outcome::Nothing);
        }
        let (names, kinds) = found.into_iter().unzip();
        Ok(Outcome::Entries {
            names,
            kinds: Some(kinds),
            is_raw,
        })
    }))
}

/// `closeDir(folder)`.
pub(super) fn close_dir(args: &Args<'_>) -> JsResult<Task> {
    let folder = args.node.files.borrow_mut().remove_folder(folder(args));
    Ok(Task::new(move || match folder {
        Ok(folder) => {
            drop(folder);
            Ok(Outcome::Nothing)
        }
        Err(error) => Err(Failure::new(error, "closedir")),
    }))
}
