//! The engine's memory: small blocks come from free lists, for objects live short and die one by one.
//!
//! A block is a header and the bytes behind it. Small ones are cut from chunks and, once freed, kept
//! in a list of their size, without limit; larger ones are the system's. Nothing is shared between
//! threads: an engine's memory is used on its thread only (E1).
//!
//! Debug builds use the system's allocator for every block, so that memory checkers see each one.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::ffi::c_void;
use std::ptr;

use rquickjs_sys as q;

/// In front of every block; as large as the alignment that blocks must have.
#[repr(C, align(16))]
struct Header {
    /// How many bytes are behind it.
    size: usize,
}

const HEADER: usize = size_of::<Header>();
const ALIGN: usize = align_of::<Header>();
/// The largest small block.
const SMALL: usize = 512;
const CLASSES: usize = SMALL / ALIGN;
/// What small blocks are cut from.
const CHUNK: usize = 64 << 10;

/// The memory of one engine.
struct Memory {
    /// The first free block of each size; its first word leads to the next.
    free: [*mut u8; CLASSES],
    rest: *mut u8,
    left: usize,
}

/// Makes a runtime with a memory of its own, which lives as long as the process.
pub(crate) fn new_runtime() -> *mut q::JSRuntime {
    if cfg!(debug_assertions) {
        // SAFETY: E1; a plain constructor.
        return unsafe { q::JS_NewRuntime() };
    }
    let functions = q::JSMallocFunctions {
        js_calloc: Some(calloc),
        js_malloc: Some(malloc),
        js_free: Some(free),
        js_realloc: Some(resize),
        js_malloc_usable_size: Some(usable),
    };
    let memory = Box::into_raw(Box::new(Memory::new()));
    // SAFETY: E1; the functions obey the contract of their namesakes, the memory is never freed.
    unsafe { q::JS_NewRuntime2(&raw const functions, memory.cast()) }
}

/// Rounds a size up to what blocks come in.
#[inline]
fn round(size: usize) -> Option<usize> {
    Some(size.max(1).checked_add(ALIGN - 1)? & !(ALIGN - 1))
}

/// The layout of a large block of that rounded size.
#[inline]
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEADER)?, ALIGN).ok()
}

/// Writes the header of a new block and gives the place behind it; nothing for no block.
///
/// # Safety
///
/// `block` is NULL or has room for the header and `size` bytes.
#[inline]
unsafe fn finish(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    // SAFETY: the caller's block has room for a header and is aligned for one.
    unsafe { block.cast::<Header>().write(Header { size }) };
    // SAFETY: the block goes on behind the header.
    unsafe { block.add(HEADER) }
}

/// How many bytes a block has.
///
/// # Safety
///
/// `data` came from [`finish`].
#[inline]
unsafe fn size_of_block(data: *const u8) -> usize {
    // SAFETY: a header is in front of the data of every block.
    let header = unsafe { data.sub(HEADER) }.cast::<Header>();
    // SAFETY: as above; nobody writes to a header but `finish`.
    unsafe { (*header).size }
}

impl Memory {
    fn new() -> Self {
        Self {
            free: [ptr::null_mut(); CLASSES],
            rest: ptr::null_mut(),
            left: 0,
        }
    }

    #[inline]
    fn take(&mut self, size: usize) -> *mut u8 {
        let Some(size) = round(size) else {
            return ptr::null_mut();
        };
        if size > SMALL {
            return large(size, alloc);
        }
        let class = size / ALIGN - 1;
        let Some(first) = self.free.get_mut(class) else {
            return ptr::null_mut();
        };
        if first.is_null() {
            return self.cut(size);
        }
        let data = *first;
        // SAFETY: a block in a free list is nobody's, and its first word leads to the next.
        *first = unsafe { data.cast::<*mut u8>().read() };
        data
    }

    #[cold]
    fn cut(&mut self, size: usize) -> *mut u8 {
        let whole = HEADER + size;
        if self.left < whole {
            let Ok(layout) = Layout::from_size_align(CHUNK, ALIGN) else {
                return ptr::null_mut();
            };
            // SAFETY: the layout is not empty.
            let chunk = unsafe { alloc(layout) };
            if chunk.is_null() {
                return chunk;
            }
            self.rest = chunk;
            self.left = CHUNK;
        }
        let block = self.rest;
        // SAFETY: `left` bytes are there, and `whole` is no more.
        self.rest = unsafe { block.add(whole) };
        self.left -= whole;
        // SAFETY: the block was just cut, with `whole` bytes; chunk and sizes are aligned.
        unsafe { finish(block, size) }
    }

    /// # Safety
    ///
    /// `data` is a block of this memory, and nobody uses it any more.
    #[inline]
    unsafe fn give(&mut self, data: *mut u8) {
        // SAFETY: the caller's block is one.
        let size = unsafe { size_of_block(data) };
        if let Some(first) = self.free.get_mut(size / ALIGN - 1) {
            // SAFETY: the block is nobody's and has room for a word.
            unsafe { data.cast::<*mut u8>().write(*first) };
            *first = data;
        } else if let Some(layout) = layout(size) {
            // SAFETY: a large block was allocated with this very layout, from its header on.
            unsafe { dealloc(data.sub(HEADER), layout) };
        }
    }
}

/// A block of the system's.
fn large(size: usize, make: unsafe fn(Layout) -> *mut u8) -> *mut u8 {
    let Some(layout) = layout(size) else {
        return ptr::null_mut();
    };
    // SAFETY: the layout has a header at least; it has room for that and the size.
    unsafe { finish(make(layout), size) }
}

unsafe extern "C" fn malloc(memory: *mut c_void, size: q::size_t) -> *mut c_void {
    // SAFETY: E1; the engine gives the memory that it was made with, and calls one at a time.
    let memory = unsafe { &mut *memory.cast::<Memory>() };
    memory.take(size as usize).cast()
}

unsafe extern "C" fn calloc(
    memory: *mut c_void,
    count: q::size_t,
    size: q::size_t,
) -> *mut c_void {
    let Some(size) = (count as usize).checked_mul(size as usize).and_then(round) else {
        return ptr::null_mut();
    };
    if size > SMALL {
        return large(size, alloc_zeroed).cast();
    }
    // SAFETY: E1; as in `malloc`.
    let data = unsafe { &mut *memory.cast::<Memory>() }.take(size);
    if !data.is_null() {
        // SAFETY: the block has that many bytes.
        unsafe { data.write_bytes(0, size) };
    }
    data.cast()
}

unsafe extern "C" fn free(memory: *mut c_void, data: *mut c_void) {
    if !data.is_null() {
        // SAFETY: E1; as in `malloc`. The engine frees what it was given, once.
        unsafe { (*memory.cast::<Memory>()).give(data.cast()) };
    }
}

unsafe extern "C" fn resize(
    memory: *mut c_void,
    data: *mut c_void,
    size: q::size_t,
) -> *mut c_void {
    let data = data.cast::<u8>();
    // SAFETY: E1; as in `malloc`.
    let memory = unsafe { &mut *memory.cast::<Memory>() };
    if data.is_null() {
        return memory.take(size as usize).cast();
    }
    if size == 0 {
        // SAFETY: the engine gives the block back.
        unsafe { memory.give(data) };
        return ptr::null_mut();
    }
    let Some(wanted) = round(size as usize) else {
        return ptr::null_mut();
    };
    // SAFETY: the engine's block is one of this memory.
    let have = unsafe { size_of_block(data) };
    if wanted == have {
        return data.cast();
    }
    if have > SMALL && wanted > SMALL {
        let (Some(layout), Some(whole)) = (layout(have), wanted.checked_add(HEADER)) else {
            return ptr::null_mut();
        };
        if isize::try_from(whole).is_err() {
            return ptr::null_mut();
        }
        // SAFETY: a large block was allocated with this layout, from its header on; the new size
        // is aligned and fits an isize.
        let block = unsafe { realloc(data.sub(HEADER), layout, whole) };
        // SAFETY: the block has room for header and size now, if there is one.
        return unsafe { finish(block, wanted) }.cast();
    }
    let moved = memory.take(wanted);
    if !moved.is_null() {
        // SAFETY: both blocks have that many bytes and are different.
        unsafe { ptr::copy_nonoverlapping(data, moved, have.min(wanted)) };
        // SAFETY: the engine uses the moved block from now on.
        unsafe { memory.give(data) };
    }
    moved.cast()
}

unsafe extern "C" fn usable(data: *const c_void) -> q::size_t {
    if data.is_null() {
        return 0;
    }
    // SAFETY: the engine asks about blocks of its memory only.
    unsafe { size_of_block(data.cast()) as q::size_t }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_what_is_in_them_through_every_change_of_size() {
        let mut memory = Memory::new();
        let opaque: *mut c_void = (&raw mut memory).cast();
        let sizes = [1, 16, 17, 500, 512, 513, 4000, 70_000, 600, 40, 8];
        // SAFETY: the functions are called as the engine calls them; blocks have the sizes asked for.
        unsafe {
            let mut data = malloc(opaque, 1).cast::<u8>();
            data.write(7);
            for size in sizes {
                data = resize(opaque, data.cast(), size).cast();
                assert_eq!(data.read(), 7, "{size}");
                assert!(usable(data.cast()) >= size);
                assert_eq!(data.addr() % ALIGN, 0);
                data.add(size as usize - 1).write(7);
                data.write(7);
            }
            free(opaque, data.cast());
        }
    }

    #[test]
    fn freed_blocks_are_used_again_and_zeroed_when_asked() {
        let mut memory = Memory::new();
        let opaque: *mut c_void = (&raw mut memory).cast();
        // SAFETY: as above.
        unsafe {
            let first = malloc(opaque, 40).cast::<u8>();
            first.write_bytes(0xff, 40);
            free(opaque, first.cast());
            let second = calloc(opaque, 4, 10).cast::<u8>();
            assert_eq!(first, second);
            assert!((0..40).all(|at| second.add(at).read() == 0));
            assert_ne!(malloc(opaque, 40).cast::<u8>(), second);
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let mut memory = Memory::new();
        let opaque: *mut c_void = (&raw mut memory).cast();
        // SAFETY: as above.
        unsafe {
            assert!(malloc(opaque, q::size_t::MAX).is_null());
            assert!(calloc(opaque, q::size_t::MAX, 2).is_null());
            assert!(malloc(opaque, isize::MAX as q::size_t).is_null());
        }
    }
}
