//! What a confined host may use up, as it is told to whoever looks for the reason of a failure:
//! the limit by its name, and the option that raises it.

use std::time::Duration;

use hostd_protocol::confinement::Bounds;
use nix::sys::signal::Signal;

use crate::report::Usage;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Memory of its own.
    Memory,
    /// Threads.
    Threads,
    /// Open descriptors.
    Files,
    /// The length of one file.
    FileSize,
    /// Processor time.
    Cpu,
}

impl Limit {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Memory,
        Self::Threads,
        Self::Files,
        Self::FileSize,
        Self::Cpu,
    ];

    /// The option that sets it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Threads => "threads",
            Self::Files => "files",
            Self::FileSize => "file_size",
            Self::Cpu => "cpu",
        }
    }

    fn value(self, bounds: &Bounds) -> Option<u64> {
        match self {
            Self::Memory => Some(bounds.memory),
            Self::Threads => Some(bounds.threads),
            Self::Files => Some(bounds.files),
            Self::FileSize => Some(bounds.file_size),
            Self::Cpu => bounds.cpu,
        }
    }

    fn written(self, value: u64) -> String {
        match self {
            Self::Memory | Self::FileSize => size(value),
            Self::Threads | Self::Files | Self::Cpu => value.to_string(),
        }
    }

    /// The limit as its option is written, and what would raise it; none if there is no limit.
    pub fn advice(self, bounds: &Bounds) -> Option<String> {
        let (option, value) = (self.option(), self.value(bounds)?);
        let (now, more) = (self.written(value), self.written(value.saturating_mul(2)));
        Some(format!(
            "its limit is {option}={now}; sandbox=Sandbox({option}={more}) allows twice as much"
        ))
    }
}

/// A size as the option of it is written.
fn size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("\"{} {name}\"", bytes / unit);
        }
    }
    bytes.to_string()
}

/// Why a host that this side did not kill has ended, where the signal and what it used say that it
/// was one of its limits.
pub(crate) fn verdict(
    signal: Option<i32>,
    bounds: Option<&Bounds>,
    usage: Option<&Usage>,
) -> Option<String> {
    let (signal, bounds) = (Signal::try_from(signal?).ok()?, bounds?);
    let (what, limit) = match signal {
        // One that does not end by the first is killed a second later.
        Signal::SIGXCPU | Signal::SIGKILL => {
            let usage = usage?;
            let extra = u64::from(signal == Signal::SIGKILL);
            let limit = Duration::from_secs(bounds.cpu?.saturating_add(extra));
            // The kernel keeps to the limit by counting ticks of its clock, which are too many on a
            // busy machine, and tells afterwards what was measured.
            let spent = (usage.user + usage.system).saturating_mul(2) >= limit;
            spent.then_some(("its processor time is used up", Limit::Cpu))?
        }
        Signal::SIGXFSZ => ("a file exceeded its size limit", Limit::FileSize),
        _ => return None,
    };
    Some(format!("{what}: {}", limit.advice(bounds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory: 2 << 30,
        threads: 64,
        files: 512,
        file_size: 3 << 20,
        cpu: Some(2),
    };

    #[test]
    fn advice_names_the_limit_and_the_option() {
        let advice = Limit::ALL.map(|limit| limit.advice(&BOUNDS).unwrap());
        let wanted = [
            ("memory=\"2 GiB\"", "Sandbox(memory=\"4 GiB\")"),
            ("threads=64", "Sandbox(threads=128)"),
            ("files=512", "Sandbox(files=1024)"),
            ("file_size=\"3 MiB\"", "Sandbox(file_size=\"6 MiB\")"),
            ("cpu=2", "Sandbox(cpu=4)"),
        ];
        for (text, (limit, option)) in advice.iter().zip(wanted) {
            assert!(text.contains(limit) && text.contains(option), "{text}");
        }
        let unlimited = Bounds {
            cpu: None,
            ..BOUNDS
        };
        assert_eq!(Limit::Cpu.advice(&unlimited), None);
        assert_eq!(size(5000), "5000");
    }

    #[test]
    fn signal_alone_is_no_verdict() {
        let used = |milliseconds| Usage {
            user: Duration::from_millis(milliseconds),
            ..Usage::default()
        };
        let of = |signal: Signal, usage: Usage| {
            verdict(Some(signal as i32), Some(&BOUNDS), Some(&usage))
        };
        assert!(of(Signal::SIGXCPU, used(1700)).unwrap().contains("cpu=2"));
        assert_eq!(of(Signal::SIGXCPU, used(900)), None);
        assert_eq!(of(Signal::SIGKILL, used(1400)), None);
        assert!(of(Signal::SIGKILL, used(3000)).is_some());
        assert!(of(Signal::SIGXFSZ, used(0)).unwrap().contains("file_size"));
        assert_eq!(of(Signal::SIGSEGV, used(9000)), None);
        let usage = used(9000);
        assert_eq!(verdict(Some(24), None, Some(&usage)), None);
    }
}
