//! Empties a folder whose content may be hostile: deep, unreadable, or growing.
//!
//! No link is followed. Trees are flattened: a folder inside a folder is moved up first, so that any
//! depth takes a few descriptors and no stack. Folders without permissions for their owner are opened.
//! A process may add files faster than they are removed, so there is a deadline.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, chmod, fstat, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use crate::folder::{FOLDER, check_time, entries};

struct Emptying<'a> {
    top: BorrowedFd<'a>,
    deadline: Instant,
    /// The name of the next folder that is moved up.
    next: u64,
    /// How many entries were removed or moved.
    done: u64,
}

/// Removes the content of the folder, at most until `deadline`.
///
/// # Errors
/// Something is left: it cannot be removed, or the deadline has passed.
pub(crate) fn empty(top: BorrowedFd<'_>, deadline: Instant) -> io::Result<()> {
    let mut emptying = Emptying {
        top,
        deadline,
        next: 0,
        done: 0,
    };
    loop {
        let before = emptying.done;
        let left = emptying.pass()?;
        match left {
            None => return Ok(()),
            // A pass may not see the folders that it moved up.
            Some(_) if emptying.done > before => {}
            Some(errno) => return Err(errno.into()),
        }
    }
}

impl Emptying<'_> {
    /// Removes all entries; folders inside them are moved up and stay. None if there was nothing to
    /// remove; otherwise the error of the last failure, or `NOTEMPTY`.
    fn pass(&mut self) -> io::Result<Option<Errno>> {
        let mut left = None;
        for entry in entries(self.top)? {
            left = Some(left.unwrap_or(Errno::NOTEMPTY));
            if let Err(errno) = self.remove(entry?.file_name()) {
                left = Some(errno);
            }
            check_time(self.deadline)?;
        }
        Ok(left)
    }

    /// Removes a file, or a folder with all files in it; the folders in it are moved up.
    fn remove(&mut self, name: &CStr) -> Result<(), Errno> {
        if !self.unlink(self.top, name, AtFlags::empty())? {
            let folder = opened(self.top, name)?;
            for entry in entries(&folder)? {
                let entry = entry?;
                let inner = entry.file_name();
                if !self.unlink(folder.as_fd(), inner, AtFlags::empty())? {
                    self.move_up(folder.as_fd(), inner)?;
                }
                check_time(self.deadline)?;
            }
            self.unlink(self.top, name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Removes one entry; false if it is a folder.
    fn unlink(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        flags: AtFlags,
    ) -> Result<bool, Errno> {
        match unlinkat(folder, name, flags) {
            Err(Errno::ISDIR) => Ok(false),
            // Another process may have removed it.
            Ok(()) | Err(Errno::NOENT) => {
                self.done = self.done.saturating_add(1);
                Ok(true)
            }
            Err(errno) => Err(errno),
        }
    }

    fn move_up(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.next = self.next.saturating_add(1);
            let moved = renameat_with(
                folder,
                name,
                self.top,
                self.next.to_string(),
                RenameFlags::NOREPLACE,
            );
            match moved {
                Ok(()) | Err(Errno::NOENT) => {
                    self.done = self.done.saturating_add(1);
                    return Ok(());
                }
                // The name is taken.
                Err(Errno::EXIST) => check_time(self.deadline)?,
                // A folder must be writable to be moved.
                Err(Errno::ACCESS | Errno::PERM) if is_opened(folder, name)? => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Opens a folder in a folder, whatever its mode is.
fn opened(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    is_opened(folder, name)?;
    openat(folder, name, FOLDER, Mode::empty())
}

/// Opens a folder to its owner, if it was closed; false if it was not.
fn is_opened(folder: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
    let found = openat(folder, name, FOLDER | OFlags::PATH, Mode::empty())?;
    if Mode::from_raw_mode(fstat(&found)?.st_mode).contains(Mode::RWXU) {
        return Ok(false);
    }
    // By its descriptor: what has that name may be a link by now.
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    chmod(path, Mode::RWXU)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{mkdirat, open};

    use super::*;

    fn opened_at(path: &Path) -> OwnedFd {
        open(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(300)
    }

    fn is_empty(path: &Path) -> bool {
        fs::read_dir(path).unwrap().next().is_none()
    }

    /// Deeper than there are descriptors, or stack for functions that call themselves.
    #[test]
    fn deep_trees_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let top = opened_at(folder.path());
        let mut at = top.try_clone().unwrap();
        for level in 0..2000 {
            mkdirat(&at, "d", Mode::RWXU).unwrap();
            if level % 100 == 0 {
                // Names that what is moved up would get.
                mkdirat(&at, "1", Mode::RWXU).unwrap();
            }
            at = openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        let small = thread::Builder::new().stack_size(64 << 10);
        let emptied = small.spawn(move || empty(top.as_fd(), soon())).unwrap();
        emptied.join().unwrap().unwrap();
        assert!(is_empty(folder.path()));
    }

    /// What is closed to its owner is closed to root only in the tests of the whole.
    #[test]
    fn closed_folders_are_removed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("kept"), "text").unwrap();
        fs::set_permissions(other.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let hostile = folder.path().join("a");
        fs::create_dir_all(hostile.join("b/c/d")).unwrap();
        fs::write(hostile.join("b/file"), "text").unwrap();
        symlink(other.path(), hostile.join("b/link")).unwrap();
        symlink(other.path(), folder.path().join("link")).unwrap();
        for inner in ["b/c/d", "b/c", "b", ""] {
            let closed = fs::Permissions::from_mode(0o0);
            fs::set_permissions(hostile.join(inner), closed).unwrap();
        }
        empty(opened_at(folder.path()).as_fd(), soon()).unwrap();
        assert!(is_empty(folder.path()));
        let mode = fs::metadata(other.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o500);
        assert!(other.path().join("kept").exists());
    }

    #[test]
    fn it_ends_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("file"), "text").unwrap();
        fs::write(folder.path().join("other"), "text").unwrap();
        let over = empty(opened_at(folder.path()).as_fd(), Instant::now());
        assert_eq!(over.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(!is_empty(folder.path()));
    }
}
