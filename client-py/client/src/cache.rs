//! Keeps the cache folders of hosts: what an addon stored in its cache folder while it was loaded is
//! restored when another host loads the same file under the same policy.
//!
//! An entry belongs to one addon file and one policy, and only this process writes it: it is a copy of
//! the host's cache folder, made right after the addon was loaded and before its first call. Each host
//! gets a private copy, so that what an addon stores later, or for another addon, reaches no other host.
//! A folder shared for reading does not work, because addons lock files in their caches.
//!
//! A host may write to its folder while that is copied (see `copy`); beyond a limit nothing is stored.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, DirBuilder};
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hostd_protocol::confinement::Confinement;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, RenameFlags, Timespec, UTIME_NOW, flock, futimens, open,
    renameat_with, unlinkat,
};
use rustix::io::Errno;
use tempfile::Builder;

use crate::copy::{FileSync, PRIVATE, copy, times};
use crate::folder::{self, FOLDER, open_private};
use crate::remove::empty;

/// The most bytes of all entries; beyond it the least recently used are removed.
const TOTAL_BYTES: u64 = 1 << 30;
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);
/// An older unfinished entry is that of a client that was killed.
const UNFINISHED_AGE: Duration = Duration::from_secs(600);
/// How the name of an unfinished entry begins.
const UNFINISHED: &str = "new-";

/// The entry of one addon file under one policy, whether it exists or not.
#[derive(Debug)]
pub(crate) struct Entry {
    root: PathBuf,
    name: String,
}

/// A cache folder that is to be stored, because there was no entry.
#[derive(Debug)]
pub(crate) struct Unsaved {
    pub(crate) entry: Entry,
    pub(crate) folder: PathBuf,
}

impl Entry {
    /// The entry of an addon under a policy; none without a folder for caches, or without the file.
    ///
    /// The file is identified by inode, size and times: each change sets the ctime, which no program can
    /// choose.
    pub(crate) fn of(addon: &Path, confinement: &Confinement) -> Option<Self> {
        let found = fs::metadata(addon).ok()?;
        let mut policy = DefaultHasher::new();
        // The entry is for later clients, too.
        let confinement = Confinement {
            client: 0,
            ..confinement.clone()
        };
        confinement.hash(&mut policy);
        let name = format!(
            "{:x}-{:x}-{:x}-{}.{:09}-{}.{:09}-{:016x}",
            found.dev(),
            found.ino(),
            found.size(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
            policy.finish()
        );
        let root = root()?;
        Some(Self { root, name })
    }

    /// Copies the entry to a new folder. Returns whether there was one.
    ///
    /// # Errors
    /// It could not be copied whole; the folder is removed again.
    pub(crate) fn restore(&self, folder: &Path) -> io::Result<bool> {
        let Some(entry) = open_private(&self.root.join(&self.name))? else {
            return Ok(false);
        };
        if flock(&entry, FlockOperation::NonBlockingLockShared).is_err() {
            return Ok(false);
        }
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        // The time of the last use decides which entries are removed first.
        let _ = futimens(&entry, &times(now));
        DirBuilder::new().mode(PRIVATE.bits()).create(folder)?;
        let copied = open_private(folder)?
            .ok_or_else(|| io::Error::from(Errno::NOENT))
            .and_then(|to| copy(entry.as_fd(), to.as_fd(), FileSync::No));
        if copied.is_err() {
            let _ = remove(folder);
        }
        copied.map(|()| true)
    }
}

impl Unsaved {
    /// Stores the host's cache folder, if there is one with something in it.
    ///
    /// # Errors
    /// Nothing is stored: it is too large, changes meanwhile, or the system refuses.
    pub(crate) fn store(&self) -> io::Result<()> {
        let Entry { root, name } = &self.entry;
        let Some(from) = open_private(&self.folder)? else {
            return Ok(());
        };
        if is_empty(from.as_fd())? {
            return Ok(());
        }
        DirBuilder::new()
            .mode(PRIVATE.bits())
            .recursive(true)
            .create(root)?;
        let Some(place) = open_private(root)? else {
            return Err(Errno::PERM.into());
        };
        let unfinished = Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(PRIVATE.bits()))
            .tempdir_in(root)?;
        let Some(to) = open_private(unfinished.path())? else {
            return Err(Errno::PERM.into());
        };
        copy(from.as_fd(), to.as_fd(), FileSync::Yes)?;
        let made = unfinished.path().file_name().unwrap_or_default();
        match renameat_with(&place, made, &place, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                // It was renamed: there is nothing to remove.
                let _ = unfinished.keep();
            }
            // Another client was first.
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        evict(root, name, TOTAL_BYTES)
    }
}

/// Removes all entries of this user.
///
/// # Errors
/// An entry could not be removed.
pub fn clear_cache() -> io::Result<()> {
    let Some(root) = root() else {
        return Ok(());
    };
    for (name, _) in entries(&root)? {
        remove(&root.join(name))?;
    }
    Ok(())
}

/// The folder of all entries: `napi_python` in the user's folder for caches.
fn root() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("napi_python"))
}

fn is_empty(folder: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(folder::entries(folder)?.next().transpose()?.is_none())
}

/// The entries with the time of their last use, the unfinished ones among them.
fn entries(root: &Path) -> io::Result<Vec<(std::ffi::OsString, SystemTime)>> {
    if open_private(root)?.is_none() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let used = entry.metadata().and_then(|about| about.modified());
        found.push((entry.file_name(), used.unwrap_or(SystemTime::UNIX_EPOCH)));
    }
    Ok(found)
}

/// Removes the least recently used entries until the rest fits the limit, never `newest`, and unfinished
/// entries of clients that were killed.
fn evict(root: &Path, newest: &str, limit: u64) -> io::Result<()> {
    let mut left = entries(root)?;
    left.retain(|(name, made)| {
        let is_unfinished = name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        if is_unfinished && made.elapsed().unwrap_or_default() > UNFINISHED_AGE {
            let _ = remove(&root.join(name));
        }
        !is_unfinished
    });
    left.sort_by_key(|(_, used)| *used);
    let mut total: u64 = left.iter().map(|(name, _)| size(&root.join(name))).sum();
    for (name, _) in left {
        if total <= limit {
            break;
        }
        if name != newest {
            let path = root.join(&name);
            total = total.saturating_sub(size(&path));
            remove(&path)?;
        }
    }
    Ok(())
}

/// The bytes of a tree that this process made, whose depth is limited.
fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Removes one entry, after waiting for clients that copy it.
fn remove(path: &Path) -> io::Result<()> {
    match open(path, FOLDER, Mode::empty()) {
        Ok(entry) => {
            flock(&entry, FlockOperation::LockExclusive)?;
            empty(entry.as_fd(), Instant::now() + REMOVE_TIMEOUT)?;
        }
        Err(Errno::NOENT) => return Ok(()),
        // A file or link of that name is not an entry.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Ok(unlinkat(CWD, path, AtFlags::empty())?);
        }
        Err(errno) => return Err(errno.into()),
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::FileType;
    use tempfile::TempDir;

    use super::*;
    use crate::copy::{DEPTH_MAX, ENTRY_BYTES};

    struct Place {
        top: TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self {
                top: TempDir::new().unwrap(),
            };
            place.folder("host");
            place
        }

        fn folder(&self, name: &str) -> PathBuf {
            let path = self.top.path().join(name);
            DirBuilder::new()
                .mode(PRIVATE.bits())
                .recursive(true)
                .create(&path)
                .unwrap();
            path
        }

        fn entry(&self, name: &str) -> Entry {
            Entry {
                root: self.top.path().join("root"),
                name: name.to_owned(),
            }
        }

        fn unsaved(&self, name: &str) -> Unsaved {
            Unsaved {
                entry: self.entry(name),
                folder: self.top.path().join("host"),
            }
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.top.path().join("root"))
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_tree_is_stored_and_each_host_gets_a_copy() {
        let place = Place::new();
        fs::write(place.folder("host/deep").join("file"), "content").unwrap();
        place.unsaved("a").store().unwrap();
        for copy in ["one", "two"] {
            let copy = place.top.path().join(copy);
            assert!(place.entry("a").restore(&copy).unwrap());
            assert_eq!(fs::read(copy.join("deep/file")).unwrap(), b"content");
            fs::write(copy.join("deep/file"), "changed").unwrap();
        }
        let absent = place.top.path().join("three");
        assert!(!place.entry("b").restore(&absent).unwrap());
        assert!(!absent.exists());
    }

    #[test]
    fn what_was_stored_first_stays() {
        let place = Place::new();
        let file = place.top.path().join("host/file");
        fs::write(&file, "first").unwrap();
        place.unsaved("a").store().unwrap();
        fs::write(&file, "second").unwrap();
        place.unsaved("a").store().unwrap();
        assert_eq!(place.names(), ["a"]);
        let copy = place.top.path().join("copy");
        assert!(place.entry("a").restore(&copy).unwrap());
        assert_eq!(fs::read(copy.join("file")).unwrap(), b"first");
    }

    #[test]
    fn only_plain_files_with_one_link_are_stored() {
        let place = Place::new();
        let host = place.top.path().join("host");
        let secret = place.top.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        symlink(&secret, host.join("link")).unwrap();
        symlink(place.top.path(), host.join("folder-link")).unwrap();
        fs::hard_link(&secret, host.join("hard")).unwrap();
        let pipe = host.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, PRIVATE, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.join("socket")).unwrap();
        fs::write(host.join("plain"), "plain").unwrap();
        place.unsaved("a").store().unwrap();
        let copy = place.top.path().join("copy");
        assert!(place.entry("a").restore(&copy).unwrap());
        let copied: Vec<_> = fs::read_dir(&copy).unwrap().flatten().collect();
        assert_eq!(copied.len(), 1);
        assert_eq!(fs::read(copy.join("plain")).unwrap(), b"plain");
    }

    #[test]
    fn a_file_is_copied_without_rights_of_others() {
        let place = Place::new();
        let file = place.top.path().join("host/program");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
        place.unsaved("a").store().unwrap();
        let stored = place.top.path().join("root/a/program");
        assert_eq!(fs::metadata(stored).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn what_is_beyond_a_limit_is_not_stored() {
        let place = Place::new();
        let mut deep = place.top.path().join("host");
        for _ in 0..=DEPTH_MAX {
            deep = deep.join("d");
        }
        fs::create_dir_all(&deep).unwrap();
        assert!(place.unsaved("deep").store().is_err());
        let place = Place::new();
        let file = fs::File::create(place.top.path().join("host/long")).unwrap();
        file.set_len(ENTRY_BYTES + 1).unwrap();
        assert!(place.unsaved("long").store().is_err());
        assert!(place.names().is_empty());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let place = Place::new();
        fs::write(place.top.path().join("host/file"), "x").unwrap();
        place.unsaved("a").store().unwrap();
        let entry = place.top.path().join("root/a");
        fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
        let copy = place.top.path().join("copy");
        assert!(!place.entry("a").restore(&copy).unwrap());
        let root = place.top.path().join("root");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(place.unsaved("b").store().is_err());
    }

    #[test]
    fn what_was_not_used_for_longest_is_removed_first() {
        let place = Place::new();
        let root = place.folder("root");
        for (name, seconds) in [
            ("old", 10),
            ("older", 20),
            ("newest", 30),
            ("new-left", 10_000),
        ] {
            let entry = place.folder(&format!("root/{name}"));
            fs::write(entry.join("file"), [0; 100]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(seconds);
            fs::File::open(&entry).unwrap().set_modified(used).unwrap();
        }
        evict(&root, "newest", 250).unwrap();
        assert_eq!(place.names(), ["newest", "old"]);
    }
}
