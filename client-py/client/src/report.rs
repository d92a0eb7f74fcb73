//! How a host ended, and what it said last.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

/// How a host ended. Text in it was written by the addon: escape it before it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitReport {
    /// Which of the client's hosts it was.
    pub generation: u32,
    /// Its process.
    pub pid: u32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it exited with.
    pub exit_code: Option<i32>,
    /// Why it was killed, if this side did it, or what is known beyond signal and code.
    pub reason: Option<String>,
    /// The exported function that was running, as far as its caller had named it.
    pub export: Option<String>,
    /// The address whose use failed.
    pub address: Option<u64>,
    /// Whether the thread had used up its stack.
    pub overflowed: bool,
    /// The Node-API function that the thread was in.
    pub node_api: Option<String>,
    /// The name of the thread it happened on, if that is not the JS thread.
    pub thread: Option<String>,
    /// The call that its sandbox ended it for.
    pub forbidden: Option<ForbiddenCall>,
    /// Where the thread was, innermost first.
    pub backtrace: Option<Vec<Frame>>,
    /// The last it wrote to its standard error, at most 64 KiB.
    pub stderr_tail: String,
    /// The last it wrote to its standard output, at most 64 KiB.
    pub stdout_tail: String,
    /// What it used.
    pub usage: Option<Usage>,
    /// Whether this side had told it to end, and it did so in order.
    pub expected: bool,
    /// Whose call was running.
    pub(crate) running: Running,
}

/// A call to the kernel that the sandbox of a host ended it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenCall {
    /// Its name.
    pub name: String,
    /// Which table its number was from.
    pub table: &'static str,
    /// Its arguments, as numbers.
    pub arguments: [u64; 6],
    /// The path among them, where there is one.
    pub path: Option<String>,
}

/// Whose call was running when a host died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Running {
    /// It did not say.
    #[default]
    Unknown,
    /// No call was running.
    Nobody,
    /// That of the thread that had leased this lane.
    Lane(u16),
}

/// One function on the stack of a host that died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Where it was in memory.
    pub address: u64,
    /// The name of the file that the code came from; without one, it came from none.
    pub module: Option<String>,
    /// The function, if the file names it.
    pub symbol: Option<String>,
    /// How far into the function, or else into the file.
    pub offset: u64,
}

impl Frame {
    /// A place of which nothing but the address is known.
    pub(crate) fn unnamed(address: u64) -> Self {
        Self {
            address,
            ..Self::default()
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.module, &self.symbol) {
            (Some(module), Some(symbol)) => write!(f, "{module}!{symbol}+{:#x}", self.offset),
            (Some(module), None) => write!(f, "{module}+{:#x}", self.offset),
            (None, _) => write!(f, "{:#x}", self.address),
        }
    }
}

/// What a host used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// How long it lived.
    pub wall: Duration,
    /// The most memory it had at a time, in bytes, if that is known: of a host that was killed only
    /// if it had more than the process that started it.
    pub peak_memory: Option<u64>,
}

impl ExitReport {
    /// The name of the signal that ended it.
    pub fn signal_name(&self) -> Option<&'static str> {
        Signal::try_from(self.signal?).ok().map(Signal::as_str)
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host process {} ", self.pid)?;
        match (self.signal, self.exit_code) {
            (Some(number), _) => match self.signal_name() {
                Some(name) => write!(f, "was ended by {name} (signal {number})")?,
                None => write!(f, "was ended by signal {number}")?,
            },
            (None, Some(code)) => write!(f, "exited with code {code}")?,
            (None, None) => write!(f, "ended")?,
        }
        if let Some(export) = &self.export {
            write!(f, " while {export} was running")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

/// The end of what was written to a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

/// How much of a stream's end is kept.
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

    #[test]
    fn report_names_signal_export_and_reason() {
        let report = ExitReport {
            pid: 7,
            signal: Some(11),
            export: Some("boom".into()),
            reason: Some("because".into()),
            ..ExitReport::default()
        };
        let text = report.to_string();
        for part in ["7", "SIGSEGV", "boom", "because"] {
            assert!(text.contains(part), "{text}");
        }
        let unknown = ExitReport {
            signal: Some(63),
            ..ExitReport::default()
        };
        assert!(unknown.to_string().contains("signal 63"));
    }
}
