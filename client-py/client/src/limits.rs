//! The limits of a sandbox as messages name them: the option that sets one, its value, and what
//! raises it.

use hostd_protocol::confinement::Bounds;

/// A limit of the sandbox of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "named as the options")]
pub enum SandboxLimit {
    Memory,
    Threads,
    Files,
    FileSize,
    Cpu,
}

impl SandboxLimit {
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

    /// The limit as its option is written, and what would raise it; none if there is no limit.
    pub fn advice(self, bounds: &Bounds) -> Option<String> {
        let (value, written): (u64, fn(u64) -> String) = match self {
            Self::Memory => (bounds.memory, size),
            Self::FileSize => (bounds.file_size, size),
            Self::Threads => (bounds.threads, |count| count.to_string()),
            Self::Files => (bounds.files, |count| count.to_string()),
            Self::Cpu => (bounds.cpu?, |seconds| seconds.to_string()),
        };
        let (option, now, more) = (
            self.option(),
            written(value),
            written(value.saturating_mul(2)),
        );
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const BOUNDS: Bounds = Bounds {
        memory: 2 << 30,
        threads: 64,
        files: 512,
        file_size: 3 << 20,
        cpu: Some(2),
    };

    #[test]
    fn advice_names_the_limit_and_the_option() {
        let advice = SandboxLimit::ALL.map(|limit| limit.advice(&BOUNDS).unwrap());
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
        assert_eq!(SandboxLimit::Cpu.advice(&unlimited), None);
        assert_eq!(size(5000), "5000");
    }
}
