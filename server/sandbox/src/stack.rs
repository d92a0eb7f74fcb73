//! The size of the main thread's stack.

use std::fs;
use std::io;

use rustix::process::{self, Resource};

use crate::StepError;

const STEP: &str = "main_stack";
const MAPS: &str = "/proc/self/maps";
/// The limit that is assumed for an unlimited stack, in bytes: the kernel leaves at least as much
/// address space below it.
const UNLIMITED: usize = 128 << 20;

/// The main thread's stack: its limit, and how much of it was in use at the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainStack {
    /// Its limit in bytes, arguments and environment included.
    pub limit: usize,
    /// The bytes in use at the call.
    pub used: usize,
}

impl MainStack {
    /// Returns the bytes that were left below the caller.
    pub fn left(self) -> usize {
        self.limit.saturating_sub(self.used)
    }
}

/// Measures the main thread's stack; must be called on the main thread.
///
/// The kernel grows the stack up to the limit in force. Arguments and environment lie on the same
/// stack, so the part in use is measured.
pub fn main_stack() -> Result<MainStack, StepError> {
    let failed = StepError::proc(STEP, MAPS);
    let limit = process::getrlimit(Resource::Stack)
        .current
        .map_or(UNLIMITED, |bytes| {
            usize::try_from(bytes).unwrap_or(UNLIMITED).min(UNLIMITED)
        });
    let maps = fs::read_to_string(MAPS).map_err(failed)?;
    let (low, high) = stack_range(&maps)
        .ok_or_else(|| failed(io::Error::other("no line for the main thread's stack")))?;
    let here = (&raw const limit).addr();
    if !(low..high).contains(&here) {
        return Err(failed(io::Error::other(
            "the calling thread is not the main thread",
        )));
    }
    Ok(MainStack {
        limit,
        used: high - here,
    })
}

/// Returns how much stack is left below the caller on the main thread, in bytes.
pub fn stack_bytes() -> Result<usize, StepError> {
    main_stack().map(MainStack::left)
}

/// Finds the address range of the line that the kernel labels `[stack]`.
fn stack_range(maps: &str) -> Option<(usize, usize)> {
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (low, high) = line.split_once(' ')?.0.split_once('-')?;
    Some((
        usize::from_str_radix(low, 16).ok()?,
        usize::from_str_radix(high, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::{main_stack, stack_range};

    #[test]
    fn stack_range_reads_the_labelled_line_only() {
        let maps = "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/x\n\
                    7ffc0000-7ffe1000 rw-p 00000000 00:00 0          [stack]\n";
        assert_eq!(stack_range(maps), Some((0x7ffc_0000, 0x7ffe_1000)));
        assert_eq!(stack_range("00400000-00452000 r-xp 0 08:02 1 /x\n"), None);
        assert_eq!(stack_range("nonsense [stack]"), None);
    }

    #[test]
    fn main_stack_on_another_thread_is_an_error() {
        // The test harness runs each test in a thread of its own.
        let error = main_stack().expect_err("tests do not run on the main thread");
        assert!(error.to_string().contains("/proc/self/maps"), "{error}");
    }
}
