//! Reads pieces of a file whose name a crash record gives, within a budget of bytes and time.

use std::cell::{Cell, OnceCell};
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Instant;

use object::ReadRef;

/// The most bytes of a name, and how many are read at first.
const NAME_BYTES_MAX: u64 = 4096;
const NAME_PIECE_BYTES: u64 = 256;

/// How many bytes may be read for one report, and until when.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Cell<u64>,
    until: Instant,
}

impl Budget {
    pub(super) fn new(bytes: u64, until: Instant) -> Self {
        Self {
            bytes: Cell::new(bytes),
            until,
        }
    }

    pub(super) fn has_time(&self) -> bool {
        Instant::now() < self.until
    }

    fn take(&self, bytes: u64) -> Option<()> {
        let left = self.bytes.get().checked_sub(bytes)?;
        self.bytes.set(left);
        self.has_time().then_some(())
    }
}

/// A file, and the pieces that were read of it.
#[derive(Debug)]
pub(super) struct Pieces<'b> {
    file: File,
    length: u64,
    budget: &'b Budget,
    first: OnceCell<Box<Piece>>,
}

#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    bytes: Vec<u8>,
    next: OnceCell<Box<Piece>>,
}

impl<'b> Pieces<'b> {
    pub(super) fn open(path: &str, budget: &'b Budget) -> Option<Self> {
        let path = Path::new(path);
        // To open a device or a FIFO may block or have an effect.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = flags.bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .ok()?;
        let metadata = file.metadata().ok()?;
        metadata.is_file().then(|| Self {
            file,
            length: metadata.len(),
            budget,
            first: OnceCell::new(),
        })
    }

    fn piece(&self, range: Range<u64>) -> Option<&[u8]> {
        let mut end = &self.first;
        while let Some(piece) = end.get() {
            if piece.range == range {
                return Some(&piece.bytes);
            }
            end = &piece.next;
        }
        let length = range.end.checked_sub(range.start)?;
        if range.end > self.length {
            return None;
        }
        self.budget.take(length)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, range.start).ok()?;
        let piece = Piece {
            range,
            bytes,
            next: OnceCell::new(),
        };
        Some(&end.get_or_init(|| Box::new(piece)).bytes)
    }
}

impl<'a> ReadRef<'a> for &'a Pieces<'_> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size == 0 {
            return Ok(&[]);
        }
        let end = offset.checked_add(size).ok_or(())?;
        self.piece(offset..end).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let end = range.end.min(self.length);
        let mut length = NAME_PIECE_BYTES;
        loop {
            let piece_end = range.start.saturating_add(length).min(end);
            let piece = self.piece(range.start..piece_end).ok_or(())?;
            if let Some(found) = piece.iter().position(|&byte| byte == delimiter) {
                return piece.get(..found).ok_or(());
            }
            if piece_end == end || length >= NAME_BYTES_MAX {
                return Err(());
            }
            length = length.saturating_mul(4);
        }
    }
}
