//! The core file of a host that crashes: a folder of its own, in which the kernel writes it, and the file
//! that the user has named, to which it is moved.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hostd_protocol::control::LogLevel;
use rustix::fs::{Mode, OFlags, SeekFrom, openat, seek};
use rustix::io::Errno;

use crate::error::SpawnError;
use crate::events::HostEvents;
use crate::folder::{entries, open_own};
use crate::scratch::{PlannedScratch, ScratchFolder, random};

/// Where a core file is written, and where it belongs.
#[derive(Debug)]
pub(crate) struct CoreFolder {
    folder: ScratchFolder,
    target: PathBuf,
}

impl CoreFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// The system refused it.
    pub(crate) fn new(target: PathBuf) -> Result<Self, SpawnError> {
        let folder = PlannedScratch::new().make()?;
        Ok(Self { folder, target })
    }

    /// The folder, as the host is told.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.folder.path().as_os_str().as_bytes().to_vec()
    }

    /// Moves the core file of a host that has ended to its place, and removes the folder. Returns its path; none if there is no
    /// core file, or it cannot be moved, which is logged.
    pub(crate) fn keep(self, events: &dyn HostEvents) -> Option<PathBuf> {
        match self.moved() {
            Ok(true) => Some(self.target),
            Ok(false) => None,
            Err(error) => {
                let target = self.target.display();
                let message = format!("cannot write the core file {target}: {error}");
                events.log(LogLevel::Warn, "client", &message);
                None
            }
        }
    }

    /// Moves the file that the kernel has written. The folder may have been changed by the addon.
    fn moved(&self) -> io::Result<bool> {
        let Some((folder, _)) = open_own(self.folder.path())? else {
            return Ok(false);
        };
        for entry in entries(&folder)? {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = match openat(&folder, entry?.file_name(), flags, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(Errno::LOOP | Errno::ACCESS | Errno::NXIO) => continue,
                Err(errno) => return Err(errno.into()),
            };
            if file.metadata()?.is_file() {
                copy(&file, &self.target)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Copies a file without its holes. What is there under the name of the target is replaced when the copy
/// is whole.
fn copy(source: &File, target: &Path) -> io::Result<()> {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", random()));
    let partial = target.with_file_name(name);
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let copied = options
        .open(&partial)
        .and_then(|copy| copy_data(source, &copy))
        .and_then(|()| fs::rename(&partial, target));
    if copied.is_err() {
        // It may not have been made.
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn copy_data(mut source: &File, mut target: &File) -> io::Result<()> {
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut end = 0;
    loop {
        let start = match seek(source, SeekFrom::Data(end)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        end = seek(source, SeekFrom::Hole(start))?;
        seek(source, SeekFrom::Start(start))?;
        seek(target, SeekFrom::Start(start))?;
        io::copy(&mut io::Read::take(&mut source, end - start), &mut target)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::events::LoggedMessages;

    #[test]
    fn file_is_kept_with_its_holes_and_the_folder_removed() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("kept");
        fs::write(&target, "of the crash before").unwrap();
        let folder = CoreFolder::new(target.clone()).unwrap();
        let mut core = File::create(folder.folder.path().join("core.7")).unwrap();
        core.write_all(b"begin").unwrap();
        core.seek(io::SeekFrom::Start(64 << 20)).unwrap();
        core.write_all(b"end").unwrap();
        let path = folder.folder.path().to_owned();
        assert_eq!(
            folder.keep(&LoggedMessages::default()),
            Some(target.clone())
        );
        let kept = fs::read(&target).unwrap();
        assert!(kept.starts_with(b"begin") && kept.ends_with(b"end"));
        assert_eq!(kept.len(), (64 << 20) + 3);
        let found = fs::metadata(&target).unwrap();
        assert!(found.blocks() * 512 < 1 << 20, "holes are not copied");
        assert_eq!(found.mode() & 0o777, 0o600);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (secret, target) = (parent.path().join("secret"), parent.path().join("kept"));
        fs::write(&secret, "of the user").unwrap();
        let folder = CoreFolder::new(target.clone()).unwrap();
        symlink(&secret, folder.folder.path().join("core")).unwrap();
        fs::create_dir(folder.folder.path().join("core.1")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.folder.path().join("core.2"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(folder.keep(&LoggedMessages::default()), None);
        assert!(!target.exists());
        assert_eq!(fs::read(&secret).unwrap(), b"of the user");
    }

    #[test]
    fn target_that_cannot_be_written_is_logged() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("missing").join("kept");
        let folder = CoreFolder::new(target).unwrap();
        fs::write(folder.folder.path().join("core"), "text").unwrap();
        let log = LoggedMessages::default();
        assert_eq!(folder.keep(&log), None);
        assert!(log.0.lock().unwrap()[0].starts_with("cannot write the core file "));
    }
}
