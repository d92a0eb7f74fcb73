//! How much freed memory the C library's allocator keeps.

use crate::SingleThreaded;

#[cfg(target_env = "gnu")]
/// The largest block that comes from the heap rather than from a mapping of its own, in bytes.
const HEAP_BLOCK_MAX: i32 = 8 << 20;
#[cfg(target_env = "gnu")]
/// The free memory at the end of the heap that is kept, in bytes.
const KEPT_MAX: i32 = 16 << 20;

/// Has the allocator keep up to 16 MiB of freed memory for the next allocation.
///
/// By default it returns more than 128 KiB at the end of the heap to the system, and maps each
/// buffer from that size on separately: for a host that receives one buffer after another the
/// kernel clears the same pages repeatedly, which takes many times as long as the copying. Does
/// nothing for allocators other than glibc's.
pub fn keep_freed_memory(_alone: &SingleThreaded) {
    #[cfg(target_env = "gnu")]
    for (setting, value) in [
        (libc::M_MMAP_THRESHOLD, HEAP_BLOCK_MAX),
        (libc::M_TRIM_THRESHOLD, KEPT_MAX),
    ] {
        // SAFETY: C3; two numbers go in, and no other thread allocates (C2) while they change.
        unsafe { libc::mallopt(setting, value) };
    }
}
