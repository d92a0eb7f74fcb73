//! The memory that the host shares with the client: regions of it, right and wrong, and what a host can
//! do to the file.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hostd_protocol::error::Result;
use hostd_protocol::ids::SlotId;
use hostd_protocol::memory::{Region, SHARED_MIN, SharedMemory};
use hostd_protocol::value::{ClientKind, ElementKind};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate};
use rustix::io::Errno;

use crate::chance::Chance;
use crate::values::{ELEMENTS, Values};

/// The tags of the values whose bytes are in shared memory.
const SHARED_BUFFER: u8 = 24;
const SHARED_TEXT: u8 = 25;

/// Random regions begin in so many bytes of a half, which are overwritten all the time.
const USED_BYTES: u64 = 1 << 20;
/// What is overwritten at a time, and how often.
const PIECE_BYTES: u64 = 4096;
const PIECE_LEN: usize = 4096;
const PIECE_INTERVAL: Duration = Duration::from_micros(200);
/// After so many pieces, the memory of the file is given back to the system.
const PIECES_PER_PUNCH: u32 = 512;

/// The memory file, mapped as a whole.
#[derive(Debug)]
pub(crate) struct Memory {
    file: OwnedFd,
    mapped: Arc<SharedMemory>,
    /// The end of the thread that overwrites it.
    over: Arc<AtomicBool>,
}

/// A value in shared memory with fields that need not be valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forged {
    /// The code of the element type of a buffer; none for a text.
    pub(crate) element: Option<u8>,
    pub(crate) object: u32,
    pub(crate) writable: bool,
    pub(crate) memory: u32,
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Memory {
    pub(crate) fn open(file: OwnedFd) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            mapped: SharedMemory::open(&file)?,
            file,
            over: Arc::default(),
        })
    }

    /// The bytes of a half.
    pub(crate) fn half(&self) -> u64 {
        self.mapped.len() as u64 / 2
    }

    /// Writes a byte repeatedly; false if that is not all inside the file.
    pub(crate) fn fill(&self, offset: u64, length: u64, byte: u8) -> bool {
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return false;
        };
        let Some(bytes) = self.mapped.bytes(offset, length) else {
            return false;
        };
        let piece = [byte; PIECE_LEN];
        (0..length)
            .step_by(piece.len())
            .all(|at| bytes.write(at, &piece[..piece.len().min(length - at)]))
    }

    /// The first byte of a part, if it is inside the file.
    pub(crate) fn byte(&self, offset: u64) -> Option<u8> {
        let bytes = self.mapped.bytes(usize::try_from(offset).ok()?, 1)?;
        let mut byte = [0];
        bytes.read(0, &mut byte).then_some(byte[0])
    }

    /// Gives all memory of the file back to the system: its bytes are zero then.
    pub(crate) fn punch(&self) -> bool {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, how, 0, self.half() * 2).is_ok()
    }

    /// Has the system provide memory for a part of the file, of which no process has mapped the pages.
    pub(crate) fn provide(&self, offset: u64, length: u64) -> bool {
        fallocate(&self.file, FallocateFlags::KEEP_SIZE, offset, length).is_ok()
    }

    /// Tries to change the size of the file and its seals; returns how often that succeeds.
    pub(crate) fn resize(&self) -> u32 {
        let length = self.half() * 2;
        let mut succeeded = 0;
        let mut count = |done: std::result::Result<(), Errno>| succeeded += u32::from(done.is_ok());
        for other in [
            0,
            4096,
            length / 2,
            length - 4096,
            length + 4096,
            length * 2,
        ] {
            count(ftruncate(&self.file, other));
        }
        count(fallocate(&self.file, FallocateFlags::empty(), length, 4096));
        for (seal, length) in [
            (SealFlags::WRITE, 0),
            (SealFlags::FUTURE_WRITE, 0),
            (SealFlags::SHRINK, 4096),
        ] {
            let _ = fcntl_add_seals(&self.file, seal);
            count(ftruncate(&self.file, length));
        }
        succeeded
    }

    /// Overwrites both halves from now on, with text so that a string stays one. What is read then is
    /// not the same in each run of a case.
    pub(crate) fn scribble(&self) {
        let (mapped, over) = (Arc::clone(&self.mapped), Arc::clone(&self.over));
        let half = self.half();
        let hole = self.file.try_clone();
        // Without a thread the memory stays as it is.
        let _ = thread::Builder::new().spawn(move || {
            let mut chance = Chance::new(half, 0, 0);
            let used = u32::try_from(USED_BYTES / PIECE_BYTES).unwrap_or(1);
            let mut pieces: u32 = 0;
            while !over.load(Ordering::Relaxed) {
                let piece = [b' ' + chance.below(94).to_le_bytes()[0]; PIECE_LEN];
                let at = u64::from(chance.below(used)) * PIECE_BYTES;
                for start in [0, half] {
                    let offset = usize::try_from(start + at).unwrap_or(0);
                    if let Some(bytes) = mapped.bytes(offset, piece.len()) {
                        bytes.write(0, &piece);
                    }
                }
                pieces = pieces.wrapping_add(1);
                if pieces.is_multiple_of(PIECES_PER_PUNCH)
                    && let Ok(file) = &hole
                {
                    let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                    let _ = fallocate(file, how, 0, half * 2);
                }
                thread::sleep(PIECE_INTERVAL);
            }
        });
    }

    /// Ends [`Self::scribble`].
    pub(crate) fn rest(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.over = Arc::default();
    }
}

impl Values<'_> {
    /// A value in shared memory, by its fields.
    pub(crate) fn forged(&mut self, forged: Forged) {
        if let Some(element) = forged.element {
            self.compounds += 1;
            self.out.put_u8(SHARED_BUFFER);
            self.out.put_u8(element);
            self.out.put_u32(forged.object);
            self.out.put_u8(u8::from(forged.writable));
        } else {
            self.out.put_u8(SHARED_TEXT);
        }
        self.out.put_u32(forged.memory);
        self.out.put_u32(forged.file);
        self.out.put_u64(forged.offset);
        self.out.put_u64(forged.length);
    }

    /// A buffer or a text in the host's half, by valid fields.
    pub(crate) fn shared(&mut self) -> Result {
        let Some((half, id)) = self.half.zip(self.id()) else {
            return self.scalar();
        };
        let element = self.chance.pick(ELEMENTS);
        let size = element.size() as u64;
        let length = match self.chance.below(8) {
            0 => 0,
            1 => 8,
            2 => 1 << 18,
            _ => SHARED_MIN as u64 + u64::from(self.chance.below(1 << 15)),
        };
        let offset = half + u64::from(self.chance.below(1 << 19));
        let offset = match self.chance.below(8) {
            // It ends where the file ends.
            0 => 2 * half - length,
            1 => half,
            _ => offset,
        };
        let mut region = Region {
            id,
            file: 0,
            offset,
            length,
        };
        if self.chance.one_in(3) {
            self.out.shared_text(region);
            return Ok(());
        }
        region.length -= length % size;
        let object = self.chance.one_in(2).then(|| self.id()).flatten();
        let writable = self.chance.one_in(2);
        self.out.shared_buffer(element, object, writable, region)?;
        self.compounds += 1;
        Ok(())
    }

    /// A value whose fields are wrong: its region, its ids or its element type.
    pub(crate) fn ill_shared(&mut self) {
        let half = self.half.unwrap_or(1 << 30);
        let edges = [
            0,
            1,
            half - 1,
            half,
            2 * half - 1,
            2 * half,
            1 << 63,
            u64::MAX,
        ];
        let near = |chance: &mut Chance| {
            let edge = chance.pick(&edges);
            let by = chance.pick(&[0, 1, 7, 8, 4096, SHARED_MIN as u64]);
            if chance.one_in(2) {
                edge.wrapping_sub(by)
            } else {
                edge.wrapping_add(by)
            }
        };
        let id = |it: &mut Self| match it.chance.below(6) {
            0 => 0,
            1 => u32::MAX - it.chance.below(4),
            _ => it.id().map_or(1, SlotId::get),
        };
        let element = match self.chance.below(8) {
            0 => self.chance.below(256).to_le_bytes()[0],
            1 => ElementKind::Float64.code(),
            _ => ElementKind::Uint8.code(),
        };
        let forged = Forged {
            element: (!self.chance.one_in(3)).then_some(element),
            object: id(self),
            writable: self.chance.one_in(2),
            memory: match self.chance.below(4) {
                0 => {
                    let held = self.held.pick(self.chance, Some(ClientKind::Opaque));
                    held.map_or(1, SlotId::get)
                }
                _ => id(self),
            },
            file: match self.chance.below(4) {
                0 => 1,
                1 => self.chance.below(u32::MAX),
                _ => 0,
            },
            offset: near(self.chance),
            length: near(self.chance),
        };
        self.forged(forged);
    }
}
