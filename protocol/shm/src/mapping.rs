//! A shared mapping of a file that another process writes, for reading copies of it.

#![expect(unsafe_code, reason = "a mapping: see the invariants in lib.rs")]

use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapped file. It needs no descriptor.
#[derive(Debug)]
pub struct SealedMapping {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: R; all access is through raw copies, which any thread may make.
unsafe impl Send for SealedMapping {}
// SAFETY: R; the same holds for several threads at once.
unsafe impl Sync for SealedMapping {}

impl SealedMapping {
    /// Maps the first `length` bytes of a file.
    ///
    /// # Errors
    /// The file is not sealed against shrinking or is shorter, or the system refuses the mapping.
    pub fn new(file: &impl AsFd, length: usize) -> Result<Self, Errno> {
        let seals = rustix::fs::fcntl_get_seals(file)?;
        let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        if !seals.contains(rustix::fs::SealFlags::SHRINK) || size < length as u64 {
            return Err(Errno::INVAL);
        }
        // SAFETY: M; a new mapping at an address that the system chooses overlaps no memory in use.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, length })
    }

    /// Copies bytes from `offset` on; false if they are not all inside the mapping.
    pub fn read(&self, offset: usize, target: &mut [u8]) -> bool {
        let end = offset.checked_add(target.len());
        if end.is_none_or(|end| end > self.length) {
            return false;
        }
        for (place, byte) in target.iter_mut().enumerate() {
            // SAFETY: M; the offset is inside the mapping, as was checked.
            let source = unsafe { self.base.add(offset + place) };
            // SAFETY: M, R; the byte is inside the mapping, and is read once.
            *byte = unsafe { source.as_ptr().read_volatile() };
        }
        true
    }
}

impl Drop for SealedMapping {
    fn drop(&mut self) {
        // SAFETY: M; the mapping is this long and ours, and its last user drops it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.length) };
    }
}
