//! The engine's allocator: the C library's, with a count of bytes, large blocks in shared memory, and
//! arenas that stay allocated.
//!
//! The engine takes small blocks from arenas of 4 KiB, each for one block size. It frees an arena
//! with its last block and builds the next one block by block, so an addon that makes some values
//! in one scope after another would pay for arenas each time. The engine keeps an arena while one
//! of its blocks is in use, so this module allocates a block in each of several arenas and never
//! frees it.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ffi::c_void;
use std::ops::RangeInclusive;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use hostd_quickjs as q;

use crate::large_blocks::LargeBlocks;

/// The sizes, in bytes, of the blocks for objects, strings, buffers and their parts, heads
/// included.
const BLOCK_SIZES: RangeInclusive<usize> = 24..=96;
/// By how many bytes the block sizes of arenas differ.
const BLOCK_SIZE_STEP: usize = 8;
/// The engine's own bytes at the start of a block.
const HEAD: usize = 8;
/// The size of an arena in bytes, whatever the size of its blocks.
const ARENA_SIZES: RangeInclusive<usize> = 3_600..=4_096;
/// One block in so many stays allocated: fewer than an arena holds, whatever the size of its
/// blocks.
const BLOCKS_PER_KEPT: usize = 32;
/// For how many blocks of each size arenas are kept at first, and at most.
const KEPT_BLOCKS_MIN: usize = 128;
const KEPT_BLOCKS_MAX: usize = 1_024;
/// After how many freed arenas some are kept for the first time.
const FREED_ARENAS_MIN: u32 = 16;

thread_local! {
    /// The allocator of this thread's engine.
    static CURRENT: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

/// Makes it the allocator of this thread's engine; returns what was there. The pointer is compared and
/// handed to the engine's functions only while its engine is on this thread.
pub(crate) fn replace_current(allocator: *mut c_void) -> *mut c_void {
    CURRENT.replace(allocator)
}

/// The allocator of one engine.
pub(crate) struct Allocator {
    rt: Cell<*mut q::JSRuntime>,
    /// How many arenas were freed since arenas were last kept.
    freed_arenas: Cell<u32>,
    /// The number of freed arenas at which more are kept.
    threshold: Cell<u32>,
    /// For how many blocks of each size arenas are kept next.
    kept_blocks: Cell<usize>,
    /// How many bytes the engine allocated so far, in arenas and large blocks.
    allocated: Cell<u64>,
    /// Blocks in shared memory, once there is some.
    pub(crate) large: Rc<LargeBlocks>,
    /// How often the engine called `malloc`.
    #[cfg(test)]
    mallocs: Cell<u32>,
}

/// An engine without a context, and its allocator.
pub(crate) struct Heap {
    pub(crate) rt: *mut q::JSRuntime,
    allocator: NonNull<Allocator>,
}

impl Heap {
    /// `None` if there is no memory.
    pub(crate) fn new() -> Option<Heap> {
        let functions = q::JSMallocFunctions {
            js_calloc: Some(calloc),
            js_malloc: Some(malloc),
            js_free: Some(free),
            js_realloc: Some(realloc),
            js_malloc_usable_size: Some(usable_size),
        };
        let allocator = NonNull::from(Box::leak(Box::new(Allocator::new())));
        let opaque = allocator.as_ptr().cast();
        CURRENT.set(opaque);
        // SAFETY: E1, E14; the engine copies the structure, and `allocator` outlives it.
        let rt = unsafe { q::JS_NewRuntime2(&raw const functions, opaque) };
        let heap = Heap { rt, allocator };
        heap.allocator().rt.set(rt);
        (!rt.is_null()).then_some(heap)
    }

    #[inline]
    pub(crate) fn allocator(&self) -> &Allocator {
        // SAFETY: E14; it is freed when the heap is.
        unsafe { self.allocator.as_ref() }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        if !self.rt.is_null() {
            // SAFETY: E1; nothing refers to the engine any more.
            unsafe { q::JS_FreeRuntime(self.rt) };
        }
        CURRENT.set(ptr::null_mut());
        // SAFETY: E14; it was leaked in `new`, and the engine that used it is freed.
        drop(unsafe { Box::from_raw(self.allocator.as_ptr()) });
    }
}

impl Allocator {
    fn new() -> Allocator {
        Allocator {
            rt: Cell::new(ptr::null_mut()),
            freed_arenas: Cell::new(0),
            threshold: Cell::new(FREED_ARENAS_MIN),
            kept_blocks: Cell::new(KEPT_BLOCKS_MIN),
            allocated: Cell::new(0),
            large: Rc::default(),
            #[cfg(test)]
            mallocs: Cell::new(0),
        }
    }

    /// How many bytes the engine allocated so far.
    #[inline]
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated.get()
    }

    #[inline]
    fn count(&self, bytes: usize) {
        self.allocated
            .set(self.allocated.get().wrapping_add(bytes as u64));
    }

    /// Keeps arenas if enough of them were freed since the last time. The threshold doubles each
    /// time, so a heap that keeps growing and shrinking keeps few.
    #[cold]
    fn keep_arenas_if_due(&self) {
        // Null while the engine is being made.
        if self.freed_arenas.get() < self.threshold.get() || self.rt.get().is_null() {
            return;
        }
        self.freed_arenas.set(0);
        self.threshold.set(self.threshold.get().saturating_mul(2));
        let blocks = self.kept_blocks.get();
        self.kept_blocks.set((blocks * 2).min(KEPT_BLOCKS_MAX));
        keep_arenas(self.rt.get(), blocks);
    }
}

/// Allocates so many blocks of each size and frees all but one in [`BLOCKS_PER_KEPT`]. Without
/// memory fewer arenas are kept.
fn keep_arenas(rt: *mut q::JSRuntime, count: usize) {
    let mut blocks: Vec<*mut c_void> = Vec::new();
    if blocks.try_reserve_exact(count).is_err() {
        return;
    }
    for size in BLOCK_SIZES.step_by(BLOCK_SIZE_STEP) {
        // SAFETY: E1; the engine returns a block or null.
        let block = |_| unsafe { q::js_malloc_rt(rt, (size - HEAD) as q::size_t) };
        blocks.extend((0..count).map(block));
        for (index, block) in blocks.drain(..).enumerate() {
            if index % BLOCKS_PER_KEPT != 0 && index + 1 != count {
                // SAFETY: E1; the block is ours, and null is ignored.
                unsafe { q::js_free_rt(rt, block) };
            }
        }
    }
}

/// The smallest allocation, in bytes, whose failure JavaScript sees as an error. A smaller one ends
/// the process, as a failed allocation in Rust does: the engine's compiler and some of its tables
/// damage the heap when a small block is refused, and an error object could not be made either.
const REPORTED_MIN: usize = 64 << 10;

#[cfg(feature = "faults")]
use crate::failing::fails;

/// Allocations fail on demand in tests only.
#[cfg(not(feature = "faults"))]
#[inline]
const fn fails(_: usize) -> bool {
    false
}

/// Handles the failure of an allocation of this size; see [`REPORTED_MIN`].
#[cold]
fn refused(size: usize) -> *mut c_void {
    if size < REPORTED_MIN
        && let Ok(layout) = Layout::from_size_align(size, align_of::<u128>())
    {
        handle_alloc_error(layout);
    }
    ptr::null_mut()
}

fn allocator<'a>(opaque: *mut c_void) -> &'a Allocator {
    // SAFETY: E14; the engine passes the pointer that `Heap::new` gave it.
    unsafe { &*opaque.cast::<Allocator>() }
}

unsafe extern "C" fn calloc(opaque: *mut c_void, count: q::size_t, size: q::size_t) -> *mut c_void {
    let (count, size) = (crate::size(count), crate::size(size));
    let total = count.saturating_mul(size);
    allocator(opaque).count(total);
    if fails(total) {
        return refused(total);
    }
    if let Some(address) = allocator(opaque).large.allocate(total) {
        return ptr::with_exposed_provenance_mut(address);
    }
    if allocator(opaque).large.is_beyond(total) {
        return refused(total);
    }
    // SAFETY: E14; any numbers are allowed.
    let block = unsafe { libc::calloc(count, size) };
    if block.is_null() {
        refused(total)
    } else {
        block
    }
}

/// The engine allocates an arena only when all of that size are full. Its lists of blocks are
/// consistent then, so blocks may be allocated from here.
unsafe extern "C" fn malloc(opaque: *mut c_void, size: q::size_t) -> *mut c_void {
    let size = crate::size(size);
    if fails(size) {
        return refused(size);
    }
    let allocator = allocator(opaque);
    allocator.count(size);
    #[cfg(test)]
    allocator.mallocs.set(allocator.mallocs.get() + 1);
    if ARENA_SIZES.contains(&size) {
        allocator.keep_arenas_if_due();
    }
    // SAFETY: E14; any number is allowed.
    let block = unsafe { libc::malloc(size) };
    if block.is_null() {
        refused(size)
    } else {
        block
    }
}

unsafe extern "C" fn realloc(
    opaque: *mut c_void,
    block: *mut c_void,
    size: q::size_t,
) -> *mut c_void {
    let size = crate::size(size);
    let before = usable(opaque, block);
    if size > before && fails(size) {
        return refused(size);
    }
    allocator(opaque).count(size.saturating_sub(before));
    if allocator(opaque).large.contains(block.addr()) {
        // SAFETY: E14; the engine gives the block, of this size, up if this succeeds.
        return unsafe { move_large(opaque, block, before, size) };
    }
    // SAFETY: E14; the engine gives the block up if this succeeds.
    let moved = unsafe { libc::realloc(block, size) };
    if moved.is_null() && size > 0 {
        return refused(size);
    }
    moved
}

/// Resizes a block in shared memory, which may move to the C library's heap if it becomes small.
unsafe fn move_large(
    opaque: *mut c_void,
    block: *mut c_void,
    before: usize,
    size: usize,
) -> *mut c_void {
    let large = &allocator(opaque).large;
    if size <= before && large.is_large(size) {
        return block;
    }
    let moved = match large.allocate(size) {
        Some(address) => ptr::with_exposed_provenance_mut(address),
        None if large.is_beyond(size) => return refused(size),
        // SAFETY: E14; any number is allowed.
        None => unsafe { libc::malloc(size) },
    };
    if moved.is_null() {
        return refused(size);
    }
    // SAFETY: E14; both have that many bytes, and are different blocks.
    unsafe { block.copy_to_nonoverlapping(moved, before.min(size)) };
    large.free(block.addr());
    moved
}

unsafe extern "C" fn free(opaque: *mut c_void, block: *mut c_void) {
    let large = &allocator(opaque).large;
    if large.contains(block.addr()) {
        large.free(block.addr());
        return;
    }
    // SAFETY: E14; null has the size 0.
    if ARENA_SIZES.contains(&unsafe { libc::malloc_usable_size(block) }) {
        let freed = &allocator(opaque).freed_arenas;
        freed.set(freed.get().saturating_add(1));
    }
    // SAFETY: E14; the engine gives the block up.
    unsafe { libc::free(block) };
}

unsafe extern "C" fn usable_size(block: *const c_void) -> q::size_t {
    // The engine passes no pointer to the allocator here.
    usable(CURRENT.get(), block.cast_mut()) as q::size_t
}

/// How many bytes a block has; 0 for null.
fn usable(opaque: *mut c_void, block: *mut c_void) -> usize {
    // Null without an engine: nothing lies in shared memory then.
    if !opaque.is_null() && allocator(opaque).large.contains(block.addr()) {
        return allocator(opaque).large.size(block.addr());
    }
    // SAFETY: E14; null has the size 0.
    unsafe { libc::malloc_usable_size(block) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Context {
        ctx: *mut q::JSContext,
        heap: Heap,
    }

    impl Context {
        fn new() -> Context {
            let heap = Heap::new().unwrap();
            // SAFETY: E1; just made.
            let ctx = unsafe { q::JS_NewContext(heap.rt) };
            Context { ctx, heap }
        }

        fn objects(&self, count: usize) -> Vec<q::JSValue> {
            (0..count)
                // SAFETY: E1, E3; the engine gives the result to us.
                .map(|_| unsafe { q::JS_NewObject(self.ctx) })
                .collect()
        }

        fn free(&self, objects: Vec<q::JSValue>) {
            for object in objects {
                // SAFETY: E2; the one count that we own.
                unsafe { q::JS_FreeValueRT(self.heap.rt, object) };
            }
        }

        /// How often the engine calls `malloc` while `count` objects are made and freed in each of
        /// some rounds.
        fn mallocs(&self, count: usize, rounds: usize) -> u32 {
            let before = self.heap.allocator().mallocs.get();
            for _ in 0..rounds {
                self.free(self.objects(count));
            }
            self.heap.allocator().mallocs.get() - before
        }
    }

    impl Drop for Context {
        fn drop(&mut self) {
            // SAFETY: E1; nothing refers to it.
            unsafe { q::JS_FreeContext(self.ctx) };
        }
    }

    #[test]
    fn objects_made_again_and_again_need_no_malloc() {
        let engine = Context::new();
        assert!(
            engine.mallocs(100, 20) > 0,
            "the engine itself keeps arenas"
        );
        assert_eq!(engine.mallocs(100, 20), 0);
    }

    #[test]
    fn no_arenas_are_kept_while_the_engine_is_being_made() {
        let allocator = Allocator::new();
        allocator.freed_arenas.set(u32::MAX);
        allocator.keep_arenas_if_due();
        assert_eq!(allocator.freed_arenas.get(), u32::MAX);
    }

    #[test]
    fn more_arenas_are_kept_when_objects_that_stay_fill_the_first() {
        let engine = Context::new();
        engine.mallocs(100, 20);
        let stays = engine.objects(1_000);
        engine.mallocs(100, 40);
        assert_eq!(engine.mallocs(100, 20), 0);
        engine.free(stays);
    }

    #[test]
    fn a_heap_that_grows_and_shrinks_keeps_less_than_a_mebibyte() {
        let engine = Context::new();
        for _ in 0..200 {
            engine.free(engine.objects(20_000));
        }
        // SAFETY: E1; plain integers, for which zero is valid.
        let mut usage: q::JSMemoryUsage = unsafe { std::mem::zeroed() };
        // SAFETY: E1; the out-pointer lives on our stack.
        unsafe { q::JS_ComputeMemoryUsage(engine.heap.rt, &raw mut usage) };
        assert!(usage.malloc_size < 1 << 20, "{}", usage.malloc_size);
        assert!(engine.mallocs(1_000, 20) < 20);
    }
}
