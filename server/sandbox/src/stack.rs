//! The size of the main thread's stack.

use std::fs;
use std::io;

use rustix::process::{self, Resource};

use crate::StepError;

const STEP: &str = "stack_bytes";
const MAPS: &str = "/proc/self/maps";
/// The limit that is assumed for an unlimited stack, in bytes: the kernel leaves at least as much
/// address space below it.
const UNLIMITED: usize = 128 << 20;

/// Returns how much stack is left below the caller, in bytes; must be called on the main thread.
///
/// The kernel grows the stack up to the limit in force. Arguments and environment lie on the same
/// stack, so the part in use is measured.
pub fn stack_bytes() -> Result<usize, StepError> {
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
    Ok(limit.saturating_sub(high - here))
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
    use super::{stack_bytes, stack_range};

    #[test]
    fn stack_range_reads_the_labelled_line_only() {
        let maps = "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/x\n\
                    7ffc0000-7ffe1000 rw-p 00000000 00:00 0          [stack]\n";
        assert_eq!(stack_range(maps), Some((0x7ffc_0000, 0x7ffe_1000)));
        assert_eq!(stack_range("00400000-00452000 r-xp 0 08:02 1 /x\n"), None);
        assert_eq!(stack_range("nonsense [stack]"), None);
    }

    #[test]
    fn stack_bytes_on_another_thread_is_an_error() {
        // The test harness runs each test in a thread of its own.
        let error = stack_bytes().expect_err("tests do not run on the main thread");
        assert!(error.to_string().contains("/proc/self/maps"), "{error}");
    }
}
