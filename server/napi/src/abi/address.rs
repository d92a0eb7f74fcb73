//! The addresses that handles, environments and callback infos have in C.
//!
//! All of them are ids: each is looked up, none is followed. In Node they are pointers, and some
//! addons read a word or two behind one to detect their runtime. So the ids are addresses in a
//! range that is reserved at a fixed place and reads as zeros. The place is a constant, so the
//! range adds nothing to the cost of making and checking an id. Where it cannot be reserved
//! (another mapping is there, or the address space is limited) the ids are the same, but not
//! readable.
//!
//! | from | what | layout |
//! | --- | --- | --- |
//! | [`INTEGERS`] | handles of whole numbers of 32 bits | the number |
//! | [`ENVS`] | environments | index in 16 bytes |
//! | [`INFOS`] | callback infos | serial number in 16 bytes, modulo 65536 |
//! | [`HANDLES`] | all other handles | index in MiB, epoch in bytes |
//!
//! 32 TiB is below everything that Linux places itself (the program, its heap, libraries and
//! stacks, with either layout of mmap) and above the fixed addresses that allocators and
//! `AddressSanitizer` ask for. Nothing is written to the range, so it has no memory: a page that is
//! read is the kernel's zero page, at the cost of its page tables, which the length of the range
//! bounds to 256 MiB. Handles with an index of 118784 or more are behind its end.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::types::{napi_callback_info, napi_value};

/// The start of the range, and of the handles that are integers.
pub(crate) const INTEGERS: usize = 0x2000_0000_0000;
/// The first environment.
pub(crate) const ENVS: usize = 0x2001_0000_0000;
/// The first callback info.
pub(crate) const INFOS: usize = 0x2002_0000_0000;
/// The first handle with a slot.
pub(crate) const HANDLES: usize = 0x2003_0000_0000;

/// Bytes from one environment or callback info to the next: two words that addons may read.
pub(crate) const STEP: usize = 16;
/// The bytes of all callback infos.
pub(crate) const INFOS_LEN: usize = STEP << 16;

/// The bytes of the range.
const LEN: usize = 128 << 30;

/// Reserves the range, once for the process.
pub(crate) fn reserve() {
    is_reserved();
}

fn is_reserved() -> bool {
    static RESERVED: OnceLock<bool> = OnceLock::new();
    *RESERVED.get_or_init(|| {
        let reserved = map();
        if let Err(error) = &reserved {
            tracing::debug!(%error, "the addresses of handles are not readable");
        }
        reserved.is_ok()
    })
}

fn map() -> rustix::io::Result<()> {
    let start = ptr::without_provenance_mut::<c_void>(INTEGERS);
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: A8; FIXED_NOREPLACE replaces no mapping.
    let mapped = unsafe { rustix::mm::mmap_anonymous(start, LEN, ProtFlags::READ, flags) }?;
    if mapped != start {
        // A kernel before 4.17 takes the address as a hint only.
        // SAFETY: A8; this is not the range, but a mapping that was just made elsewhere.
        unsafe { rustix::mm::munmap(mapped, LEN) }?;
        return Err(rustix::io::Errno::EXIST);
    }
    for advice in [Advice::LinuxNoHugepage, Advice::LinuxDontDump] {
        // SAFETY: A8; neither advice changes the content of the mapping.
        unsafe { rustix::mm::madvise(mapped, LEN, advice) }.ok();
    }
    // SAFETY: A8; a part of the mapping that was just made, before any use of it.
    unsafe {
        rustix::mm::mprotect(
            ptr::without_provenance_mut(INFOS),
            INFOS_LEN,
            MprotectFlags::READ | MprotectFlags::WRITE,
        )
    }
}

/// Puts the handle of the receiver into the first word behind a callback info.
///
/// koffi reads the receiver and searches the first two words for it. If it is in neither, koffi
/// assumes a structure of Node's there and reads its functions' data behind the second word.
#[cold]
pub(crate) fn publish_this(info: napi_callback_info, this: napi_value) {
    let offset = info.0.wrapping_sub(INFOS);
    if offset >= INFOS_LEN || !offset.is_multiple_of(STEP) || !is_reserved() {
        return;
    }
    let word = ptr::with_exposed_provenance_mut::<usize>(info.0);
    // SAFETY: A8; an aligned word in the writable part of the range. Several hosts may write it, as
    // atomics, and none reads it.
    let word = unsafe { AtomicUsize::from_ptr(word) };
    word.store(this.0, Ordering::Relaxed);
}
