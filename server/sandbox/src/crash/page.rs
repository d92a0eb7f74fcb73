//! The file with the record, and what stands where in it.

use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use rustix::fs::fstat;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::NO_LANE;
use crate::StepError;

/// The first words of a record of this layout; another layout has another number at its end.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"hostdCR1");
const HEAD_BYTES: usize = 4096;
/// Where in the head the kernel's figures about the process are kept: what comes first of them.
pub(super) const STATUS_BYTES: usize = 2048;
const STATUS: usize = HEAD_BYTES - STATUS_BYTES;
/// How much of the memory map is kept: some thousand lines.
pub(super) const MAPS_BYTES: usize = 128 << 10;
/// How much of the stack is kept.
pub(super) const STACK_BYTES: usize = 256 << 10;
/// The size of the file.
pub const FILE_BYTES: usize = HEAD_BYTES + MAPS_BYTES + STACK_BYTES;
pub(super) const NAME_BYTES: usize = 64;
/// How much of a path is kept.
pub(super) const PATH_BYTES: usize = 256;

/// How far a record got.
pub(super) mod state {
    /// A handler began to write; nothing of it counts yet.
    pub(in crate::crash) const BEGUN: u32 = 1;
    /// Everything but the stack is there.
    pub(in crate::crash) const FACTS: u32 = 2;
    /// So is the stack.
    pub(in crate::crash) const WHOLE: u32 = 3;
}

/// The record. Numbers are in the machine's own byte order: the client is on the same machine.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Page {
    pub(super) magic: AtomicU64,
    pub(super) state: AtomicU32,
    /// Kept up to date while the process lives.
    pub(super) lane: AtomicU32,
    pub(super) signal: AtomicI32,
    pub(super) code: AtomicI32,
    pub(super) address: AtomicU64,
    pub(super) thread: AtomicU32,
    /// 1 if it is the JS thread.
    pub(super) js_thread: AtomicU32,
    pub(super) program_counter: AtomicU64,
    pub(super) stack_pointer: AtomicU64,
    pub(super) frame_pointer: AtomicU64,
    /// Where the processor keeps a return address; else 0.
    pub(super) link_register: AtomicU64,
    /// How many bytes of the memory map there are.
    pub(super) maps_bytes: AtomicU64,
    /// The address of the first byte of the stack that is there, and how many there are.
    pub(super) stack_address: AtomicU64,
    pub(super) stack_bytes: AtomicU64,
    /// Texts end with the first zero, or with the field.
    pub(super) thread_name: [AtomicU64; 2],
    pub(super) node_api: [AtomicU64; NAME_BYTES / 8],
    /// The last error that a function of the C library reported on the thread.
    pub(super) error: AtomicI32,
    /// How many bytes of the figures there are.
    pub(super) status_bytes: AtomicU64,
    /// The call that the filter ended: which table its number is from, or 0 if there is none.
    pub(super) call_table: AtomicU32,
    pub(super) call_number: AtomicU32,
    pub(super) call_arguments: [AtomicU64; 6],
    pub(super) call_path: [AtomicU64; PATH_BYTES / 8],
}

/// What stands where, for a reader that is another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The first eight bytes.
    pub magic: u64,
    /// Offsets of the fields, in their order.
    pub fields: [usize; 23],
    /// Where the figures begin, and how long they can be.
    pub status: (usize, usize),
    /// Where the memory map begins, and how long it can be.
    pub maps: (usize, usize),
    /// Where the stack begins, and how long it can be.
    pub stack: (usize, usize),
}

impl Layout {
    /// The layout that this build writes.
    pub const CURRENT: Self = Self {
        magic: MAGIC,
        fields: [
            offset_of!(Page, magic),
            offset_of!(Page, state),
            offset_of!(Page, lane),
            offset_of!(Page, signal),
            offset_of!(Page, code),
            offset_of!(Page, address),
            offset_of!(Page, thread),
            offset_of!(Page, js_thread),
            offset_of!(Page, program_counter),
            offset_of!(Page, stack_pointer),
            offset_of!(Page, frame_pointer),
            offset_of!(Page, link_register),
            offset_of!(Page, maps_bytes),
            offset_of!(Page, stack_address),
            offset_of!(Page, stack_bytes),
            offset_of!(Page, thread_name),
            offset_of!(Page, node_api),
            offset_of!(Page, error),
            offset_of!(Page, status_bytes),
            offset_of!(Page, call_table),
            offset_of!(Page, call_number),
            offset_of!(Page, call_arguments),
            offset_of!(Page, call_path),
        ],
        status: (STATUS, STATUS_BYTES),
        maps: (HEAD_BYTES, MAPS_BYTES),
        stack: (HEAD_BYTES + MAPS_BYTES, STACK_BYTES),
    };
}

static PAGE: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());

/// The record, once it is mapped.
#[inline]
pub(super) fn page() -> Option<&'static Page> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: C4; the pointer is null or the mapping, which stays.
    unsafe { page.as_ref() }
}

/// Where a part of the file is mapped.
pub(super) fn part<T>(offset: usize) -> *mut T {
    PAGE.load(Ordering::Acquire)
        .wrapping_byte_add(offset)
        .cast::<T>()
}

/// Maps the file for as long as the process lives.
pub(super) fn map(file: &OwnedFd) -> Result<(), StepError> {
    const STEP: &str = "crash::install";
    let size = fstat(file.as_fd())
        .map_err(StepError::refused(STEP, "fstat"))?
        .st_size;
    if usize::try_from(size) != Ok(FILE_BYTES) {
        return Err(StepError::CrashPage {
            expected: FILE_BYTES,
            found: size,
        });
    }
    let (access, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: C4; the kernel chooses a free place, and the file was measured above.
    let mapped = unsafe { mmap(ptr::null_mut(), FILE_BYTES, access, shared, file, 0) }
        .map_err(StepError::refused(STEP, "mmap"))?
        .cast::<Page>();
    // SAFETY: C4; it was just mapped, whole pages, readable and writable.
    let page = unsafe { &*mapped };
    page.lane.store(NO_LANE, Ordering::Relaxed);
    page.magic.store(MAGIC, Ordering::Relaxed);
    PAGE.store(mapped, Ordering::Release);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Page, STATUS};

    #[test]
    fn record_fits_its_page() {
        assert!(size_of::<Page>() <= STATUS);
    }
}
