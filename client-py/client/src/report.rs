//! The exit report of a host process, and the last of its output.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cause::Cause;

/// Nothing is ever mapped below this address.
pub(crate) const NULL_END: u64 = 0x10000;

/// How a host process ended. The addon may have chosen any text in it: escape it before it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitReport {
    /// The generation of the host.
    pub generation: u32,
    /// Its process id.
    pub pid: u32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Why it ended.
    pub cause: Cause,
    /// The exported function that was running, if its caller had named it.
    pub export: Option<String>,
    /// The address whose access failed.
    pub address: Option<u64>,
    /// Whether the stack of the thread overflowed.
    pub overflowed: bool,
    /// The Node-API function that was running.
    pub node_api: Option<String>,
    /// The Node-API functions that it ran last, the latest last, if they were kept.
    pub node_api_calls: Option<Vec<String>>,
    /// The name of the thread that failed, if that is not the JS thread.
    pub thread: Option<String>,
    /// The system call that its seccomp filter ended it for.
    pub forbidden: Option<ForbiddenCall>,
    /// The stack of the thread that failed, innermost frame first.
    pub backtrace: Option<Vec<StackFrame>>,
    /// The registers of the thread that failed, by their names.
    pub registers: Option<Vec<(&'static str, u64)>>,
    /// The files of which code was mapped, by address.
    pub modules: Option<Vec<LoadedFile>>,
    /// The core file that it has left, at the place that the user has named.
    pub core_file: Option<PathBuf>,
    /// What confined it, as `mechanism=state`, in the order in which it was applied.
    pub confinement: Vec<String>,
    /// The last it wrote to its standard error, at most 64 KiB.
    pub stderr_tail: String,
    /// The last it wrote to its standard output, at most 64 KiB.
    pub stdout_tail: String,
    /// The resources that it used.
    pub usage: Option<Usage>,
    /// Whether it was told to end and confirmed that it does.
    pub expected: bool,
    /// The file of its record, if it was recorded.
    pub record: Option<PathBuf>,
    /// Whether it ran in this process, on a thread.
    pub in_process: bool,
    pub(crate) running: Running,
}

/// A system call that a seccomp filter ended a host for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenCall {
    /// Its name.
    pub name: String,
    /// The system call table of its number.
    pub table: &'static str,
    /// Its arguments, as numbers.
    pub arguments: [u64; 6],
    /// The path among them, where there is one.
    pub path: Option<String>,
}

/// The call that was running when a host crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Running {
    /// There is no record of it.
    #[default]
    Unknown,
    /// No call was running.
    Idle,
    /// The call of the thread that had leased this lane.
    Lane(u16),
}

/// One frame of the stack of a host that crashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackFrame {
    /// Its address in memory.
    pub address: u64,
    /// The name of the file that the code is from, if it is from one.
    pub module: Option<String>,
    /// The path of that file.
    pub path: Option<String>,
    /// The address in that file, as debuggers count it, of the instruction that failed or called.
    pub file_address: Option<u64>,
    /// The function, if the file has a symbol for it.
    pub symbol: Option<String>,
    /// The offset in the function, or else in the file.
    pub offset: u64,
}

/// A file of which code was mapped when a host crashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedFile {
    /// Its path.
    pub path: String,
    /// Where its first mapping began.
    pub start: u64,
    /// Where its last mapping ended.
    pub end: u64,
    /// The build id that this process read from the file, in hexadecimal digits.
    pub build_id: Option<String>,
}

impl StackFrame {
    /// A frame of which only the address is known.
    pub(crate) fn unnamed(address: u64) -> Self {
        Self {
            address,
            ..Self::default()
        }
    }
}

impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.module, &self.symbol) {
            (Some(module), Some(symbol)) => write!(f, "{module}!{symbol}+{:#x}", self.offset),
            (Some(module), None) => write!(f, "{module}+{:#x}", self.offset),
            (None, _) => write!(f, "{:#x}", self.address),
        }
    }
}

/// The resources that a host used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Time from its start to its exit.
    pub wall: Duration,
    /// Its peak memory in bytes, if that is known: without a crash record only if it had more than the
    /// process that started it.
    pub peak_memory: Option<u64>,
}

impl ExitReport {
    /// The name of the signal that ended it, or "signal" and its number.
    pub fn signal_name(&self) -> Option<String> {
        let number = self.signal?;
        Some(match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        })
    }
}

/// The last bytes that were written to a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

/// How many of the last bytes of a stream are kept.
const TAIL_BYTES: usize = 64 << 10;

impl Tail {
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(TAIL_BYTES);
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
    }

    pub(crate) fn text(&self) -> String {
        let (front, back) = self.bytes.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_keeps_the_last_bytes() {
        let mut tail = Tail::default();
        tail.append(b"first ");
        tail.append(&vec![b'x'; TAIL_BYTES - 4]);
        assert_eq!(tail.text().len(), TAIL_BYTES);
        assert!(tail.text().starts_with("rst x"));
        tail.append(&vec![b'y'; TAIL_BYTES * 2]);
        tail.append(b"end");
        assert_eq!(tail.text().len(), TAIL_BYTES);
        assert!(tail.text().ends_with("yend"));
    }
}
