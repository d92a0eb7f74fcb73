//! Room that the engine keeps for what comes and goes.
//!
//! The engine takes small blocks from arenas of one size each, 4 KiB large. It gives an arena back
//! with its last block, and makes one anew, block by block, for the next: an addon that makes some
//! values in a scope, and again in the next scope, would pay for arenas each time. An arena in which
//! one block stays is kept.

use std::cell::Cell;
use std::ffi::c_void;
use std::ops::RangeInclusive;
use std::ptr;

use rquickjs_sys as q;

/// The sizes of blocks that objects, strings, buffers and their parts have, heads included.
const SIZES: RangeInclusive<usize> = 24..=96;
/// The arenas' sizes differ by this.
const STEP: usize = 8;
/// What of a block is the engine's own.
const HEAD: usize = 8;
/// Whatever the size of its blocks, an arena is this large.
const ARENA: RangeInclusive<usize> = 3_600..=4_096;
/// One block of so many stays: fewer than an arena holds of any of the sizes.
const STAYS: usize = 32;
/// So many blocks of each size come and go freely at first, and at most.
const FIRST_ROOM: usize = 128;
const LARGEST_ROOM: usize = 1_024;
/// After so many arenas were given back, room is kept for the first time.
const FIRST_DUE: u32 = 16;

/// What one engine has given back, and the room that it keeps.
pub(crate) struct Spare {
    rt: Cell<*mut q::JSRuntime>,
    /// How many arenas were given back since there was last made room, and at how many there is.
    given_back: Cell<u32>,
    due: Cell<u32>,
    /// For how many blocks of each size.
    room: Cell<usize>,
    /// How many bytes the engine asked for so far, arenas and large blocks.
    allocated: Cell<u64>,
    /// How often the engine asked the system for memory.
    #[cfg(test)]
    asked: Cell<u32>,
}

/// Makes an engine that keeps room for what comes and goes as soon as something does. Null if there
/// is no memory.
pub(crate) fn new_engine() -> (*mut q::JSRuntime, &'static Spare) {
    // As the engine itself, it lives as long as the process.
    let spare = Box::leak(Box::new(Spare::new()));
    (make(spare), spare)
}

fn make(spare: &'static Spare) -> *mut q::JSRuntime {
    let functions = q::JSMallocFunctions {
        js_calloc: Some(calloc),
        js_malloc: Some(malloc),
        js_free: Some(free),
        js_realloc: Some(realloc),
        js_malloc_usable_size: Some(usable_size),
    };
    let opaque = ptr::from_ref(spare).cast_mut().cast();
    // SAFETY: E1; the engine copies the structure, and `spare` stays.
    let rt = unsafe { q::JS_NewRuntime2(&raw const functions, opaque) };
    spare.rt.set(rt);
    rt
}

impl Spare {
    fn new() -> Spare {
        Spare {
            rt: Cell::new(ptr::null_mut()),
            given_back: Cell::new(0),
            due: Cell::new(FIRST_DUE),
            room: Cell::new(FIRST_ROOM),
            allocated: Cell::new(0),
            #[cfg(test)]
            asked: Cell::new(0),
        }
    }

    /// How many bytes the engine asked the system for so far.
    #[inline]
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated.get()
    }

    #[inline]
    fn count(&self, bytes: usize) {
        self.allocated
            .set(self.allocated.get().wrapping_add(bytes as u64));
    }

    /// Makes room if so many arenas were given back that some come and go. It is made more rarely
    /// each time: what stays for it is little even of an engine whose heap breathes all its life.
    #[cold]
    fn consider(&self) {
        // While the engine is being made, it is nobody to ask yet.
        if self.given_back.get() < self.due.get() || self.rt.get().is_null() {
            return;
        }
        self.given_back.set(0);
        self.due.set(self.due.get().saturating_mul(2));
        let room = self.room.get();
        self.room.set((room * 2).min(LARGEST_ROOM));
        provide(self.rt.get(), room);
    }
}

/// Takes so many blocks of each size and frees all but a few of them. Less of it, for want of memory,
/// is no harm.
fn provide(rt: *mut q::JSRuntime, room: usize) {
    for size in SIZES.step_by(STEP) {
        let blocks: Vec<*mut c_void> = (0..room)
            // SAFETY: E1; the engine answers a block or null.
            .map(|_| unsafe { q::js_malloc_rt(rt, (size - HEAD) as q::size_t) })
            .collect();
        for (index, block) in blocks.into_iter().enumerate() {
            if index % STAYS != 0 && index + 1 != room {
                // SAFETY: E1; the block is ours, and null is ignored.
                unsafe { q::js_free_rt(rt, block) };
            }
        }
    }
}

fn bytes(size: q::size_t) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn spare<'a>(opaque: *mut c_void) -> &'a Spare {
    // SAFETY: the engine passes on what `make` gave it.
    unsafe { &*opaque.cast::<Spare>() }
}

unsafe extern "C" fn calloc(opaque: *mut c_void, count: q::size_t, size: q::size_t) -> *mut c_void {
    spare(opaque).count(bytes(count).saturating_mul(bytes(size)));
    // SAFETY: passed on.
    unsafe { libc::calloc(bytes(count), bytes(size)) }
}

/// The engine asks for an arena when all of that size are full, and none is in its hands: what it
/// keeps of its blocks is whole, so it may be asked for blocks from here.
unsafe extern "C" fn malloc(opaque: *mut c_void, size: q::size_t) -> *mut c_void {
    let spare = spare(opaque);
    spare.count(bytes(size));
    #[cfg(test)]
    spare.asked.set(spare.asked.get() + 1);
    if ARENA.contains(&bytes(size)) {
        spare.consider();
    }
    // SAFETY: passed on.
    unsafe { libc::malloc(bytes(size)) }
}

unsafe extern "C" fn realloc(
    opaque: *mut c_void,
    block: *mut c_void,
    size: q::size_t,
) -> *mut c_void {
    // SAFETY: a block of `malloc`, or null, which has no size.
    let before = unsafe { libc::malloc_usable_size(block) };
    spare(opaque).count(bytes(size).saturating_sub(before));
    // SAFETY: passed on.
    unsafe { libc::realloc(block, bytes(size)) }
}

unsafe extern "C" fn free(opaque: *mut c_void, block: *mut c_void) {
    // SAFETY: a block of `malloc`, or null, which has no size.
    if ARENA.contains(&unsafe { libc::malloc_usable_size(block) }) {
        let given_back = &spare(opaque).given_back;
        given_back.set(given_back.get().saturating_add(1));
    }
    // SAFETY: passed on.
    unsafe { libc::free(block) };
}

unsafe extern "C" fn usable_size(block: *const c_void) -> q::size_t {
    // SAFETY: a block of `malloc`, or null, which has no size.
    unsafe { libc::malloc_usable_size(block.cast_mut()) as q::size_t }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Engine {
        spare: &'static Spare,
        ctx: *mut q::JSContext,
    }

    impl Engine {
        fn new() -> Engine {
            let spare: &'static Spare = Box::leak(Box::new(Spare::new()));
            let rt = make(spare);
            // SAFETY: E1; just made.
            let ctx = unsafe { q::JS_NewContext(rt) };
            Engine { spare, ctx }
        }

        fn objects(&self, count: usize) -> Vec<q::JSValue> {
            (0..count)
                // SAFETY: E1, E3.
                .map(|_| unsafe { q::JS_NewObject(self.ctx) })
                .collect()
        }

        fn free(&self, objects: Vec<q::JSValue>) {
            for object in objects {
                // SAFETY: E2; the one count that we own.
                unsafe { q::JS_FreeValueRT(self.spare.rt.get(), object) };
            }
        }

        /// How often the engine asks the system while so many objects are made and freed, again
        /// and again.
        fn asks(&self, count: usize, rounds: usize) -> u32 {
            let before = self.spare.asked.get();
            for _ in 0..rounds {
                self.free(self.objects(count));
            }
            self.spare.asked.get() - before
        }
    }

    impl Drop for Engine {
        fn drop(&mut self) {
            // SAFETY: E1; nothing refers to it.
            unsafe { q::JS_FreeContext(self.ctx) };
            // SAFETY: E1; nothing refers to it.
            unsafe { q::JS_FreeRuntime(self.spare.rt.get()) };
        }
    }

    #[test]
    fn what_comes_and_goes_asks_the_system_for_nothing() {
        let engine = Engine::new();
        assert!(engine.asks(100, 20) > 0, "the engine keeps room of itself");
        assert_eq!(engine.asks(100, 20), 0);
    }

    #[test]
    fn an_engine_that_is_being_made_is_asked_for_nothing() {
        let spare = Spare::new();
        spare.given_back.set(u32::MAX);
        spare.consider();
        assert_eq!(spare.given_back.get(), u32::MAX);
    }

    #[test]
    fn what_stays_may_fill_the_room() {
        let engine = Engine::new();
        engine.asks(100, 20);
        let stays = engine.objects(1_000);
        engine.asks(100, 40);
        assert_eq!(engine.asks(100, 20), 0);
        engine.free(stays);
    }

    #[test]
    fn a_heap_that_breathes_keeps_little() {
        let engine = Engine::new();
        for _ in 0..200 {
            engine.free(engine.objects(20_000));
        }
        // SAFETY: plain integers, for which zero is valid.
        let mut usage: q::JSMemoryUsage = unsafe { std::mem::zeroed() };
        // SAFETY: E1; the out-pointer lives on our stack.
        unsafe { q::JS_ComputeMemoryUsage(engine.spare.rt.get(), &raw mut usage) };
        assert!(usage.malloc_size < 1 << 20, "{}", usage.malloc_size);
        assert!(engine.asks(1_000, 20) < 20);
    }
}
