//! Names of pools: a file for each, in a folder of this user, says which process made the pool.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::address::PoolAddress;
use super::error::PoolError;
use super::lock::Pause;
use crate::folder::open_private;

/// The longest name of a pool, in bytes.
const NAME_MAX: usize = 100;
/// The longest file of a name, in bytes.
const FILE_MAX: u64 = 256;
/// The first word of a file: what it is, and its version.
const KIND: &str = "napi_python-pool-1";
/// A file that is not finished; no pool can have this name.
const UNFINISHED: &str = ".new";

/// A name that this process has given to a pool.
#[derive(Debug)]
pub(crate) struct PublishedName {
    name: String,
    address: PoolAddress,
}

fn check(name: &str) -> Result<(), PoolError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=NAME_MAX).contains(&name.len());
    if fits && name.chars().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    Err(PoolError::BadName {
        name: name.chars().take(NAME_MAX).collect(),
        max: NAME_MAX,
    })
}

/// The folder of names: in the runtime folder of the user, else in `/tmp`.
fn place() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|path| path.is_absolute()) {
        Some(runtime) => runtime.join("napi_python"),
        None => PathBuf::from(format!("/tmp/napi_python-{}", geteuid().as_raw())),
    }
}

/// How long the folder of names is waited for, which is locked while a name is made or read.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The folder of names, locked.
struct Folder(OwnedFd);

impl Drop for Folder {
    fn drop(&mut self) {
        // A child that was forked meanwhile has the opened file too, so its end would not do.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens the folder of names, and locks it. None if there is none and `make` is false.
fn folder(make: bool) -> Result<Option<Folder>, PoolError> {
    let path = place();
    let refused = |why: String| PoolError::Folder {
        path: path.display().to_string(),
        why,
    };
    if make {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(refused(error.to_string()));
            }
            _ => {}
        }
    }
    match open_private(&path) {
        Ok(Some(folder)) => {
            let mut pause = Pause::new(LOCK_TIMEOUT);
            while let Err(errno) = flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                if errno != Errno::WOULDBLOCK && errno != Errno::INTR {
                    return Err(refused(errno.to_string()));
                }
                if !pause.wait() {
                    return Err(refused("another process has locked it".to_owned()));
                }
            }
            Ok(Some(Folder(folder)))
        }
        Ok(None) if fs::symlink_metadata(&path).is_err() => Ok(None),
        Ok(None) => Err(refused(
            "it is no folder of this user that other users may not enter".to_owned(),
        )),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// What the file of a name says; none if there is none, or none of ours.
fn read(folder: &Folder, name: &str) -> Option<PoolAddress> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(folder, name, flags, Mode::empty()).ok()?;
    let found = fstat(&file).ok()?;
    let is_ours = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
        && found.st_uid == geteuid().as_raw();
    if !is_ours {
        return None;
    }
    let mut text = String::new();
    File::from(file)
        .take(FILE_MAX)
        .read_to_string(&mut text)
        .ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<PoolAddress> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    if words.next() != Some(KIND) {
        return None;
    }
    let address = PoolAddress {
        pid: words.next()?.parse().ok()?,
        control: words.next()?.parse().ok()?,
        data: words.next()?.parse().ok()?,
        id: [
            u64::from_str_radix(words.next()?, 16).ok()?,
            u64::from_str_radix(words.next()?, 16).ok()?,
        ],
    };
    words.next().is_none().then_some(address)
}

fn text(address: &PoolAddress) -> String {
    let PoolAddress {
        pid,
        control,
        data,
        id: [high, low],
    } = address;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{KIND} {pid} {control} {data} {high:x} {low:x}");
    text
}

impl PublishedName {
    /// Gives a name to a pool.
    ///
    /// # Errors
    /// The name is not allowed, a process has a pool of this name, or the folder cannot be used.
    pub(crate) fn publish(name: &str, address: PoolAddress) -> Result<Self, PoolError> {
        check(name)?;
        let failed = |errno: Errno| PoolError::Folder {
            path: place().display().to_string(),
            why: errno.to_string(),
        };
        let folder = folder(true)?.ok_or_else(|| failed(Errno::NOENT))?;
        if let Some(other) = read(&folder, name).filter(PoolAddress::is_open) {
            return Err(PoolError::Taken {
                name: name.to_owned(),
                pid: other.pid,
            });
        }
        // A link or an unfinished file of that name is removed, not followed.
        let _ = unlinkat(&folder, UNFINISHED, AtFlags::empty());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat(&folder, UNFINISHED, flags, mode).map_err(failed)?;
        let written = File::from(file).write_all(text(&address).as_bytes());
        written.map_err(|error| PoolError::Folder {
            path: place().display().to_string(),
            why: error.to_string(),
        })?;
        renameat(&folder, UNFINISHED, &folder, name).map_err(failed)?;
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this process has given it, and not one that it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.address.pid == process::id()
    }

    /// Removes the name, unless another pool has it by now.
    pub(crate) fn remove(&self) {
        let Ok(Some(folder)) = folder(false) else {
            return;
        };
        if read(&folder, &self.name) == Some(self.address) {
            let _ = unlinkat(&folder, &self.name, AtFlags::empty());
        }
    }
}

/// Where the pool with a name is found.
///
/// # Errors
/// There is none, or the process that made it has ended.
pub(crate) fn look_up(name: &str) -> Result<PoolAddress, PoolError> {
    check(name)?;
    let folder = folder(false)?;
    let found = folder.and_then(|folder| read(&folder, name));
    found.ok_or_else(|| PoolError::Unknown {
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        let address = PoolAddress {
            pid: 4_000_000,
            control: 7,
            data: 8,
            id: [u64::MAX, 0],
        };
        assert_eq!(parse(&text(&address)), Some(address));
        let whole = text(&address);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None);
        }
        for hostile in [
            "",
            "\n",
            "napi_python-pool-1\n",
            "napi_python-pool-1 -1 2 3 4 5\n",
            "napi_python-pool-1 1 2 3 4 5 6\n",
            "napi_python-pool-2 1 2 3 4 5\n",
            "napi_python-pool-1 1 99999999999 3 4 5\n",
        ] {
            assert_eq!(parse(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(NAME_MAX + 1);
        for name in [
            "", ".", "..", "../x", "a/b", ".new", "a\0b", "a b", "ä", &long,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        let longest = "x".repeat(NAME_MAX);
        for name in ["a", "frames-1", "a.b_C", &longest] {
            assert!(check(name).is_ok(), "{name:?}");
        }
    }
}
