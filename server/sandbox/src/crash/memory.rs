//! Reads memory of the process that may be unreadable: the stack, and the text of a path.

use std::io;
use std::ptr;
use std::sync::atomic::Ordering;

use super::page::{self, Layout, PATH_BYTES, Page, STACK_BYTES};

/// The size of a page of memory.
const MEMORY_PAGE: usize = 4096;
/// Bytes above an invalid stack pointer in which the stack is searched: an overflow of the main
/// thread can pass its guard by as much.
const STACK_SEARCH_BYTES: usize = 2 << 20;

/// Copies the stack above the pointer, up to its end or to [`STACK_BYTES`].
pub(super) fn copy_stack(page: &Page, pointer: u64) {
    let Ok(pointer) = usize::try_from(pointer) else {
        return;
    };
    let mut from = pointer & !7;
    let farthest = from.saturating_add(STACK_SEARCH_BYTES);
    while !readable(from) {
        from = next_page(from);
        if from >= farthest {
            return;
        }
    }
    page.stack_address.store(from as u64, Ordering::Relaxed);
    let mut have = 0_usize;
    loop {
        let room = STACK_BYTES.saturating_sub(have);
        let length = next_page(from).saturating_sub(from).min(room);
        if length == 0 || !readable(from) {
            return;
        }
        let to = page::part::<u64>(Layout::CURRENT.stack.0.wrapping_add(have));
        for offset in (0..length).step_by(8) {
            let word = ptr::with_exposed_provenance::<u64>(from.wrapping_add(offset));
            // SAFETY: C7; the page was readable when it was probed, and the address is aligned.
            let value = unsafe { word.read_volatile() };
            let to = to.wrapping_add(offset / 8);
            // SAFETY: C4; there was room for the whole length, which is a multiple of 8.
            unsafe { to.write_volatile(value) };
        }
        have = have.saturating_add(length);
        from = from.saturating_add(length);
        page.stack_bytes.store(have as u64, Ordering::Release);
    }
}

fn next_page(address: usize) -> usize {
    (address & !(MEMORY_PAGE - 1)).saturating_add(MEMORY_PAGE)
}

/// Reads a text up to its end or to the first unreadable word.
pub(super) fn read_text(address: u64, text: &mut [u8; PATH_BYTES]) {
    let Ok(mut from) = usize::try_from(address) else {
        return;
    };
    let mut word = None;
    for to in text {
        if word != Some(from & !7) {
            if !readable(from & !7) {
                return;
            }
            word = Some(from & !7);
        }
        let byte = ptr::with_exposed_provenance::<u8>(from);
        // SAFETY: C7; the word around it was readable a moment ago.
        *to = unsafe { byte.read_volatile() };
        if *to == 0 {
            return;
        }
        from = from.wrapping_add(1);
    }
}

/// Whether the eight bytes at the address are readable.
///
/// Makes the kernel read a signal set there for an invalid operation: it reads the set before it
/// rejects the operation, so EFAULT means that the address is unreadable.
fn readable(address: usize) -> bool {
    const NO_OPERATION: libc::c_long = -1;
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: C5; the kernel checks the address, and changes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_OPERATION,
            address,
            nothing,
            8_usize,
        )
    };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}
