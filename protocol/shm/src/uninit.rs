//! Private memory that a ring is read into before it has been initialised.

#![expect(
    unsafe_code,
    reason = "memory that the reader initialises: see the invariants in lib.rs"
)]

use std::mem::MaybeUninit;

use crate::error::Violation;

/// A slice whose bytes are initialised already.
pub(crate) fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, len) = (bytes.as_mut_ptr().cast(), bytes.len());
    // SAFETY: U; same memory, length and lifetime, and readers write initialised bytes only.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}

/// Appends to `target` what `read` reads into at most `limit` bytes of its spare capacity.
pub(crate) fn append(
    target: &mut Vec<u8>,
    limit: usize,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<usize, Violation>,
) -> Result<usize, Violation> {
    target.reserve(limit);
    let free = &mut target.spare_capacity_mut()[..limit];
    let read = read(free)?.min(limit);
    let len = target.len() + read;
    // SAFETY: U; the reader has initialised `read` bytes after the old length, inside the capacity.
    unsafe { target.set_len(len) };
    Ok(read)
}
