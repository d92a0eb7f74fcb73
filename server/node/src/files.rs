//! The files and folders that the scripts of one host have open, by the number that scripts know them by.
//!
//! Only what `fs` opened is in the table, and the standard streams: the other descriptors of the
//! process, such as its lanes, cannot be reached by a number that a script made up.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::Dir;

/// The open files and folders.
#[derive(Debug, Default)]
pub(crate) struct Files {
    opened: HashMap<i32, Arc<OwnedFd>>,
    folders: HashMap<u32, Arc<Mutex<Dir>>>,
    /// Numbers of folders given so far: none is given twice.
    given: u32,
}

/// A descriptor that stays open while this is held.
#[derive(Clone, Debug)]
pub(crate) enum OpenFile {
    Opened(Arc<OwnedFd>),
    Standard(BorrowedFd<'static>),
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Opened(file) => file.as_fd(),
            Self::Standard(file) => *file,
        }
    }
}

fn closed() -> io::Error {
    rustix::io::Errno::BADF.into()
}

fn standard(number: i32) -> Option<OpenFile> {
    Some(OpenFile::Standard(match number {
        0 => rustix::stdio::stdin(),
        1 => rustix::stdio::stdout(),
        2 => rustix::stdio::stderr(),
        _ => return None,
    }))
}

impl Files {
    /// Gives the number of a file that was opened.
    pub(crate) fn add(&mut self, file: OwnedFd) -> i32 {
        let number = file.as_raw_fd();
        self.opened.insert(number, Arc::new(file));
        number
    }

    /// The file with that number.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub(crate) fn get(&self, number: i32) -> io::Result<OpenFile> {
        let opened = self.opened.get(&number).cloned().map(OpenFile::Opened);
        opened.or_else(|| standard(number)).ok_or_else(closed)
    }

    /// Takes the file with that number out: it is closed when the last operation on it is done. A
    /// standard stream stays open, since the process writes to it too.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub(crate) fn remove(&mut self, number: i32) -> io::Result<OpenFile> {
        let opened = self.opened.remove(&number).map(OpenFile::Opened);
        opened.or_else(|| standard(number)).ok_or_else(closed)
    }

    /// Gives the number of a folder that was opened.
    pub(crate) fn add_folder(&mut self, folder: Dir) -> u32 {
        self.given = self.given.wrapping_add(1);
        self.folders
            .insert(self.given, Arc::new(Mutex::new(folder)));
        self.given
    }

    /// The folder with that number.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub(crate) fn folder(&self, number: u32) -> io::Result<Arc<Mutex<Dir>>> {
        self.folders.get(&number).cloned().ok_or_else(closed)
    }

    /// Takes the folder with that number out.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub(crate) fn remove_folder(&mut self, number: u32) -> io::Result<Arc<Mutex<Dir>>> {
        self.folders.remove(&number).ok_or_else(closed)
    }
}
