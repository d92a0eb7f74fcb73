//! The named socket of `serve`, in a folder that other users may not enter. Makes both, and removes
//! what it has made.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A socket's path. The socket is removed on drop, and its folder if it was made for the socket.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    made: Option<PathBuf>,
    removed: bool,
}

impl SocketFile {
    pub(super) fn open(path: Option<PathBuf>) -> anyhow::Result<(Self, UnixListener)> {
        let (path, made) = if let Some(path) = path {
            let folder = folder_of(&path)?;
            (path, make(&folder)?.then_some(folder))
        } else {
            let folder = std::env::var_os("XDG_RUNTIME_DIR")
                .map_or_else(std::env::temp_dir, PathBuf::from)
                .join(format!("napi-hostd-{}", std::process::id()));
            if !make(&folder)? {
                bail!("{} exists already; remove it", folder.display());
            }
            (folder.join("socket"), Some(folder))
        };
        // On an error nothing is removed: what exists there is not this server's.
        let listener = Self::listen(&path)?;
        let socket = Self {
            path,
            made,
            removed: false,
        };
        Ok((socket, listener))
    }

    fn listen(path: &Path) -> anyhow::Result<UnixListener> {
        check(&folder_of(path)?)?;
        if fs::symlink_metadata(path).is_ok() {
            match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)
                        .with_context(|| format!("cannot replace {}", path.display()))?;
                }
                _ => bail!(
                    "{} is in use or is not a socket; choose another --socket",
                    path.display()
                ),
            }
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, so that no client can connect any more.
    pub(super) fn remove(&mut self) {
        if !std::mem::replace(&mut self.removed, true) {
            // The user may have removed it before.
            let _ = fs::remove_file(&self.path);
            if let Some(made) = &self.made {
                let _ = fs::remove_dir(made);
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn folder_of(path: &Path) -> anyhow::Result<PathBuf> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => Ok(folder.to_owned()),
        _ => bail!(
            "{} has no folder; the socket needs a folder that only its user may enter",
            path.display()
        ),
    }
}

/// Makes the folder; false if it exists.
fn make(folder: &Path) -> anyhow::Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", folder.display())),
    }
}

/// How many low bits of a mode are permissions of the group and of others.
const OTHERS_BITS: u32 = 6;

/// Refuses a folder that is not this user's, or that other users may enter.
fn check(folder: &Path) -> anyhow::Result<()> {
    let found = fs::symlink_metadata(folder)
        .with_context(|| format!("cannot read the metadata of {}", folder.display()))?;
    let own = rustix::process::geteuid().as_raw();
    if !found.is_dir() || found.uid() != own || found.mode().trailing_zeros() < OTHERS_BITS {
        bail!(
            "{} is not a folder that only this user owns and may enter; chmod 700 it, or choose \
             another --socket",
            folder.display()
        );
    }
    Ok(())
}
