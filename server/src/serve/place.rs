//! The socket's place: a folder that nobody else may enter.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A socket that is removed at the end, and its folder if that was made for it.
#[derive(Debug)]
pub(super) struct Place {
    socket: PathBuf,
    made: Option<PathBuf>,
    closed: bool,
}

impl Place {
    /// Opens the socket that was asked for, or one with a name of its own.
    pub(super) fn open(socket: Option<PathBuf>) -> anyhow::Result<(Self, UnixListener)> {
        let (socket, made) = if let Some(socket) = socket {
            let folder = folder_of(&socket)?;
            (socket, make(&folder)?.then_some(folder))
        } else {
            let folder = std::env::var_os("XDG_RUNTIME_DIR")
                .map_or_else(std::env::temp_dir, PathBuf::from)
                .join(format!("napi-hostd-{}", std::process::id()));
            if !make(&folder)? {
                bail!("{} exists already; remove it", folder.display());
            }
            (folder.join("socket"), Some(folder))
        };
        let mut place = Self {
            socket,
            made,
            closed: false,
        };
        match place.listen() {
            Ok(listener) => Ok((place, listener)),
            Err(error) => {
                // What is there belongs to somebody else.
                place.closed = true;
                Err(error)
            }
        }
    }

    fn listen(&self) -> anyhow::Result<UnixListener> {
        let socket = &self.socket;
        check(&folder_of(socket)?)?;
        if fs::symlink_metadata(socket).is_ok() {
            match UnixStream::connect(socket) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(socket)
                        .with_context(|| format!("cannot replace {}", socket.display()))?;
                }
                _ => bail!(
                    "{} is in use or is not a socket; choose another --socket",
                    socket.display()
                ),
            }
        }
        let listener = UnixListener::bind(socket)
            .with_context(|| format!("cannot listen at {}", socket.display()))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Nobody can knock any more.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            // Somebody may have tidied up before.
            let _ = fs::remove_file(&self.socket);
            if let Some(made) = &self.made {
                let _ = fs::remove_dir(made);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.close();
    }
}

fn folder_of(socket: &Path) -> anyhow::Result<PathBuf> {
    match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => Ok(folder.to_owned()),
        _ => bail!(
            "{} has no folder; the socket needs a folder that only its user may enter",
            socket.display()
        ),
    }
}

/// Makes the folder, unless it is there.
fn make(folder: &Path) -> anyhow::Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", folder.display())),
    }
}

/// The permission bits of the group and of others.
const OTHERS_BITS: u32 = 6;

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
