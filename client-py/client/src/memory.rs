//! Whether a host may have died for want of memory. The system does not say so: a process that it
//! kills to get memory back looks like one that a user killed, and a program that is refused
//! memory dies of what it does next. So this weighs facts, and what comes of it says "maybe".

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::confinement::Bounds;
use nix::sys::signal::Signal;

use crate::bounds::Limit;
use crate::crash::Findings;
use crate::report::Usage;

/// How often the system had killed a process for its memory when that was looked at last.
static KILLS: AtomicU64 = AtomicU64::new(UNKNOWN);
const UNKNOWN: u64 = u64::MAX;

/// The signals that a program ends with when it does not get along without memory.
const REFUSED: [i32; 5] = [
    Signal::SIGABRT as i32,
    Signal::SIGSEGV as i32,
    Signal::SIGBUS as i32,
    Signal::SIGILL as i32,
    Signal::SIGTRAP as i32,
];
/// Nothing is ever mapped below this address.
const NULL_END: u64 = 0x10000;

/// To be called before the first host starts: kills are counted from here on.
pub(crate) fn begin() {
    KILLS.store(kills().unwrap_or(UNKNOWN), Ordering::Relaxed);
}

/// Why a host that this side did not kill may have died, if memory is a likely cause.
pub(crate) fn verdict(
    signal: Option<i32>,
    findings: &Findings,
    usage: Option<&Usage>,
    bounds: Option<&Bounds>,
) -> Option<String> {
    let signal = signal?;
    let peak = usage.and_then(|usage| usage.peak_memory);
    if signal == Signal::SIGKILL as i32 {
        let now = kills().unwrap_or(UNKNOWN);
        let before = KILLS.swap(now, Ordering::Relaxed);
        return killed(before, now, peak, limit());
    }
    // Whoever goes on without what it was refused uses a null pointer.
    let is_null = findings.address.is_none_or(|address| address < NULL_END);
    (findings.lacked_memory && is_null && REFUSED.contains(&signal)).then(|| {
        let had = peak.map_or_else(String::new, |peak| format!("; it had {}", size(peak)));
        let limit = bounds.and_then(|bounds| Limit::Memory.advice(bounds));
        let limit = limit.map_or_else(String::new, |advice| format!("; {advice}"));
        format!("maybe out of memory: its thread had just got ENOMEM{had}{limit}")
    })
}

fn killed(before: u64, now: u64, peak: Option<u64>, limit: Option<u64>) -> Option<String> {
    let had = |peak| format!("it had {}", size(peak));
    if before != UNKNOWN && now != UNKNOWN && now > before {
        let had = peak.map_or_else(String::new, |peak| format!("; {}", had(peak)));
        return Some(format!(
            "maybe out of memory: the kernel's OOM killer has killed a process{had}"
        ));
    }
    let (peak, limit) = (peak?, limit?);
    // A system that is short of memory has other processes, too.
    (peak > limit / 2).then(|| {
        let limit = size(limit);
        format!("maybe out of memory: {} of {limit}", had(peak))
    })
}

/// How often the system has killed a process to get memory back.
fn kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line?.trim().parse().ok()
}

/// How much memory there is for this process and those that it starts.
fn limit() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok();
    let system = system.and_then(|text| kibibytes(&text, "MemTotal:"));
    ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|name| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok())
        .filter_map(|text| text.trim().parse().ok())
        .chain(system)
        .min()
}

/// The most memory that a process had, from what the kernel says of it, in bytes.
pub(crate) fn peak(status: &str) -> Option<u64> {
    kibibytes(status, "VmHWM:")
}

/// A line such as `VmHWM:   1234 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    number.checked_mul(1024)
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGSEGV: i32 = Signal::SIGSEGV as i32;

    #[test]
    fn figures_of_the_kernel_are_read() {
        let status = "Name:\tx\nVmPeak:\t   90 kB\nVmHWM:\t    2048 kB\nVmRSS: 1 kB\n";
        assert_eq!(peak(status), Some(2 << 20));
        for nonsense in [
            "",
            "VmHWM:",
            "VmHWM: -1 kB",
            "VmHWM: 18446744073709551615 kB",
        ] {
            assert_eq!(peak(nonsense), None, "{nonsense}");
        }
        assert!(limit().unwrap() > 1 << 20);
    }

    #[test]
    fn refused_memory_is_a_cause_of_null_pointers_and_of_giving_up() {
        let mut findings = Findings {
            lacked_memory: true,
            ..Findings::default()
        };
        for signal in REFUSED {
            let said = verdict(Some(signal), &findings, None, None).unwrap();
            assert!(said.starts_with("maybe out of memory"), "{said}");
        }
        assert_eq!(
            verdict(Some(Signal::SIGFPE as i32), &findings, None, None),
            None
        );
        findings.address = Some(0xdead_beef_0000);
        assert_eq!(verdict(Some(SIGSEGV), &findings, None, None), None);
        assert_eq!(
            verdict(Some(SIGSEGV), &Findings::default(), None, None),
            None
        );
        assert_eq!(verdict(None, &findings, None, None), None);
    }

    #[test]
    fn kill_is_blamed_on_memory_only_where_that_is_likely() {
        assert!(killed(3, 4, None, None).is_some());
        assert!(killed(3, 3, Some(600), Some(1000)).is_some());
        assert!(killed(3, UNKNOWN, None, None).is_none());
        assert!(killed(UNKNOWN, 4, Some(400), Some(1000)).is_none());
        assert!(killed(3, 3, None, Some(1000)).is_none());
    }
}
