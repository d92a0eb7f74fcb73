//! Figures of the kernel about memory: of one process, of all of them, and how often the OOM killer
//! had to act.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// The count of `oom_kill` in `/proc/vmstat` when it was read last.
static OOM_KILLS: AtomicU64 = AtomicU64::new(UNKNOWN);
const UNKNOWN: u64 = u64::MAX;

/// What the kernel says about memory after a process was killed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelMemory {
    /// Whether the OOM killer has killed a process since [`has_killed`] was called last.
    pub(crate) has_killed: bool,
    /// How much memory there is for this process and those that it starts, in bytes.
    pub(crate) total: Option<u64>,
}

impl KernelMemory {
    pub(crate) fn read() -> Self {
        Self {
            has_killed: has_killed(),
            total: total(),
        }
    }
}

/// Whether the OOM killer has killed a process since the last call; false at the first one.
pub(crate) fn has_killed() -> bool {
    let now = oom_kills().unwrap_or(UNKNOWN);
    let before = OOM_KILLS.swap(now, Ordering::Relaxed);
    before != UNKNOWN && now != UNKNOWN && now > before
}

/// How often the kernel has killed a process to get memory back.
fn oom_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line?.trim().parse().ok()
}

/// The smallest of the memory of the system and the limits of the cgroup, in bytes.
fn total() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok();
    let system = system.and_then(|text| kibibytes(&text, "MemTotal:"));
    ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|name| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok())
        .filter_map(|text| text.trim().parse().ok())
        .chain(system)
        .min()
}

/// How much memory the system and the cgroup have left for this process, in bytes, as far as they say.
pub(crate) fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let cgroup = |limit: &str, usage: &str, stat: &str| {
        let limit = number(limit)?;
        // What is cached of files is given up when memory is needed.
        let cached = read(stat).and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file "));
            line?.trim().parse::<u64>().ok()
        });
        let used = number(usage)?.saturating_sub(cached.unwrap_or(0));
        Some(limit.saturating_sub(used))
    };
    let folder = "/sys/fs/cgroup";
    let unified = cgroup(
        &format!("{folder}/memory.max"),
        &format!("{folder}/memory.current"),
        &format!("{folder}/memory.stat"),
    );
    let legacy = cgroup(
        &format!("{folder}/memory/memory.limit_in_bytes"),
        &format!("{folder}/memory/memory.usage_in_bytes"),
        &format!("{folder}/memory/memory.stat"),
    );
    let system = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemAvailable:"));
    [unified, legacy, system].into_iter().flatten().min()
}

/// The most memory that a process had, in bytes, from its `/proc/PID/status`.
pub(crate) fn peak(status: &str) -> Option<u64> {
    kibibytes(status, "VmHWM:")
}

/// The value of a line such as `VmHWM:   1234 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    number.checked_mul(1024)
}

/// A number of bytes as text.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(total().unwrap() > 1 << 20);
    }
}
