//! The mapped memory of a segment and the only ways to access it.

#[cfg(loom)]
pub(crate) use model::{Area, Bytes};
#[cfg(not(loom))]
pub(crate) use real::{Area, Bytes};

#[cfg(not(loom))]
mod real {
    #![expect(
        unsafe_code,
        reason = "access to mapped memory: see the invariants in lib.rs"
    )]

    use std::marker::PhantomData;
    use std::mem::MaybeUninit;
    use std::ptr::NonNull;

    use crate::lane::{Direction, LaneNumber, RING_CAPACITY};
    use crate::layout::{CONTROL_OFFSET, DATA_OFFSET, Header, LaneControl};

    /// A mapped segment. Unmapped when dropped.
    #[derive(Debug)]
    pub(crate) struct Area {
        base: NonNull<u8>,
    }

    // SAFETY: W, R; all access is through atomics or raw copies, which any thread may make.
    unsafe impl Send for Area {}
    // SAFETY: W, R; the same holds for several threads at once.
    unsafe impl Sync for Area {}

    impl Area {
        /// # Safety
        ///
        /// `base` is a mapping as invariant M says, which only this area unmaps.
        pub(crate) unsafe fn from_mapping(base: NonNull<u8>) -> Self {
            Self { base }
        }

        pub(crate) fn base(&self) -> NonNull<u8> {
            self.base
        }

        #[inline]
        pub(crate) fn header(&self) -> &Header {
            // SAFETY: M, W; the header is at offset zero.
            unsafe { self.base.cast::<Header>().as_ref() }
        }

        #[inline]
        pub(crate) fn lane(&self, lane: LaneNumber) -> &LaneControl {
            let offset = CONTROL_OFFSET + lane.get() * size_of::<LaneControl>();
            // SAFETY: M; a lane's number is below LANES, so the offset is inside the mapping.
            let control = unsafe { self.base.add(offset) }.cast::<LaneControl>();
            // SAFETY: M, W; the control words of a lane are at that offset.
            unsafe { control.as_ref() }
        }

        #[inline]
        pub(crate) fn bytes(&self, lane: LaneNumber, direction: Direction) -> Bytes<'_> {
            let ring = lane.get() * 2 + direction as usize;
            // SAFETY: M; the ring's number is below 2 * LANES, so its bytes are inside the mapping.
            let base = unsafe { self.base.add(DATA_OFFSET + ring * RING_CAPACITY) };
            Bytes {
                base,
                area: PhantomData,
            }
        }
    }

    impl Drop for Area {
        fn drop(&mut self) {
            // SAFETY: M; the mapping is this long and ours, and its last user drops it.
            let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), crate::SEGMENT_LEN) };
        }
    }

    /// The bytes of one ring: `RING_CAPACITY` of them from `base` on.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Bytes<'a> {
        base: NonNull<u8>,
        area: PhantomData<&'a Area>,
    }

    impl Bytes<'_> {
        /// Copies `source`, at most a ring full, to the ring from `index` on.
        #[inline]
        pub(crate) fn put(&self, index: u32, source: &[u8]) -> usize {
            let (offset, first, second) = split(index, source.len());
            let from = source.as_ptr();
            // SAFETY: M, R; `offset` is inside the ring, which the copy goes to.
            let to = unsafe { self.base.as_ptr().add(offset) };
            // SAFETY: R; `first` bytes are inside the source and, from `offset` on, inside the ring.
            unsafe { to.copy_from_nonoverlapping(from, first) };
            if second > 0 {
                // SAFETY: R; `first` is at most the source's length.
                let from = unsafe { from.add(first) };
                // SAFETY: R; `second` bytes are left in the source and are fewer than a ring has.
                unsafe { self.base.as_ptr().copy_from_nonoverlapping(from, second) };
            }
            first + second
        }

        /// Has the processor fetch the line at `index`, and the next one if a short frame there reaches
        /// into it: called while the reader finds its ring empty, so that the bytes arrive with the
        /// index and not after it.
        #[inline]
        pub(crate) fn prefetch(&self, index: u32) {
            #[cfg(target_arch = "x86_64")]
            for ahead in [0, LINE - 1] {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                let (offset, _, _) = split(index.wrapping_add(ahead), 1);
                // SAFETY: M; `offset` is inside the ring, so the line is inside the mapping.
                let line = unsafe { self.base.add(offset) };
                // SAFETY: M; a prefetch reads nothing, and the line is mapped.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = index;
        }

        /// Copies from the ring, from `index` on, at most a ring full, and initialises as much of
        /// `target` as it returns.
        #[inline]
        pub(crate) fn take(&self, index: u32, target: &mut [MaybeUninit<u8>]) -> usize {
            let (offset, first, second) = split(index, target.len());
            let to = target.as_mut_ptr().cast::<u8>();
            // SAFETY: M, R; `offset` is inside the ring, which the copy comes from.
            let from = unsafe { self.base.as_ptr().add(offset) };
            // SAFETY: R, U; `first` bytes are inside the target and, from `offset` on, inside the ring.
            unsafe { to.copy_from_nonoverlapping(from, first) };
            if second > 0 {
                // SAFETY: U; `first` is at most the target's length.
                let to = unsafe { to.add(first) };
                // SAFETY: R, U; `second` bytes are left in the target and are fewer than a ring has.
                unsafe { to.copy_from_nonoverlapping(self.base.as_ptr(), second) };
            }
            forget_origin(to);
            first + second
        }
    }

    /// Bytes of a cache line.
    #[cfg(target_arch = "x86_64")]
    const LINE: u32 = 64;

    /// Where in the ring `index` is, and how many of `len` bytes go there and to the ring's start.
    #[inline]
    fn split(index: u32, len: usize) -> (usize, usize, usize) {
        let offset = index as usize & (RING_CAPACITY - 1);
        let len = len.min(RING_CAPACITY);
        let first = len.min(RING_CAPACITY - offset);
        (offset, first, len - first)
    }

    /// Makes the compiler forget where the bytes at `copy` came from, so that it can't read them
    /// again from the ring, where they may have changed since they were checked (invariant R).
    #[inline]
    fn forget_origin(copy: *mut u8) {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        // SAFETY: R; no instruction at all. To the compiler, this may write all reachable memory, the
        // copy included.
        unsafe {
            std::arch::asm!("/* {0} */", in(reg) copy, options(nostack, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        std::hint::black_box(copy);
    }
}

#[cfg(loom)]
mod model {
    #![expect(
        unsafe_code,
        reason = "loom's cells are read and written through raw pointers"
    )]

    use std::mem::MaybeUninit;

    use loom::cell::UnsafeCell;

    use crate::lane::{Direction, LANES, LaneNumber, RING_CAPACITY};
    use crate::layout::{Header, LaneControl};

    type Ring = [UnsafeCell<u8>; RING_CAPACITY];

    /// A segment of the model, on the heap.
    #[derive(Debug, Default)]
    pub(crate) struct Area {
        header: Header,
        lanes: [LaneControl; LANES],
        rings: [[Ring; 2]; LANES],
    }

    // SAFETY: R; the indices guard the ring bytes, and loom checks that they do.
    unsafe impl Sync for Area {}

    impl Area {
        pub(crate) fn header(&self) -> &Header {
            &self.header
        }

        pub(crate) fn lane(&self, lane: LaneNumber) -> &LaneControl {
            &self.lanes[lane.get()]
        }

        pub(crate) fn bytes(&self, lane: LaneNumber, direction: Direction) -> Bytes<'_> {
            Bytes {
                ring: &self.rings[lane.get()][direction as usize],
            }
        }
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Bytes<'a> {
        ring: &'a Ring,
    }

    impl Bytes<'_> {
        fn cell(&self, index: u32, step: usize) -> &UnsafeCell<u8> {
            &self.ring[(index as usize + step) & (RING_CAPACITY - 1)]
        }

        pub(crate) fn put(&self, index: u32, source: &[u8]) -> usize {
            for (step, &byte) in source.iter().enumerate() {
                // SAFETY: R; loom fails the test if another thread has access now.
                self.cell(index, step)
                    .with_mut(|cell| unsafe { cell.write(byte) });
            }
            source.len()
        }

        #[expect(clippy::unused_self, reason = "the model has no cache")]
        pub(crate) fn prefetch(&self, _: u32) {}

        pub(crate) fn take(&self, index: u32, target: &mut [MaybeUninit<u8>]) -> usize {
            for (step, byte) in target.iter_mut().enumerate() {
                // SAFETY: R; loom fails the test if another thread writes now.
                byte.write(self.cell(index, step).with(|cell| unsafe { cell.read() }));
            }
            target.len()
        }
    }
}
