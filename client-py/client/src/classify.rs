//! Decides why a host process ended, from this process's own decision, the kernel's word and figures,
//! the crash record, and what the host printed last.
//!
//! A program that says that memory was refused before it aborts is believed. The kernel does not say
//! so: a process that the OOM killer ends looks like one that a user killed, and a program that goes
//! on with a null pointer looks like any other that faults. There the cause is only a "maybe".

use std::time::Duration;

use hostd_protocol::confinement::Bounds;
use nix::sys::signal::Signal;

use crate::cause::{Cause, Kill};
use crate::crash::{Findings, escape};
use crate::limits::SandboxLimit;
use crate::memory::{KernelMemory, mebibytes};
use crate::report::{NULL_END, Usage};

/// The signals that end a program which goes on without memory that it was refused.
const FAULTS: [Signal; 5] = [
    Signal::SIGABRT,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGTRAP,
];

/// What is known of a process that has ended.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) killed: Option<Kill>,
    pub(crate) unknown: Option<String>,
    /// The signal that ended it; none if it exited.
    pub(crate) signal: Option<i32>,
    pub(crate) findings: &'a Findings,
    pub(crate) usage: Option<&'a Usage>,
    pub(crate) bounds: Option<&'a Bounds>,
    /// The `RLIMIT_AS` that it inherited, in bytes.
    pub(crate) address_space: Option<u64>,
    /// The last that it wrote to its standard error.
    pub(crate) stderr: &'a str,
}

impl Evidence<'_> {
    /// The cause. `kernel_memory` is read only after a SIGKILL that nothing else explains.
    pub(crate) fn cause(&self, kernel_memory: impl FnOnce() -> KernelMemory) -> Cause {
        if let Some(kill) = &self.killed {
            return Cause::Killed(kill.clone());
        }
        if let Some(why) = &self.unknown {
            let signal = self.findings.recorded.map(Signal::try_from);
            return Cause::Unknown(match signal {
                Some(Ok(signal)) => format!("{why}; its crash record names {signal}"),
                _ => why.clone(),
            });
        }
        let Some(number) = self.signal else {
            return failed_session(self.stderr)
                .map_or(Cause::Exit, |failure| self.out_of_memory(&escape(failure)));
        };
        let Ok(signal) = Signal::try_from(number) else {
            return Cause::Signal;
        };
        self.limit(signal)
            .or_else(|| self.memory(signal, kernel_memory))
            .unwrap_or_else(|| {
                // A record without a call is that of a SIGSYS that a process sent.
                let record = &self.findings.report;
                let is_sent = record.backtrace.is_some() && record.forbidden.is_none();
                match signal {
                    Signal::SIGSYS if !is_sent => Cause::ForbiddenCall,
                    _ => Cause::Signal,
                }
            })
    }

    /// The limit of its sandbox that the kernel enforced, where signal and usage agree on it.
    fn limit(&self, signal: Signal) -> Option<Cause> {
        let bounds = self.bounds?;
        let (what, limit) = match signal {
            // A process that survives SIGXCPU gets SIGKILL a second later.
            Signal::SIGXCPU | Signal::SIGKILL => {
                let usage = self.usage?;
                let extra = u64::from(signal == Signal::SIGKILL);
                let limit = Duration::from_secs(bounds.cpu?.saturating_add(extra));
                // The kernel enforces the limit in ticks, which are too many on a busy machine, and
                // reports measured time: half of the limit is taken for all of it.
                let spent = (usage.user + usage.system).saturating_mul(2) >= limit;
                spent.then_some(("its processor time is used up", SandboxLimit::Cpu))?
            }
            Signal::SIGXFSZ => ("a file exceeded its size limit", SandboxLimit::FileSize),
            _ => return None,
        };
        let advice = limit.advice(bounds)?;
        Some(Cause::Limit(format!("{what}: {advice}")))
    }

    /// Refused memory, if that is the cause or a likely one.
    fn memory(
        &self,
        signal: Signal,
        kernel_memory: impl FnOnce() -> KernelMemory,
    ) -> Option<Cause> {
        if signal == Signal::SIGKILL {
            let text = self.killed_for_memory(&kernel_memory())?;
            return Some(Cause::MaybeOutOfMemory(text));
        }
        if signal == Signal::SIGABRT
            && let Some(failure) = failed_allocation(self.stderr)
        {
            return Some(self.out_of_memory(&failure));
        }
        // A program that goes on without memory that it was refused uses a null pointer.
        let is_null = self
            .findings
            .report
            .address
            .is_none_or(|address| address < NULL_END);
        let is_likely = self.findings.lacked_memory && is_null && FAULTS.contains(&signal);
        is_likely.then(|| {
            let figures = self.memory_figures();
            Cause::MaybeOutOfMemory(format!("its thread had just got ENOMEM{figures}"))
        })
    }

    fn killed_for_memory(&self, kernel: &KernelMemory) -> Option<String> {
        let peak = self.usage.and_then(|usage| usage.peak_memory);
        let had = |peak| format!("it had {}", mebibytes(peak));
        if kernel.has_killed {
            let had = peak.map_or_else(String::new, |peak| format!("; {}", had(peak)));
            let killer = "the kernel's OOM killer has killed a process";
            return Some(format!("{killer}{had}"));
        }
        let (peak, total) = (peak?, kernel.total?);
        // A system that is short of memory has other processes, too.
        (peak > total / 2).then(|| format!("{} of {}", had(peak), mebibytes(total)))
    }

    fn out_of_memory(&self, failure: &str) -> Cause {
        Cause::OutOfMemory(format!("{failure}{}", self.memory_figures()))
    }

    /// How much memory it had, and the limits that were set, to be appended to a sentence.
    fn memory_figures(&self) -> String {
        let peak = self.usage.and_then(|usage| usage.peak_memory);
        let had = peak.map(|peak| format!("it had {}", mebibytes(peak)));
        let bounds = self
            .bounds
            .and_then(|bounds| SandboxLimit::Memory.advice(bounds));
        let space = self.address_space.map(|bytes| {
            let limit = mebibytes(bytes);
            format!("RLIMIT_AS (ulimit -v) limits its address space to {limit}")
        });
        let figures = [had, bounds, space].into_iter().flatten();
        figures.fold(String::new(), |text, figure| format!("{text}; {figure}"))
    }
}

/// The last line of a host that exited because it had no memory for a whole message.
fn failed_session(stderr: &str) -> Option<&str> {
    let line = stderr.lines().last()?.strip_prefix("napi-hostd: ")?;
    Some(line.split_once(": out of memory: ")?.1)
}

/// What Rust and C++ print last when a process aborts because an allocation failed.
fn failed_allocation(stderr: &str) -> Option<String> {
    const CPP: &str = "terminate called after throwing an instance of 'std::bad_alloc'";
    // A backtrace may follow the message.
    stderr.lines().rev().find_map(|line| {
        // Text without a line end may precede it.
        if line.ends_with(CPP) {
            return Some("std::bad_alloc was thrown and not caught".to_owned());
        }
        let (_, rest) = line.rsplit_once("memory allocation of ")?;
        let bytes: u64 = rest.strip_suffix(" bytes failed")?.parse().ok()?;
        Some(format!("memory allocation of {bytes} bytes failed"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::BOUNDS;
    use crate::report::{ExitReport, ForbiddenCall, StackFrame};

    const PANIC: &str =
        "addon\nunfinished memory allocation of 4096 bytes failed\nstack backtrace:";
    const CPP: &str =
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  x\n";

    /// One death; what is not said is unknown.
    #[derive(Default)]
    struct Death {
        killed: Option<Kill>,
        unknown: Option<&'static str>,
        signal: Option<Signal>,
        findings: Findings,
        used_ms: u64,
        peak: Option<u64>,
        bounds: Option<Bounds>,
        address_space: Option<u64>,
        kernel: KernelMemory,
        stderr: &'static str,
    }

    /// A death by a signal or by none, with what else is said of it.
    macro_rules! death {
        ($signal:expr; $($field:ident $(: $value:expr)?),*) => {
            Death { $($field $(: $value)?,)* signal: $signal.into(), ..Death::default() }
        };
    }

    impl Death {
        fn cause(self) -> Cause {
            let usage = Usage {
                user: Duration::from_millis(self.used_ms),
                peak_memory: self.peak,
                ..Usage::default()
            };
            let evidence = Evidence {
                killed: self.killed,
                unknown: self.unknown.map(str::to_owned),
                signal: self.signal.map(|signal| signal as i32),
                findings: &self.findings,
                usage: Some(&usage),
                bounds: self.bounds.as_ref(),
                address_space: self.address_space,
                stderr: self.stderr,
            };
            evidence.cause(|| self.kernel)
        }

        fn check(self, code: &str, reason: Option<&str>) {
            let cause = self.cause();
            assert_eq!((cause.code(), cause.reason().as_deref()), (code, reason));
        }
    }

    fn lacked_memory(address: Option<u64>) -> Findings {
        Findings {
            lacked_memory: true,
            report: ExitReport {
                address,
                ..ExitReport::default()
            },
            ..Findings::default()
        }
    }

    #[test]
    fn own_decision_comes_before_all_else() {
        let killed = Some(Kill::ShutdownTimeout);
        let unknown = Some("not reaped");
        death!(Signal::SIGKILL; killed, unknown, used_ms: 9000, bounds: Some(BOUNDS)).check(
            "shutdown-timeout",
            Some("killed: shutdown grace period expired"),
        );
    }

    #[test]
    fn unknown_status_has_its_reason_and_names_the_record() {
        let why = "no status: Inappropriate ioctl for device (os error 25)";
        let unknown = |recorded| {
            let findings = Findings {
                recorded,
                ..Findings::default()
            };
            death!(None; unknown: Some(why), findings)
        };
        let text = "exit status unknown: no status: Inappropriate ioctl for device (os error 25)";
        unknown(None).check("unknown", Some(text));
        unknown(Some(9999)).check("unknown", Some(text));
        let with_record = format!("{text}; its crash record names SIGSEGV");
        unknown(Some(11)).check("unknown", Some(&with_record));
    }

    #[test]
    fn signal_and_exit_code_alone_have_no_reason() {
        Death::default().check("exit", None);
        for signal in [Signal::SIGSEGV, Signal::SIGKILL, Signal::SIGTERM] {
            death!(signal;).check("signal", None);
        }
        death!(None; stderr: "the session: out of memory: y\n").check("exit", None);
    }

    #[test]
    fn sigsys_is_a_forbidden_call_unless_the_record_shows_that_it_was_sent() {
        death!(Signal::SIGSYS;).check("forbidden-call", None);
        let with = |forbidden| {
            let backtrace = Some(vec![StackFrame::unnamed(1)]);
            let report = ExitReport {
                forbidden,
                backtrace,
                ..ExitReport::default()
            };
            let findings = Findings {
                report,
                ..Findings::default()
            };
            death!(Signal::SIGSYS; findings)
        };
        with(None).check("signal", None);
        let call = ForbiddenCall {
            name: "ptrace".to_owned(),
            table: "x86-64",
            arguments: [0; 6],
            path: None,
        };
        with(Some(call)).check("forbidden-call", None);
    }

    #[test]
    fn limit_of_the_kernel_needs_the_signal_and_the_usage() {
        let after = |signal: Signal, used_ms| death!(signal; used_ms, bounds: Some(BOUNDS));
        let cpu = "its processor time is used up: its limit is cpu=2; \
                   sandbox=Sandbox(cpu=4) allows twice as much";
        after(Signal::SIGXCPU, 1700).check("limit", Some(cpu));
        after(Signal::SIGXCPU, 900).check("signal", None);
        after(Signal::SIGKILL, 1400).check("signal", None);
        after(Signal::SIGKILL, 3000).check("limit", Some(cpu));
        let size = "a file exceeded its size limit: its limit is file_size=\"3 MiB\"; \
                    sandbox=Sandbox(file_size=\"6 MiB\") allows twice as much";
        after(Signal::SIGXFSZ, 0).check("limit", Some(size));
        after(Signal::SIGSEGV, 9000).check("signal", None);
        death!(Signal::SIGXCPU; used_ms: 9000).check("signal", None);
    }

    #[test]
    fn failed_allocation_that_was_printed_is_the_cause() {
        let text = "out of memory: memory allocation of 4096 bytes failed; \
                    RLIMIT_AS (ulimit -v) limits its address space to 512 MiB";
        death!(Signal::SIGABRT; address_space: Some(512 << 20), stderr: PANIC)
            .check("out-of-memory", Some(text));
        let text = "out of memory: std::bad_alloc was thrown and not caught; it had 7 MiB; \
                    its limit is memory=\"2 GiB\"; \
                    sandbox=Sandbox(memory=\"4 GiB\") allows twice as much";
        death!(Signal::SIGABRT; peak: Some(7 << 20), bounds: Some(BOUNDS), stderr: CPP)
            .check("out-of-memory", Some(text));
        let stderr = "x\nnapi-hostd: the session ended early: out of memory: a message\n";
        death!(None; stderr).check("out-of-memory", Some("out of memory: a message"));
        death!(Signal::SIGSEGV; stderr: PANIC).check("signal", None);
        for stderr in [
            "memory allocation of many bytes failed\n",
            "memory allocation of 5 bytes failed, and then more\n",
            "abort\n",
            "",
        ] {
            death!(Signal::SIGABRT; stderr).check("signal", None);
        }
    }

    #[test]
    fn refused_memory_is_a_likely_cause_of_null_pointers_and_of_giving_up() {
        let text = "maybe out of memory: its thread had just got ENOMEM";
        for signal in FAULTS {
            for address in [None, Some(8)] {
                death!(signal; findings: lacked_memory(address))
                    .check("maybe-out-of-memory", Some(text));
            }
        }
        for (signal, findings) in [
            (Signal::SIGFPE, lacked_memory(None)),
            (Signal::SIGSEGV, lacked_memory(Some(0xdead_beef_0000))),
            (Signal::SIGSEGV, Findings::default()),
        ] {
            death!(signal; findings).check("signal", None);
        }
    }

    #[test]
    fn sigkill_is_blamed_on_memory_only_where_that_is_likely() {
        let killed = |has_killed, peak: Option<u64>, total: Option<u64>| {
            let total = total.map(|total| total << 20);
            let kernel = KernelMemory { has_killed, total };
            death!(Signal::SIGKILL; peak: peak.map(|peak| peak << 20), kernel)
        };
        let code = "maybe-out-of-memory";
        let text = "maybe out of memory: the kernel's OOM killer has killed a process";
        killed(true, None, None).check(code, Some(text));
        let with_peak = format!("{text}; it had 600 MiB");
        killed(true, Some(600), Some(1000)).check(code, Some(&with_peak));
        let text = "maybe out of memory: it had 600 MiB of 1000 MiB";
        killed(false, Some(600), Some(1000)).check(code, Some(text));
        killed(false, Some(400), Some(1000)).check("signal", None);
        killed(false, None, Some(1000)).check("signal", None);
        killed(false, Some(600), None).check("signal", None);
    }
}
