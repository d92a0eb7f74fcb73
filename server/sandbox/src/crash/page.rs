//! The file with the crash record, and its layout.

use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use rustix::fs::fstat;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::StepError;

/// The first word of a record; its last byte is the number of the layout.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"hostdCR4");
const HEAD_BYTES: usize = 4096;
/// Bytes of `/proc/self/status` that are kept, at the end of the head.
pub(super) const STATUS_BYTES: usize = 2048;
const STATUS: usize = HEAD_BYTES - STATUS_BYTES;
/// Bytes of the memory map that are kept: some thousand lines.
pub(super) const MAPS_BYTES: usize = 128 << 10;
/// Bytes of the stack that are kept.
pub(super) const STACK_BYTES: usize = 256 << 10;
/// Bytes of the names of recent functions of Node-API that are kept.
pub(super) const CALLS_BYTES: usize = 4096;
/// The size of the file, in bytes.
pub const FILE_BYTES: usize = HEAD_BYTES + MAPS_BYTES + STACK_BYTES + CALLS_BYTES;
pub(super) const NAME_BYTES: usize = 64;
/// Bytes of a path that are kept.
pub(super) const PATH_BYTES: usize = 256;
/// Registers that are kept.
pub(super) const REGISTERS: usize = 18;

/// The lane in the record when no call is running.
pub const NO_LANE: u32 = u32::MAX;

/// How much of a record is written.
pub(super) mod state {
    /// A handler has begun to write; no field is valid yet.
    pub(crate) const BEGUN: u32 = 1;
    /// Everything but the stack is written.
    pub(crate) const FACTS: u32 = 2;
    /// The stack is written, too.
    pub(crate) const WHOLE: u32 = 3;
}

/// The record, in native byte order.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Page {
    pub(super) magic: AtomicU64,
    pub(super) state: AtomicU32,
    /// The lane of the running call, updated at every call.
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
    /// The number of bytes of the memory map.
    pub(super) maps_bytes: AtomicU64,
    /// The address of the first recorded byte of the stack, and the number of bytes.
    pub(super) stack_address: AtomicU64,
    pub(super) stack_bytes: AtomicU64,
    /// A text ends at the first zero, or with its field.
    pub(super) thread_name: [AtomicU64; 2],
    pub(super) node_api: [AtomicU64; NAME_BYTES / 8],
    /// The last error that a function of the C library reported on the thread.
    pub(super) error: AtomicI32,
    /// The number of bytes of `/proc/self/status`.
    pub(super) status_bytes: AtomicU64,
    /// The architecture of the call that the filter denied by ending the process; 0 without one.
    pub(super) call_table: AtomicU32,
    pub(super) call_number: AtomicU32,
    pub(super) call_arguments: [AtomicU64; 6],
    pub(super) call_path: [AtomicU64; PATH_BYTES / 8],
    /// The registers of the thread, in the order of `handler::registers`.
    pub(super) registers: [AtomicU64; REGISTERS],
    /// The number of bytes of the names of recent functions.
    pub(super) calls_bytes: AtomicU64,
}

/// The offsets of the record, for its reader, which is another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The first word.
    pub magic: u64,
    /// Offsets of the fields, in the order of their declaration.
    pub fields: [usize; 24],
    /// Offset and length of `/proc/self/status`.
    pub status: (usize, usize),
    /// Offset and length of the memory map.
    pub maps: (usize, usize),
    /// Offset and length of the stack.
    pub stack: (usize, usize),
    /// Offset and length of the names of recent functions, each with a line end, the latest last.
    pub calls: (usize, usize),
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
            offset_of!(Page, registers),
            offset_of!(Page, calls_bytes),
        ],
        status: (STATUS, STATUS_BYTES),
        maps: (HEAD_BYTES, MAPS_BYTES),
        stack: (HEAD_BYTES + MAPS_BYTES, STACK_BYTES),
        calls: (HEAD_BYTES + MAPS_BYTES + STACK_BYTES, CALLS_BYTES),
    };
}

static PAGE: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());

/// The record, once it is mapped.
#[inline]
pub(super) fn page() -> Option<&'static Page> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: C4; the pointer is null or points to the mapping, which is never unmapped.
    unsafe { page.as_ref() }
}

pub(super) fn part<T>(offset: usize) -> *mut T {
    PAGE.load(Ordering::Acquire)
        .wrapping_byte_add(offset)
        .cast::<T>()
}

/// Maps the file until the process ends.
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
    // SAFETY: C4; the kernel chooses a free address, and the size was checked above.
    let mapped = unsafe { mmap(ptr::null_mut(), FILE_BYTES, access, shared, file, 0) }
        .map_err(StepError::refused(STEP, "mmap"))?
        .cast::<Page>();
    // SAFETY: C4; the mapping is readable, writable and longer than the structure.
    let page = unsafe { &*mapped };
    page.lane.store(NO_LANE, Ordering::Relaxed);
    page.magic.store(MAGIC, Ordering::Relaxed);
    PAGE.store(mapped, Ordering::Release);
    Ok(())
}

pub(super) fn store(field: &[AtomicU64], text: &[u8]) {
    for (word, bytes) in field.iter().zip(text.chunks(8)) {
        let mut whole = [0_u8; 8];
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, STATUS};

    #[test]
    fn record_fits_its_page() {
        assert!(size_of::<Page>() <= STATUS);
    }
}
