//! What a server reports of a host that it has started, on the status pipe of the client.
//!
//! `process u32` at the start, and at the end `signal u32 | code u32`, one of them zero, `user u64 |
//! system u64`, the processor time in microseconds, and `peak u64`, the most bytes of memory at a time,
//! zero if that is not known. Little endian. No I/O here.

use std::time::Duration;

/// Bytes of the process id.
pub const PROCESS_BYTES: usize = 4;
/// Bytes of a [`ProcessExit`].
pub const EXIT_BYTES: usize = 32;

/// How a process ended, and what it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessExit {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The most memory it had at a time, in bytes, if known.
    pub peak_memory: Option<u64>,
}

impl ProcessExit {
    /// The record as it travels.
    pub fn encode(&self) -> [u8; EXIT_BYTES] {
        let time = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut bytes = [0; EXIT_BYTES];
        bytes[..4].copy_from_slice(&self.signal.unwrap_or(0).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.exit_code.unwrap_or(0).to_le_bytes());
        bytes[8..16].copy_from_slice(&time(self.user).to_le_bytes());
        bytes[16..24].copy_from_slice(&time(self.system).to_le_bytes());
        bytes[24..].copy_from_slice(&self.peak_memory.unwrap_or(0).to_le_bytes());
        bytes
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8; EXIT_BYTES]) -> Self {
        let word = |index: usize| i32::from_le_bytes(bytes.as_chunks().0[index]);
        let long = |index: usize| u64::from_le_bytes(bytes.as_chunks().0[index]);
        let signal = word(0);
        Self {
            signal: (signal != 0).then_some(signal),
            exit_code: (signal == 0).then(|| word(1)),
            user: Duration::from_micros(long(1)),
            system: Duration::from_micros(long(2)),
            peak_memory: Some(long(3)).filter(|peak| *peak != 0),
        }
    }
}
