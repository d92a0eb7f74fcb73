//! Memory files for bulk data: mapped for reading and writing by every process that has a descriptor.
//! What lies where is decided by an [`Arena`](crate::Arena); this is the memory itself.

#![expect(
    unsafe_code,
    reason = "access to mapped memory: see the invariants in lib.rs"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs;
use rustix::io::Errno;
use rustix::mm::{Advice, ProtFlags, madvise, munmap};

use crate::error::SegmentError;
use crate::mapping::{SEALS, failed, map, sealed_file};
use crate::piece_hash::{PieceHash, STRIPE, Stripe};
use crate::streamed::{STREAMED_MIN, copy_streamed};

/// Bytes of a page: the unit in which the system gives memory and takes it back.
pub const PAGE: usize = 4096;

/// A memory file that no process can resize, mapped for reading and writing. It needs no descriptor.
///
/// A page takes up memory once it was written. A process that this one forks keeps the mapping, so
/// that views of it stay valid there.
#[derive(Debug)]
pub struct SharedMemory {
    base: NonNull<u8>,
    length: usize,
    /// It is the address space of this process, not a file: offsets are addresses.
    is_process: bool,
}

// SAFETY: S; all access is through raw copies, which any thread may make.
unsafe impl Send for SharedMemory {}
// SAFETY: S; the same holds for several threads at once.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Makes a memory file of `length` bytes, a multiple of the page size, and maps it.
    ///
    /// # Errors
    /// The system refuses: there is no address space or no descriptor left.
    pub fn create(name: &str, length: usize) -> Result<(Arc<Self>, OwnedFd), SegmentError> {
        let file = sealed_file(name, length)?;
        Ok((Self::map(&file, length)?, file))
    }

    /// Maps a memory file that another process has made.
    ///
    /// # Errors
    /// It is not sealed against a change of its size, is empty, or cannot be mapped.
    pub fn open(file: &OwnedFd) -> Result<Arc<Self>, SegmentError> {
        let seals = match fs::fcntl_get_seals(file) {
            Ok(seals) => seals,
            // The object supports no seals.
            Err(Errno::INVAL) => return Err(SegmentError::NotSealed),
            Err(errno) => return Err(failed("read the seals of")(errno)),
        };
        let found = fs::fstat(file).map_err(failed("read the size of"))?.st_size;
        match usize::try_from(found) {
            Ok(length) if seals.contains(SEALS) && length > 0 => Self::map(file, length),
            _ => Err(SegmentError::NotSealed),
        }
    }

    fn map(file: &OwnedFd, length: usize) -> Result<Arc<Self>, SegmentError> {
        let base = map(file, length, ProtFlags::READ | ProtFlags::WRITE)?;
        let memory = Self {
            base,
            length,
            is_process: false,
        };
        // It would be as large as the file in a core dump. Without effect before Linux 3.4.
        let _ = memory.advise(0, length, Advice::LinuxDontDump);
        Ok(Arc::new(memory))
    }

    /// The address space of this process, for both ends of a session in one process. Offsets are
    /// addresses.
    ///
    /// # Safety
    ///
    /// P: the memory of each range that is taken of it is readable, and writable if it is written to,
    /// until the last [`SharedBytes`] of the range is dropped.
    pub unsafe fn of_process() -> Arc<Self> {
        Arc::new(Self {
            base: NonNull::dangling(),
            length: isize::MAX.cast_unsigned(),
            is_process: true,
        })
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Always false: an empty file is not mapped.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes from `offset` on; none if they are not all inside.
    pub fn bytes(self: &Arc<Self>, offset: usize, length: usize) -> Option<SharedBytes> {
        let end = offset.checked_add(length)?;
        (end <= self.length).then(|| SharedBytes {
            memory: Arc::clone(self),
            offset,
            length,
        })
    }

    /// The offset of an address inside the mapping.
    #[inline]
    pub fn offset_of(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base.as_ptr().addr());
        (offset < self.length && !self.is_process).then_some(offset)
    }

    /// Reads the word at `at`, a multiple of 8. None if it is not inside, or not aligned.
    #[inline]
    pub fn word(&self, at: usize) -> Option<u64> {
        Some(self.atomic(at)?.load(Ordering::Acquire))
    }

    /// Writes the word at `at`, after all that this thread wrote before. False if it is not inside, or
    /// not aligned.
    #[inline]
    pub fn set_word(&self, at: usize, value: u64) -> bool {
        let word = self.atomic(at);
        word.is_some_and(|word| {
            word.store(value, Ordering::Release);
            true
        })
    }

    /// Writes the word at `at` if it is still `old`. Whether it was; false as well if it is not inside, or
    /// not aligned.
    #[inline]
    pub fn exchange_word(&self, at: usize, old: u64, new: u64) -> bool {
        let word = self.atomic(at);
        word.is_some_and(|word| {
            let done = word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
            done.is_ok()
        })
    }

    fn atomic(&self, at: usize) -> Option<&AtomicU64> {
        let end = at.checked_add(size_of::<u64>())?;
        if end > self.length || self.is_process || !at.is_multiple_of(size_of::<u64>()) {
            return None;
        }
        // SAFETY: M; the offset is inside the mapping.
        let word = unsafe { self.base.add(at) };
        // SAFETY: S; the word is inside the mapping, which begins at a page, and aligned.
        Some(unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) })
    }

    /// Has the system provide the pages from `offset` on, so that no access fails for lack of memory.
    ///
    /// # Errors
    /// The pages are not inside, or the system has no memory for them.
    pub fn populate(&self, offset: usize, length: usize) -> io::Result<()> {
        match self.advise(offset, length, Advice::LinuxPopulateWrite) {
            // Before Linux 5.14 the pages are provided at the first access.
            Err(Errno::INVAL) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Gives the memory of whole pages back to the system. They are zero at the next access, in every
    /// process. False if the system cannot.
    pub fn discard(&self, offset: usize, length: usize) -> bool {
        self.advise(offset, length, Advice::LinuxRemove).is_ok()
    }

    fn advise(&self, offset: usize, length: usize, advice: Advice) -> Result<(), Errno> {
        let end = offset.checked_add(length).ok_or(Errno::INVAL)?;
        if end > self.length || self.is_process {
            return Err(Errno::INVAL);
        }
        // SAFETY: M; the offset is inside the mapping.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: M, S; the range is inside our mapping. Bytes that become zero are a write by a peer.
        unsafe { madvise(start.as_ptr().cast(), length, advice) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        if self.is_process {
            return;
        }
        // SAFETY: M; the mapping is this long and ours, and its last user drops it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.length) };
    }
}

/// A range of a [`SharedMemory`], which it keeps mapped. Another process may write to it at any time.
#[derive(Clone, Debug)]
pub struct SharedBytes {
    memory: Arc<SharedMemory>,
    offset: usize,
    length: usize,
}

impl SharedBytes {
    /// Where it begins in this process. Valid while this value lives.
    #[inline]
    pub fn address(&self) -> usize {
        self.start().expose_provenance()
    }

    /// Where it begins in the file.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The memory that it is a range of.
    pub fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    /// A part of it; none if that is not inside.
    pub fn part(&self, offset: usize, length: usize) -> Option<Self> {
        let end = offset.checked_add(length)?;
        (end <= self.length).then(|| Self {
            memory: Arc::clone(&self.memory),
            offset: self.offset + offset,
            length,
        })
    }

    /// Copies bytes to `at`; false, and nothing is written, if they are not all inside.
    pub fn write(&self, at: usize, source: &[u8]) -> bool {
        let Some(target) = self.within(at, source.len()) else {
            return false;
        };
        if self.length >= STREAMED_MIN {
            // SAFETY: S; `within` checked the range. The source is private memory.
            unsafe { copy_streamed(source, target) };
        } else {
            // SAFETY: S; as above.
            unsafe { target.copy_from_nonoverlapping(source.as_ptr(), source.len()) };
        }
        true
    }

    /// Copies a piece to `at`, and returns its hash, as [`hash_piece`](crate::hash_piece) does; none, and
    /// nothing is written, if it is not all inside. One pass is half again as fast as a copy and a hash.
    pub fn write_hashed(&self, at: usize, piece: &[u8]) -> Option<u64> {
        let mut target = self.within(at, piece.len())?;
        let (stripes, rest) = piece.as_chunks::<STRIPE>();
        let (mut hash, mut words) = (PieceHash::new(), Stripe::default());
        for stripe in stripes {
            // SAFETY: S; both are private memory of this length.
            unsafe { ptr::copy_nonoverlapping(stripe.as_ptr(), words.as_mut_ptr().cast(), STRIPE) };
            hash.add(&words);
            // SAFETY: S; `within` checked the range. The source is private memory.
            unsafe { target.copy_from_nonoverlapping(words.as_ptr().cast(), STRIPE) };
            // SAFETY: S; at most the end of the range that was checked.
            target = unsafe { target.add(STRIPE) };
        }
        // SAFETY: S; the end of the range that was checked. The source is private memory.
        unsafe { target.copy_from_nonoverlapping(rest.as_ptr(), rest.len()) };
        Some(hash.finish(rest))
    }

    /// The hash of the piece at `at`; none if it is not all inside.
    pub fn hash(&self, at: usize, length: usize) -> Option<u64> {
        let mut source: *const u8 = self.within(at, length)?;
        let (mut hash, mut words) = (PieceHash::new(), Stripe::default());
        for _ in 0..length / STRIPE {
            // SAFETY: S; `within` checked the range. The target is private memory.
            unsafe { source.copy_to_nonoverlapping(words.as_mut_ptr().cast(), STRIPE) };
            hash.add(&words);
            // SAFETY: S; at most the end of the range that was checked.
            source = unsafe { source.add(STRIPE) };
        }
        let mut rest = [0; STRIPE];
        let rest = &mut rest[..length % STRIPE];
        // SAFETY: S; the end of the range that was checked. The target is private memory.
        unsafe { source.copy_to_nonoverlapping(rest.as_mut_ptr(), rest.len()) };
        Some(hash.finish(rest))
    }

    /// Copies bytes from `at` on; false, and nothing is read, if they are not all inside.
    pub fn read(&self, at: usize, target: &mut [u8]) -> bool {
        let Some(source) = self.within(at, target.len()) else {
            return false;
        };
        // SAFETY: S; `within` checked the range. The target is private memory.
        unsafe {
            target
                .as_mut_ptr()
                .copy_from_nonoverlapping(source, target.len());
        };
        true
    }

    /// Appends all bytes; false, and nothing is appended, if the target has not reserved the memory.
    pub fn append_to(&self, target: &mut Vec<u8>) -> bool {
        if target.capacity() - target.len() < self.length {
            return false;
        }
        // SAFETY: S; this is the end of what the vector holds.
        let end = unsafe { target.as_mut_ptr().add(target.len()) };
        // SAFETY: S; the reserved memory is private, and has as many bytes, as was checked.
        unsafe { self.start().copy_to_nonoverlapping(end, self.length) };
        // SAFETY: S; these bytes were written.
        unsafe { target.set_len(target.len() + self.length) };
        true
    }

    /// Makes all bytes zero.
    pub fn clear(&self) {
        // SAFETY: S; the range is inside the mapping.
        unsafe { self.start().write_bytes(0, self.length) };
    }

    fn start(&self) -> *mut u8 {
        if self.memory.is_process {
            // P: the owner of the memory has exposed its address.
            return ptr::with_exposed_provenance_mut(self.offset);
        }
        // SAFETY: S; the offset is inside the mapping, or at its end for no bytes.
        unsafe { self.memory.base.as_ptr().add(self.offset) }
    }

    fn within(&self, at: usize, length: usize) -> Option<*mut u8> {
        let end = at.checked_add(length)?;
        // SAFETY: S; `at` is at most the length, as was checked.
        (end <= self.length).then(|| unsafe { self.start().add(at) })
    }
}
