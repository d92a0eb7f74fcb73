//! Opens the file of an addon for reading, whatever is at the path, and reads parts of it.
#![forbid(unsafe_code)]

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{LoadError, LoadErrorKind};

/// The most bytes that are read at once; real tables are a hundredth of it.
const RANGE_MAX: u64 = 64 << 20;

/// An open regular file and its real path.
#[derive(Debug)]
pub(super) struct AddonFile {
    /// The path without symbolic links, as `$ORIGIN` is understood.
    pub(super) path: PathBuf,
    file: File,
    /// How many bytes it has.
    pub(super) size: u64,
}

impl AddonFile {
    /// Reads exactly that range; `None` if it is not there.
    pub(super) fn range(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if length > RANGE_MAX || offset.checked_add(length)? > self.size {
            return None;
        }
        let mut part = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut part, offset).ok()?;
        Some(part)
    }
}

/// Opens a regular file that is not empty; the error names what else it is. Never waits, even for a
/// pipe.
pub(super) fn open(path: &Path) -> Result<AddonFile, LoadError> {
    let unreadable = |source: io::Error| {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => LoadErrorKind::NotFound,
            _ => LoadErrorKind::Unreadable(source),
        };
        kind.of(path)
    };
    let not_an_addon = |what| LoadErrorKind::NotAnAddon(what).of(path);
    let check = |kind| other_kind(kind).map_or(Ok(()), |what| Err(not_an_addon(what)));
    let real = path.canonicalize().map_err(unreadable)?;
    // Checked before it is opened too, because opening some devices has effects.
    check(real.metadata().map_err(unreadable)?.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&real)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    check(metadata.file_type())?;
    if metadata.len() == 0 {
        return Err(not_an_addon("an empty file"));
    }
    Ok(AddonFile {
        path: real,
        file,
        size: metadata.len(),
    })
}

/// Names what is not a regular file.
fn other_kind(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}
