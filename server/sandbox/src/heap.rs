//! How the C library's allocator treats what is freed.

use crate::SingleThreaded;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
/// The largest block that comes from the heap rather than from a mapping of its own, in bytes.
const LARGEST_IN_HEAP: i32 = 8 << 20;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
/// How much free memory at the heap's end is kept, in bytes.
const KEPT: i32 = 16 << 20;

/// Has the allocator keep up to 16 MiB of freed memory for the next allocation.
///
/// By default it gives 128 KiB at the end of the heap back to the system, and every buffer from
/// that size on has a mapping of its own: a host that takes in one buffer after another would have
/// the kernel clear the same pages again and again, which costs many times the copying.
/// Allocators that know no such settings are left as they are.
pub fn keep_freed_memory(_alone: &SingleThreaded) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (setting, value) in [
        (libc::M_MMAP_THRESHOLD, LARGEST_IN_HEAP),
        (libc::M_TRIM_THRESHOLD, KEPT),
    ] {
        // SAFETY: C3; two numbers go in, and no other thread allocates (C2) while they change.
        unsafe { libc::mallopt(setting, value) };
    }
}
