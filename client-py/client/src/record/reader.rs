//! Reads a record. A file of any bytes gives an error or entries, and no more memory is used than it has bytes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hostd_protocol::handshake::PROTOCOL;
use thiserror::Error;

use super::format::{
    ENTRY_BYTES, EntryKind, FORMAT, MAGIC, NAME_BYTES_MAX, PREFIX_BYTES, RecordEntry,
};
use super::head::{RecordEnd, RecordHead, decode};

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 30;

/// Why a record cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum RecordError {
    #[error("cannot read the record {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a record of napi_python", .0.display())]
    NoRecord(PathBuf),
    #[error(
        "{} was written by a version of napi_python with another format of records or messages; replay it with that version",
        .0.display()
    )]
    OtherVersion(PathBuf),
    #[error("the record {} is damaged at byte {at}: {what}", path.display())]
    Damaged {
        path: PathBuf,
        at: usize,
        what: String,
    },
    #[error("the record {} has no values (values=False), so it cannot be replayed", .0.display())]
    NoValues(PathBuf),
}

/// A record that was read.
#[derive(Debug)]
pub struct CallRecord {
    /// Its file.
    pub path: PathBuf,
    /// How the host was started.
    pub head: RecordHead,
    bytes: Vec<u8>,
    first: usize,
}

impl CallRecord {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no record of this version.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let io = |source| RecordError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(RecordError::NoRecord(path.to_owned()));
        }
        let mut bytes = Vec::new();
        // Before all of a large file is read that is none.
        let mut start = (&file).take(PREFIX_BYTES as u64);
        start.read_to_end(&mut bytes).map_err(io)?;
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(RecordError::NoRecord(path.to_owned()));
        }
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        Self::of_bytes(path, bytes)
    }

    /// The record in these bytes.
    ///
    /// # Errors
    /// It is no record of this version.
    pub fn of_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, RecordError> {
        let number = |at| word(&bytes, at);
        let (Some(format), Some(protocol), Some(length)) = (
            number(MAGIC.len()),
            number(MAGIC.len() + 4),
            number(MAGIC.len() + 8),
        ) else {
            return Err(RecordError::NoRecord(path.to_owned()));
        };
        if !bytes.starts_with(MAGIC) {
            return Err(RecordError::NoRecord(path.to_owned()));
        }
        if (format, protocol) != (FORMAT, PROTOCOL) {
            return Err(RecordError::OtherVersion(path.to_owned()));
        }
        let first = PREFIX_BYTES.saturating_add(length as usize);
        let head = bytes.get(PREFIX_BYTES..first).and_then(decode);
        let head = head.ok_or_else(|| RecordError::Damaged {
            path: path.to_owned(),
            at: PREFIX_BYTES,
            what: "its head cannot be read".to_owned(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            head,
            bytes,
            first,
        })
    }

    /// The entries, each with the place where it begins. The last one may be missing: the process that wrote
    /// it was killed.
    pub fn entries(&self) -> RecordEntries<'_> {
        RecordEntries {
            record: self,
            at: self.first,
        }
    }

    /// The error that something at this place is wrong.
    pub fn damaged(&self, at: usize, what: impl Into<String>) -> RecordError {
        RecordError::Damaged {
            path: self.path.clone(),
            at,
            what: what.into(),
        }
    }

    /// How the host ended, if that is recorded.
    ///
    /// # Errors
    /// An entry is damaged.
    pub fn end(&self) -> Result<Option<RecordEnd>, RecordError> {
        let mut end = None;
        for entry in self.entries() {
            let (at, entry) = entry?;
            if entry.kind == EntryKind::End {
                let read = decode(entry.bytes);
                end = Some(read.ok_or_else(|| self.damaged(at, "its end cannot be read"))?);
            }
        }
        Ok(end)
    }
}

/// The entries of a record.
#[derive(Debug)]
pub struct RecordEntries<'a> {
    record: &'a CallRecord,
    at: usize,
}

impl<'a> Iterator for RecordEntries<'a> {
    type Item = Result<(usize, RecordEntry<'a>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.record.bytes.get(at..)?;
        let (head, rest) = rest.split_at_checked(ENTRY_BYTES)?;
        let length = |place| word(head, place).unwrap_or(0);
        let (name, stored, whole) = (length(4) as usize, length(8) as usize, length(12));
        let kind = EntryKind::from_code(head[0]);
        let (Some(kind), 0, true) = (kind, head[1], name <= NAME_BYTES_MAX) else {
            self.at = usize::MAX;
            return Some(Err(self.record.damaged(at, "there is no entry")));
        };
        let (name, rest) = rest.split_at_checked(name)?;
        let (bytes, _) = rest.split_at_checked(stored)?;
        self.at = at + ENTRY_BYTES + name.len() + stored;
        let mut time = [0; 8];
        time.copy_from_slice(&head[16..24]);
        let entry = RecordEntry {
            kind,
            lane: u16::from_le_bytes([head[2], head[3]]),
            time: Duration::from_nanos(u64::from_le_bytes(time)),
            name,
            whole,
            bytes,
        };
        Some(Ok((at, entry)))
    }
}

/// The number at this place.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
