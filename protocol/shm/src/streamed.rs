//! Copies past the caches, for ranges that the caches do not hold: a store to memory that another CPU has
//! used last fetches it from there first, and one past the caches does not.

#![expect(
    unsafe_code,
    reason = "access to mapped memory: see the invariants in lib.rs"
)]

/// Ranges of at least so many bytes are copied this way. The caches hold less; what they hold is read from
/// there by the process that it is for: the blake3 hash of 10 MB that lie in memory only takes 15 % longer.
pub(crate) const STREAMED_MIN: usize = 32 << 20;

/// Copies `source` to `target`.
///
/// # Safety
///
/// S: the target is mapped, and as long as the source, which is private memory.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy_streamed(source: &[u8], target: *mut u8) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};

    const WORD: usize = size_of::<__m128i>();
    const LINE: usize = 4 * WORD;

    let ahead = target.align_offset(WORD).min(source.len());
    let (head, body) = source.split_at(ahead);
    let (lines, tail) = body.as_chunks::<LINE>();
    // SAFETY: S; the beginning of the range.
    unsafe { target.copy_from_nonoverlapping(head.as_ptr(), head.len()) };
    // SAFETY: S; at most the end of the range.
    let mut at = unsafe { target.add(ahead) };
    for line in lines {
        for word in line.as_chunks::<WORD>().0 {
            // SAFETY: these bytes are there; they need not be aligned.
            let value = unsafe { _mm_loadu_si128(word.as_ptr().cast()) };
            // SAFETY: S; the word is inside the range and aligned, since `at` began so.
            unsafe { _mm_stream_si128(at.cast(), value) };
            // SAFETY: S; at most the end of the range.
            at = unsafe { at.add(WORD) };
        }
    }
    // SAFETY: S; the end of the range.
    unsafe { at.copy_from_nonoverlapping(tail.as_ptr(), tail.len()) };
    // What tells the other process of these bytes is an ordinary store, which must come after them.
    // SAFETY: every x86-64 processor has this instruction.
    unsafe { _mm_sfence() };
}

/// Copies `source` to `target`.
///
/// # Safety
///
/// S: the target is mapped, and as long as the source, which is private memory.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy_streamed(source: &[u8], target: *mut u8) {
    // SAFETY: S.
    unsafe { target.copy_from_nonoverlapping(source.as_ptr(), source.len()) };
}
