//! A folder of a host's own, for what its addon leaves behind: made before it, gone after it.
//!
//! A client that is killed removes nothing. So the folder is locked as long as its client lives, and
//! the next client removes those of this user that nobody holds.

use std::fs::{self, Permissions};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tempfile::{Builder, TempDir};

use crate::error::SpawnError;
use crate::folder::open_own;
use crate::remove::empty;

/// The environment variables that name the folder, and which folder in it.
const VARIABLES: [(&str, &str); 4] = [
    ("HOME", ""),
    ("TMPDIR", ""),
    ("XDG_CACHE_HOME", CACHE),
    ("XDG_CONFIG_HOME", ""),
];
/// The folder for what an addon keeps for later hosts, where programs look for it below `HOME`.
const CACHE: &str = ".cache";

/// How the names of these folders begin.
const PREFIX: &str = "napi-hostd-scratch-";
/// Only this user may enter.
const MODE: u32 = 0o700;
/// So long it is tried to remove one.
const PATIENCE: Duration = Duration::from_secs(60);
/// Another client may take a fresh folder for one that was left, but hardly every one.
const ATTEMPTS: u32 = 16;

/// A folder that only this user may enter.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    /// Says that its client lives.
    lock: OwnedFd,
}

/// A folder that has its name, so that a process can be told of it, and is not made yet: that takes
/// a while, in which the process can start.
#[derive(Debug)]
pub(crate) struct Planned {
    parent: PathBuf,
    name: String,
}

impl Planned {
    /// Chooses a name that nobody has. To be called inside the supervisor's runtime: what others
    /// have left is removed in the background, once.
    pub(crate) fn new() -> Self {
        static SWEPT: AtomicBool = AtomicBool::new(false);
        if !SWEPT.swap(true, Ordering::Relaxed) {
            drop(tokio::task::spawn_blocking(|| sweep(&std::env::temp_dir())));
        }
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> Self {
        // The keys are the system's random numbers.
        let number = RandomState::new().hash_one(std::process::id());
        Self {
            parent: parent.to_owned(),
            name: format!("{PREFIX}{number:016x}"),
        }
    }

    /// Makes it home, but for what the command's environment says already.
    pub(crate) fn is_home_of(&self, command: &mut Command) {
        let home = self.parent.join(&self.name);
        for (name, folder) in VARIABLES {
            if !command.get_envs().any(|(given, _)| given == name) {
                // Without a trailing slash.
                let path = home.join(folder).components().collect::<PathBuf>();
                command.env(name, path);
            }
        }
    }

    /// Makes it.
    pub(crate) fn make(&self) -> Result<Scratch, SpawnError> {
        self.try_to_make().map_err(|source| SpawnError::System {
            what: "cannot create the scratch folder of the addon",
            source,
        })
    }

    fn try_to_make(&self) -> io::Result<Scratch> {
        for _ in 0..ATTEMPTS {
            let folder = Builder::new()
                .prefix(&self.name)
                .rand_bytes(0)
                .permissions(Permissions::from_mode(MODE))
                .tempdir_in(&self.parent)?;
            if let Some(lock) = lock(folder.path())? {
                return Ok(Scratch { folder, lock });
            }
            // It was taken for one that was left: removed here or there, it is gone.
        }
        Err(io::Error::other(
            "another program removed the folder that was just created",
        ))
    }
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the addon keeps what later hosts may use. It is not there until it is needed.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join(CACHE)
    }

    /// Removes it with all that is in it. What can't be removed, or not in time, stays for the next
    /// client.
    pub(crate) async fn remove(self) {
        let Self { folder, lock } = self;
        let path = folder.keep();
        // Without a thread for it, it stays.
        let _ = tokio::task::spawn_blocking(move || remove(&path, &lock)).await;
    }
}

/// Removes a folder that was locked.
fn remove(path: &Path, lock: &OwnedFd) {
    if empty(lock.as_fd(), Instant::now() + PATIENCE).is_ok() {
        // Somebody else may have removed it.
        let _ = fs::remove_dir(path);
    }
}

/// Locks a folder of this user's that nobody else may enter; none if it is no such folder, or is
/// locked, or was removed meanwhile.
fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    let Some((folder, found)) = open_own(path)? else {
        return Ok(None);
    };
    if found.st_mode & 0o7777 != MODE
        || flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err()
    {
        return Ok(None);
    }
    // Whoever removes it does so with the lock.
    let is_there = fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (found.st_dev, found.st_ino));
    Ok(is_there.then_some(folder))
}

/// Removes the folders of clients that are gone.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
        {
            continue;
        }
        let path = entry.path();
        if let Ok(Some(lock)) = lock(&path) {
            remove(&path, &lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(parent: &Path, name: &str, mode: u32) -> std::path::PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "text").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn what_nobody_holds_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path();
        let held = Planned::within(parent).make().unwrap();
        let gone = left(parent, "napi-hostd-scratch-gone", MODE);
        let elsewhere = left(parent, "elsewhere", MODE);
        std::os::unix::fs::symlink(&elsewhere, gone.join("link")).unwrap();
        let kept = [
            left(parent, "napi-hostd-other", MODE),
            left(parent, "napi-hostd-scratch-open", 0o755),
            elsewhere.clone(),
        ];
        let link = parent.join("napi-hostd-scratch-link");
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let file = parent.join("napi-hostd-scratch-file");
        fs::write(&file, "text").unwrap();
        sweep(parent);
        assert!(!gone.exists());
        assert!(held.path().exists());
        for folder in kept {
            assert!(folder.join("file").exists(), "{}", folder.display());
        }
        assert!(link.exists() && file.exists());
    }

    #[test]
    fn folder_is_free_when_its_client_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let Scratch { folder, lock } = Planned::within(parent.path()).make().unwrap();
        let path = folder.keep();
        sweep(parent.path());
        assert!(path.exists());
        drop(lock);
        sweep(parent.path());
        assert!(!path.exists());
    }

    #[test]
    fn folder_that_was_removed_meanwhile_is_not_locked() {
        let parent = tempfile::tempdir().unwrap();
        assert!(lock(&parent.path().join("nothing")).unwrap().is_none());
        let path = left(parent.path(), "napi-hostd-scratch-x", MODE);
        let first = lock(&path).unwrap();
        assert!(first.is_some());
        assert!(lock(&path).unwrap().is_none());
    }
}
