//! Room that the engine keeps for what comes and goes.
//!
//! The engine takes small blocks from arenas of one size each, 4 KiB large. It gives an arena back
//! with its last block, and makes one anew, block by block, for the next: an addon that makes some
//! values in a scope, and again in the next scope, would pay for arenas each time. An arena in which
//! one block stays is kept.

use std::ffi::c_void;

use rquickjs_sys as q;

/// The sizes of blocks that objects, strings, buffers and their parts have, heads included.
const SIZES: std::ops::RangeInclusive<usize> = 24..=96;
/// The arenas' sizes differ by this.
const STEP: usize = 8;
/// What of a block is the engine's own.
const HEAD: usize = 8;
/// So many blocks of each size come and go freely.
const ROOM: usize = 128;
/// One of so many stays: fewer than an arena holds of any of the sizes.
const STAYS: usize = 32;

/// Makes the room. Less of it, for want of memory, is no harm.
pub(crate) fn provide(rt: *mut q::JSRuntime) {
    for size in SIZES.step_by(STEP) {
        let blocks: Vec<*mut c_void> = (0..ROOM)
            // SAFETY: E1; the engine answers a block or null.
            .map(|_| unsafe { q::js_malloc_rt(rt, (size - HEAD) as q::size_t) })
            .collect();
        for (index, block) in blocks.into_iter().enumerate() {
            if index % STAYS != 0 && index + 1 != ROOM {
                // SAFETY: E1; the block is ours, and null is ignored.
                unsafe { q::js_free_rt(rt, block) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ptr;

    use super::*;

    thread_local! {
        /// How often the engine asked the system for memory.
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    fn bytes(size: q::size_t) -> usize {
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    unsafe extern "C" fn calloc(_: *mut c_void, count: q::size_t, size: q::size_t) -> *mut c_void {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: passed on.
        unsafe { libc::calloc(bytes(count), bytes(size)) }
    }

    unsafe extern "C" fn malloc(_: *mut c_void, size: q::size_t) -> *mut c_void {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: passed on.
        unsafe { libc::malloc(bytes(size)) }
    }

    unsafe extern "C" fn realloc(
        _: *mut c_void,
        block: *mut c_void,
        size: q::size_t,
    ) -> *mut c_void {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: passed on.
        unsafe { libc::realloc(block, bytes(size)) }
    }

    unsafe extern "C" fn free(_: *mut c_void, block: *mut c_void) {
        // SAFETY: passed on.
        unsafe { libc::free(block) };
    }

    /// How often the engine asks the system while a hundred objects are made and freed, again and
    /// again.
    fn asked(with_room: bool) -> usize {
        let functions = q::JSMallocFunctions {
            js_calloc: Some(calloc),
            js_malloc: Some(malloc),
            js_free: Some(free),
            js_realloc: Some(realloc),
            js_malloc_usable_size: None,
        };
        // SAFETY: E1; the engine copies the structure.
        let rt = unsafe { q::JS_NewRuntime2(&raw const functions, ptr::null_mut()) };
        // SAFETY: E1; just made.
        let ctx = unsafe { q::JS_NewContext(rt) };
        if with_room {
            provide(rt);
        }
        let rounds = |count: usize| {
            for _ in 0..count {
                // SAFETY: E1, E3.
                let objects = [(); 100].map(|()| unsafe { q::JS_NewObject(ctx) });
                for object in objects {
                    // SAFETY: E2; the one count that we own.
                    unsafe { q::JS_FreeValueRT(rt, object) };
                }
            }
        };
        rounds(1);
        ASKED.set(0);
        rounds(10);
        let asked = ASKED.get();
        // SAFETY: E1; nothing refers to it.
        unsafe { q::JS_FreeContext(ctx) };
        // SAFETY: E1; nothing refers to it.
        unsafe { q::JS_FreeRuntime(rt) };
        asked
    }

    #[test]
    fn what_comes_and_goes_asks_the_system_for_nothing() {
        assert_eq!(asked(true), 0);
        assert!(asked(false) > 0, "the engine keeps room of itself");
    }
}
