//! The allocator of this library: a small block comes from a static reserve if the system has no
//! memory for it.
//!
//! Rust aborts the process when an allocation fails that cannot report it: a reference count, a
//! message, a node of a queue. Blocks whose size or number a peer or a user chooses are allocated
//! fallibly instead. All others are at most [`BLOCK_MAX`] bytes; the reserve is for them. While they
//! come from it, new objects of the host raise `MemoryError`, so that it lasts.
//!
//! Invariants:
//! R1. The reserve is one static array, aligned to [`ALIGN_MAX`]. A block of it has a power of two as
//!     its size and begins at a multiple of that, so it is aligned for every layout of at most that
//!     size and alignment, and lies within the array.
//! R2. A block of the reserve is handed out once until it is given back: the state is locked.
//! R3. A block outside the reserve is one of the system's allocator, with the layout that it was
//!     allocated with.
#![expect(unsafe_code, reason = "it is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::hint;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hostd_client::lock;
use pyo3::prelude::*;

use crate::fallible;

/// The largest block that comes from the reserve.
const BLOCK_MAX: usize = 256 << 10;
const BLOCK_MIN: usize = 64;
/// Bytes of the reserve. Untouched pages of it take no memory.
const RESERVE_BYTES: usize = 4 << 20;
/// The largest alignment of a block from the reserve: that of the array.
const ALIGN_MAX: usize = 4096;
const SIZES: usize = (BLOCK_MAX / BLOCK_MIN).trailing_zeros() as usize + 1;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static RESERVE: Reserve = Reserve(UnsafeCell::new([0; RESERVE_BYTES]));
static STATE: Mutex<State> = Mutex::new(State {
    used: 0,
    free: [NONE; SIZES],
});

/// Blocks of the reserve that are in use.
static BLOCKS: AtomicUsize = AtomicUsize::new(0);

/// Whether small blocks come from the reserve now. Blocks of it that are in use do not tell this by
/// themselves: a table that grew while there was no memory keeps its block after there is some again.
#[inline]
pub(crate) fn is_needed() -> bool {
    BLOCKS.load(Ordering::Relaxed) != 0 && !system_has(BLOCK_MAX)
}

/// Raises `MemoryError` while small blocks come from the reserve. Called before small blocks are
/// allocated whose number the peer chooses.
#[inline]
pub(crate) fn check() -> PyResult<()> {
    if is_needed() {
        Err(fallible::memory())
    } else {
        Ok(())
    }
}

/// The most bytes that the interpreter allocates for a thread that has not run Python before.
const THREAD_STATE_BYTES: usize = 16 << 10;
const MEMORY_WAIT: Duration = Duration::from_millis(10);
const MEMORY_WAITS_MAX: u32 = 100;

/// Whether there is memory for the interpreter's state of a thread, without which it aborts.
pub(crate) fn has_thread_state() -> bool {
    system_has(THREAD_STATE_BYTES)
}

/// Whether the system has memory for a block of this size, which is not 0.
#[cold]
fn system_has(size: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(size, 16) else {
        return false;
    };
    // SAFETY: the size is not zero.
    let block = unsafe { System.alloc(layout) };
    // The compiler may leave out an allocation of which only the result is compared.
    let block = hint::black_box(block);
    if block.is_null() {
        return false;
    }
    // SAFETY: R3.
    unsafe { System.dealloc(block, layout) };
    true
}

/// Waits until there is memory for the state of a thread, one second at most. Called before a thread
/// of this package runs Python for the first time.
pub(crate) fn wait_for_thread_state() {
    for _ in 0..MEMORY_WAITS_MAX {
        if has_thread_state() {
            return;
        }
        thread::sleep(MEMORY_WAIT);
    }
}

#[repr(align(4096))]
struct Reserve(UnsafeCell<[u8; RESERVE_BYTES]>);

// SAFETY: R2.
unsafe impl Sync for Reserve {}

struct State {
    /// The bytes at the beginning of the reserve that were ever allocated.
    used: usize,
    /// The offset of a free block of each size, in which that of the next one is; or [`NONE`].
    free: [usize; SIZES],
}

const NONE: usize = usize::MAX;

struct Allocator;

/// The size of the block for a layout, and its place among the sizes. None if it is too large.
fn block_size(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size().max(layout.align()).max(BLOCK_MIN);
    if size > BLOCK_MAX || layout.align() > ALIGN_MAX {
        return None;
    }
    let size = size.next_power_of_two();
    Some((size, (size / BLOCK_MIN).trailing_zeros() as usize))
}

fn start() -> *mut u8 {
    RESERVE.0.get().cast()
}

/// The offset of a block in the reserve, if it is one of it.
#[inline]
fn offset(block: *mut u8) -> Option<usize> {
    let offset = block.addr().wrapping_sub(start().addr());
    (offset < RESERVE_BYTES).then_some(offset)
}

#[cold]
fn take(layout: Layout) -> *mut u8 {
    let Some((size, place)) = block_size(layout) else {
        return ptr::null_mut();
    };
    let mut state = lock(&STATE);
    let offset = match state.free[place] {
        NONE => {
            let offset = state.used.next_multiple_of(size);
            if offset + size > RESERVE_BYTES {
                return ptr::null_mut();
            }
            state.used = offset + size;
            offset
        }
        offset => {
            // SAFETY: R1.
            let block = unsafe { start().add(offset) };
            // SAFETY: R1, R2: a free block holds the offset of the next one.
            let next = unsafe { block.cast::<[u8; size_of::<usize>()]>().read() };
            state.free[place] = usize::from_ne_bytes(next);
            offset
        }
    };
    BLOCKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: R1.
    unsafe { start().add(offset) }
}

#[cold]
fn give_back(offset: usize, layout: Layout) {
    let Some((_, place)) = block_size(layout) else {
        return;
    };
    let mut state = lock(&STATE);
    // SAFETY: R1.
    let block = unsafe { start().add(offset) };
    let next = state.free[place].to_ne_bytes();
    // SAFETY: R1, R2: the block is ours again, and its size is at least that of an offset.
    unsafe { block.cast::<[u8; size_of::<usize>()]>().write(next) };
    state.free[place] = offset;
    if BLOCKS.fetch_sub(1, Ordering::Relaxed) == 1 {
        // The reserve is empty, so blocks of any size can be cut from it again.
        state.used = 0;
        state.free = [NONE; SIZES];
    }
}

// SAFETY: R1 to R3; nothing here unwinds or allocates.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { take(layout) } else { block }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = take(layout);
        if !block.is_null() {
            // SAFETY: R1, R2.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match offset(block) {
            Some(offset) => give_back(offset, layout),
            // SAFETY: R3.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if offset(block).is_none() {
            // SAFETY: R3.
            let moved = unsafe { System.realloc(block, layout, new_size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller's size, rounded up to the alignment, does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the caller's size is not zero.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both are at least this large, and only this call has the new one.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size)) };
            // SAFETY: passed on; the old block is not used any more.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}
