//! The record of a host: the frames between it and this process, with times, in a file that stays readable
//! however either of them ends.
//!
//! A record has the bytes of all arguments and results, so a recorded host shares no memory for large buffers,
//! and no call of it is made without a frame.

mod format;
mod head;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

use crate::fork;

pub use format::{EntryKind, RecordEntry};
pub use head::{RecordEnd, RecordHead, RecordedFile, RecordedFrame, Runs};
pub use reader::{CallRecord, RecordError};
pub(crate) use writer::{RecordFile, Recorder};

/// Where the hosts of an addon are recorded, and how much of them.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// The file of the first host. Each further one has a number before the suffix.
    pub path: PathBuf,
    /// The bytes of one file at which its recording stops.
    pub limit: u64,
    /// How many files are kept: a further one removes the oldest.
    pub files: u32,
    /// Whether the bodies of frames are recorded. Without them a record cannot be replayed.
    pub values: bool,
}

impl RecordOptions {
    /// The file of a host, by its generation. A forked child has files of its own, since the hosts of its parent
    /// are recorded, too.
    fn file(&self, generation: u32) -> PathBuf {
        if fork::epoch() == 0 {
            return numbered(&self.path, generation);
        }
        let path = with_word(&self.path, &format!(".pid{}", std::process::id()));
        numbered(&path, generation)
    }
}

/// The path with a number before its suffix; the first has none.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    with_word(path, &format!("-{number}"))
}

/// The path with a word before its suffix.
fn with_word(path: &Path, word: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(word);
    if let Some(suffix) = path.extension() {
        name.push(".");
        name.push(suffix);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_a_host_stands_before_the_suffix() {
        let at = |path: &str, number| numbered(Path::new(path), number);
        assert_eq!(at("/a/calls.rec", 1), Path::new("/a/calls.rec"));
        assert_eq!(at("/a/calls.rec", 3), Path::new("/a/calls-3.rec"));
        assert_eq!(at("calls", 2), Path::new("calls-2"));
    }
}
