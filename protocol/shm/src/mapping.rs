//! Files in memory that two processes share: making one, mapping it, and reading copies of one that
//! another process writes.

#![expect(unsafe_code, reason = "a mapping: see the invariants in lib.rs")]

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{self, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::{Resource, getrlimit};

use crate::error::SegmentError;

/// Without these a peer could shrink the file, and an access would fault.
pub(crate) const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// Makes a file in memory of this size, and seals it.
pub(crate) fn sealed_file(name: &str, length: usize) -> Result<OwnedFd, SegmentError> {
    // Beyond this limit the system would not only refuse it, but send SIGXFSZ to this process.
    if getrlimit(Resource::Fsize)
        .current
        .is_some_and(|limit| limit < length as u64)
    {
        return Err(failed("size")(Errno::FBIG));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => fs::memfd_create(name, flags),
        made => made,
    };
    let file = made.map_err(failed("create"))?;
    fs::ftruncate(&file, length as u64).map_err(failed("size"))?;
    fs::fcntl_add_seals(&file, SEALS).map_err(failed("seal"))?;
    Ok(file)
}

/// Maps the first `length` bytes of a file, shared.
pub(crate) fn map(
    file: &impl AsFd,
    length: usize,
    protection: ProtFlags,
) -> Result<NonNull<u8>, SegmentError> {
    // SAFETY: M; a new mapping at an address that the system chooses overlaps no memory in use.
    let base = unsafe {
        mmap(
            ptr::null_mut(),
            length,
            protection,
            MapFlags::SHARED,
            file,
            0,
        )
    };
    let base = base.map_err(failed("map"))?;
    NonNull::new(base.cast()).ok_or_else(|| failed("map")(Errno::NOMEM))
}

/// The error of a step that the system refused.
pub(crate) fn failed(step: &'static str) -> impl FnOnce(Errno) -> SegmentError {
    move |errno| SegmentError::System {
        step,
        source: errno.into(),
    }
}

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
    /// Makes a file in memory that no process can resize, and maps it.
    pub fn create(name: &str, length: usize) -> Result<(Self, OwnedFd), SegmentError> {
        let file = sealed_file(name, length)?;
        let base = map(&file, length, ProtFlags::READ)?;
        Ok((Self { base, length }, file))
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
