//! The scratch folder of a host: its home and temporary folder, made at its start and removed at its
//! end.
//!
//! A client that is killed removes nothing. So the folders of a client's hosts are in one folder, which
//! it locks as long as it has hosts, and the next client of this user removes those that are not
//! locked.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use std::{io, mem};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::background;
use crate::error::SpawnError;
use crate::folder::open_own;
use crate::fork::PerProcess;
use crate::remove::empty;

/// The environment variables that name the folder, and the subfolder that each names.
const VARIABLES: [(&str, &str); 4] = [
    ("HOME", ""),
    ("TMPDIR", ""),
    ("XDG_CACHE_HOME", CACHE),
    ("XDG_CONFIG_HOME", ""),
];
/// The cache folder below `HOME`, whose content later hosts may get.
const CACHE: &str = ".cache";

/// How the names of these folders begin.
const NAME_PREFIX: &str = "napi-hostd-scratch-";
/// The mode of the folder: only this user may enter.
const MODE: u32 = 0o700;
/// How long the removal of one may take.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a folder is made anew that another client has removed before it was locked.
const CREATE_ATTEMPTS_MAX: u32 = 16;

/// A folder that only this user may enter.
#[derive(Debug)]
pub(crate) struct ScratchFolder {
    path: PathBuf,
    /// None once it is being removed.
    client: Option<Arc<ClientFolder>>,
}

/// A scratch folder that has a name and is not made yet: it is made while the process starts.
#[derive(Debug)]
pub(crate) struct PlannedScratch {
    client: Arc<ClientFolder>,
    name: String,
}

/// The folder with the scratch folders of this process.
#[derive(Debug)]
struct ClientFolder {
    path: PathBuf,
    /// It is locked from the first host on.
    lock: Mutex<Option<OwnedFd>>,
}

static CLIENT_FOLDER: PerProcess<Weak<ClientFolder>> = PerProcess::new();

/// A forked child has a folder of its own.
pub(crate) fn forked() {
    drop(CLIENT_FOLDER.forked());
}

impl PlannedScratch {
    /// Chooses a random name. The first call removes the folders of killed clients, in the background.
    pub(crate) fn new() -> Self {
        static SWEPT: AtomicBool = AtomicBool::new(false);
        if !SWEPT.swap(true, Ordering::Relaxed) {
            // If there is no thread for it, they stay for the next client.
            let _ = background::start(|| sweep(&std::env::temp_dir()));
        }
        let parent = std::env::temp_dir();
        Self::of(CLIENT_FOLDER.with(|known| {
            let is_there = |it: &Arc<ClientFolder>| it.parent() == parent;
            known.upgrade().filter(is_there).unwrap_or_else(|| {
                let client = ClientFolder::within(&parent);
                *known = Arc::downgrade(&client);
                client
            })
        }))
    }

    fn of(client: Arc<ClientFolder>) -> Self {
        let name = format!("{:016x}", random());
        Self { client, name }
    }

    /// Sets the variables that name it, except those that the command sets already.
    pub(crate) fn set_environment(&self, command: &mut Command) {
        let home = self.client.path.join(&self.name);
        for (name, folder) in VARIABLES {
            if !command.get_envs().any(|(given, _)| given == name) {
                // This drops a trailing slash.
                let path = home.join(folder).components().collect::<PathBuf>();
                command.env(name, path);
            }
        }
    }

    pub(crate) fn make(&self) -> Result<ScratchFolder, SpawnError> {
        let path = self.client.path.join(&self.name);
        let made = self.client.ensure();
        made.and_then(|()| fs::DirBuilder::new().mode(MODE).create(&path))
            .map_err(|source| SpawnError::ScratchFolder {
                parent: self.client.parent().to_owned(),
                source,
            })?;
        let client = Some(Arc::clone(&self.client));
        Ok(ScratchFolder { path, client })
    }
}

impl ClientFolder {
    /// A folder with a random name, which is not made yet.
    fn within(parent: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: parent.join(format!("{NAME_PREFIX}{:016x}", random())),
            lock: Mutex::default(),
        })
    }

    fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    fn ensure(&self) -> io::Result<()> {
        let mut held = crate::lock(&self.lock);
        for _ in 0..CREATE_ATTEMPTS_MAX {
            if held.is_some() {
                return Ok(());
            }
            fs::DirBuilder::new().mode(MODE).create(&self.path)?;
            // None if another client has removed it before it was locked.
            *held = lock(&self.path)?;
        }
        Err(io::Error::other(
            "another program removed or locked the folder that was just created",
        ))
    }
}

impl Drop for ClientFolder {
    /// Removes it: its last host has ended. If a folder in it could not be removed, it stays for the
    /// next client.
    fn drop(&mut self) {
        if crate::lock(&self.lock).is_some() {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// A random number.
pub(crate) fn random() -> u64 {
    // The keys of the hash are random.
    RandomState::new().hash_one(std::process::id())
}

impl ScratchFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The cache folder, which is made when it is needed.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join(CACHE)
    }

    /// Removes it with its content. What cannot be removed in time stays for the next client.
    pub(crate) async fn remove(mut self) {
        if let Some(client) = self.client.take() {
            let path = mem::take(&mut self.path);
            let remove = move || {
                remove_own(&path);
                drop(client);
            };
            // If there is no thread for it, it stays.
            let _ = background::run(remove).await;
        }
    }
}

impl Drop for ScratchFolder {
    /// Removes it here: no host has used it, so there is little in it.
    fn drop(&mut self) {
        if self.client.is_some() {
            remove_own(&self.path);
        }
    }
}

/// Removes the folder of a host of this client.
fn remove_own(path: &Path) {
    if let Ok(Some((folder, _))) = open_own(path) {
        remove(path, &folder);
    }
}

fn remove(path: &Path, folder: &OwnedFd) {
    if empty(folder.as_fd(), Instant::now() + REMOVE_TIMEOUT).is_ok() {
        // Another process may have removed it.
        let _ = fs::remove_dir(path);
    }
}

/// Locks a private folder of this user; none if it is no such folder, is locked, or was removed
/// meanwhile.
fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    let Some((folder, found)) = open_own(path)? else {
        return Ok(None);
    };
    if found.st_mode & 0o7777 != MODE {
        return Ok(None);
    }
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    // It is removed only with the lock held: now it is either there or gone for good.
    let is_there = fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (found.st_dev, found.st_ino));
    Ok(is_there.then_some(folder))
}

/// Removes the folders of clients that have ended.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_scratch = name.as_encoded_bytes().starts_with(NAME_PREFIX.as_bytes());
        if is_scratch && let Ok(Some(lock)) = lock(&path) {
            remove(&path, &lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn planned(parent: &Path) -> PlannedScratch {
        PlannedScratch::of(ClientFolder::within(parent))
    }

    fn left(parent: &Path, name: &str, mode: u32) -> std::path::PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "text").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn only_unlocked_folders_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path();
        let held = planned(parent).make().unwrap();
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
        let held = planned(parent.path()).make().unwrap();
        let path = held.path().parent().unwrap().to_owned();
        sweep(parent.path());
        assert!(path.exists());
        // A client that is killed loses its descriptors and removes nothing.
        let client = held.client.as_ref().unwrap();
        drop(crate::lock(&client.lock).take());
        sweep(parent.path());
        assert!(!path.exists());
    }

    #[test]
    fn folder_of_a_client_is_removed_with_the_last_of_its_hosts() {
        let parent = tempfile::tempdir().unwrap();
        let first = planned(parent.path());
        let second = PlannedScratch::of(Arc::clone(&first.client));
        let made = [first.make().unwrap(), second.make().unwrap()];
        drop((first, second));
        for folder in made {
            let path = folder.path().to_owned();
            fs::write(path.join("file"), "text").unwrap();
            drop(folder);
            assert!(!path.exists());
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
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
