//! Writes the record of one host. Each entry is one system call, so that it is in the file whatever happens to
//! this process next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::{HEADER_BYTES, Header};
use hostd_protocol::handshake::PROTOCOL;
use hostd_protocol::ids::{HOME_LANE, LaneNumber};

use super::RecordOptions;
use super::format::{ENTRY_BYTES, EntryKind, FORMAT, MAGIC, NAME_BYTES_MAX, entry_head};
use super::head::{RecordEnd, RecordHead, encode};
use crate::error::SpawnError;
use crate::events::HostEvents;
use crate::lock;
use crate::report::ExitReport;

/// Kept of the limit for the last entries.
const RESERVED_BYTES: u64 = 64 << 10;

/// The record of one host that is being written.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    began: Instant,
    values: bool,
    events: Arc<dyn HostEvents>,
    is_stopped: AtomicBool,
    out: Mutex<Output>,
}

#[derive(Debug)]
struct Output {
    file: File,
    /// Bytes of the entries that are whole.
    length: u64,
    /// Bytes that may still be written.
    left: u64,
}

impl Recorder {
    /// Begins the record of a host that is about to start.
    pub(crate) fn begin(
        record: &RecordOptions,
        head: &RecordHead,
        events: Arc<dyn HostEvents>,
    ) -> Result<Self, SpawnError> {
        let path = record.file(head.generation);
        let failed = |source| SpawnError::Record {
            path: path.clone(),
            source,
        };
        let bytes = RecordFile::new(head).map_err(failed)?.into_bytes();
        let file = create(&path).and_then(|mut file| {
            file.write_all(&bytes)?;
            Ok(file)
        });
        let file = file.map_err(failed)?;
        if let Some(former) = head.generation.checked_sub(record.files)
            && former > 0
        {
            // It may have been removed already.
            let _ = fs::remove_file(record.file(former));
        }
        let length = bytes.len() as u64;
        let left = record.limit.saturating_sub(length);
        Ok(Self {
            path,
            began: Instant::now(),
            values: record.values,
            events,
            is_stopped: AtomicBool::new(false),
            out: Mutex::new(Output { file, length, left }),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a frame that is about to be sent.
    #[cold]
    pub(crate) fn sent(&self, lane: LaneNumber, export: Option<&str>, frame: &[u8]) {
        let (header, body) = frame.split_at(HEADER_BYTES.min(frame.len()));
        let name = export.unwrap_or_default();
        self.frame(EntryKind::ToHost, lane, name, header, body);
    }

    /// Notes a frame that was received.
    #[cold]
    pub(crate) fn received(&self, lane: LaneNumber, header: &Header, body: &[u8]) {
        self.frame(EntryKind::FromHost, lane, "", &header.encode(), body);
    }

    /// Notes a notice that was received.
    #[cold]
    pub(crate) fn notice(&self, header: &Header, body: &[u8]) {
        self.frame(EntryKind::Notice, HOME_LANE, "", &header.encode(), body);
    }

    /// Notes how the host ended.
    pub(crate) fn end(&self, report: &ExitReport) {
        let Some(end) = encode(&RecordEnd::from(report)) else {
            return;
        };
        let time = self.began.elapsed();
        let head = entry_head(EntryKind::End, 0, (0, end.len(), end.len()), time);
        // The room for it was reserved.
        let _ = write_whole(&lock(&self.out).file, [&head, b"", &end, b""]);
    }

    fn frame(&self, kind: EntryKind, lane: LaneNumber, name: &str, header: &[u8], body: &[u8]) {
        if self.is_stopped.load(Ordering::Relaxed) {
            return;
        }
        let name = cut(name);
        let whole = header.len() + body.len();
        let body = if self.values { body } else { b"" };
        let stored = header.len() + body.len();
        let bytes = (ENTRY_BYTES + name.len() + stored) as u64;
        let mut out = lock(&self.out);
        let time = self.began.elapsed();
        if bytes + RESERVED_BYTES > out.left {
            let why = "it has reached its limit; a larger limit= records more";
            return self.stop(out, why);
        }
        let head = entry_head(
            kind,
            lane.number().into(),
            (name.len(), stored, whole),
            time,
        );
        match write_whole(&out.file, [&head, name, header, body]) {
            Ok(()) => {
                out.left -= bytes;
                out.length += bytes;
            }
            Err(error) => {
                // What follows a part of an entry cannot be read; if this fails, the record ends there.
                let _ = out.file.set_len(out.length);
                self.stop(out, &format!("cannot write: {error}"));
            }
        }
    }

    #[cold]
    fn stop(&self, out: MutexGuard<'_, Output>, why: &str) {
        if self.is_stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        let lengths = (0, why.len(), why.len());
        let head = entry_head(EntryKind::Stopped, 0, lengths, self.began.elapsed());
        // If this fails too, the record just ends here.
        let _ = write_whole(&out.file, [&head, b"", why.as_bytes(), b""]);
        drop(out);
        let text = format!("the recording to {} stopped: {why}", self.path.display());
        self.events.log(LogLevel::Warn, "client", &text);
    }
}

/// A record that is made in memory.
#[derive(Debug)]
pub(crate) struct RecordFile(Vec<u8>);

impl RecordFile {
    /// One with its head.
    pub(crate) fn new(head: &RecordHead) -> io::Result<Self> {
        let too_large = || io::Error::other("the options of the host exceed 1 MiB");
        let head = encode(head).ok_or_else(too_large)?;
        let length = u32::try_from(head.len()).map_err(|_| too_large())?;
        let mut bytes = MAGIC.to_vec();
        for number in [FORMAT, PROTOCOL, length] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&head);
        Ok(Self(bytes))
    }

    /// Appends an entry.
    pub(crate) fn entry(
        &mut self,
        kind: EntryKind,
        lane: u16,
        (name, time): (&str, Duration),
        bytes: &[u8],
    ) {
        let name = cut(name);
        let lengths = (name.len(), bytes.len(), bytes.len());
        self.0
            .extend_from_slice(&entry_head(kind, lane, lengths, time));
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(bytes);
    }

    /// Appends how the host ended.
    pub(crate) fn end(&mut self, end: &RecordEnd) -> io::Result<()> {
        let bytes = encode(end).ok_or_else(|| io::Error::other("an exit report exceeds 1 MiB"))?;
        self.entry(EntryKind::End, 0, ("", Duration::ZERO), &bytes);
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A name as it is stored.
fn cut(name: &str) -> &[u8] {
    let bytes = name.as_bytes();
    bytes.get(..NAME_BYTES_MAX).unwrap_or(bytes)
}

/// Creates a file that only this user may read, in the place of an earlier one.
fn create(path: &Path) -> io::Result<File> {
    // Not written over: that may be the record from which this host is replayed, or a file that is open.
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("there is something that is not a file")),
        Err(_) => {}
    }
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes parts by one system call, or by more if the system takes only some of the bytes.
fn write_whole(file: &File, parts: [&[u8]; 4]) -> io::Result<()> {
    let mut slices = parts.map(IoSlice::new);
    let mut left = slices.as_mut_slice();
    IoSlice::advance_slices(&mut left, 0);
    let mut file = file;
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
