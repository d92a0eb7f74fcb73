//! Reads the crash record of a host that a signal ended.
//!
//! The process of the addon writes the record, so it is not trusted: it is copied once, and lengths and
//! offsets in it are checked; the files that it names are read within a budget; text of both is escaped
//! and cut. How the process ended is in its wait status; a record of another signal is ignored.

mod backtrace;
mod call;
mod file;
mod image;
mod maps;
mod modules;
mod page;

use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

pub(crate) use hostd_symbols::escape;
pub(crate) use page::CrashPage;
use page::{REGISTER_NAMES, Record};

use crate::memory;
use crate::report::{ExitReport, LoadedFile, StackFrame};
use file::Budget;
use maps::Maps;
use rustix::io::Errno;

/// How long unwinding and naming may take; later frames stay unnamed.
const BACKTRACE_TIMEOUT: Duration = Duration::from_millis(250);
/// How many bytes of files may be read for it.
const READ_BYTES_MAX: u64 = 64 << 20;
/// How long reading build ids may take, and how many bytes may be read for it.
const BUILD_IDS_TIMEOUT: Duration = Duration::from_millis(50);
const BUILD_IDS_BYTES_MAX: u64 = 1 << 20;

/// The most functions of Node-API that ran last.
const CALLS_MAX: usize = 64;

/// What a crash record says beyond the exit status.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The fields of the exit report that are from the record, and no others.
    pub(crate) report: ExitReport,
    /// The signal that the process wrote a record of.
    pub(crate) recorded: Option<i32>,
    /// Whether the last error number of the thread was ENOMEM.
    pub(crate) lacked_memory: bool,
    pub(crate) peak_memory: Option<u64>,
}

/// Reads the crash record of a host that ended, by `signal` if it was one.
pub(crate) fn examine(page: &CrashPage, signal: Option<i32>) -> Findings {
    let Some((running, record)) = page.read() else {
        return Findings::default();
    };
    let report = ExitReport {
        running,
        ..ExitReport::default()
    };
    let mut findings = Findings {
        report,
        recorded: record.as_ref().map(|record| record.signal),
        ..Findings::default()
    };
    let Some(record) = record.filter(|record| Some(record.signal) == signal) else {
        return findings;
    };
    let maps = Maps::parse(&record.maps);
    findings.report = ExitReport {
        address: record.fault_address(),
        overflowed: record.overflowed(),
        thread: (!record.is_js_thread).then(|| escape(&record.thread_name)),
        node_api: (!record.node_api.is_empty()).then(|| escape(&record.node_api)),
        node_api_calls: (!record.calls.is_empty())
            .then(|| record.calls.lines().take(CALLS_MAX).map(escape).collect()),
        forbidden: call::forbidden(&record),
        backtrace: Some(trace(&record, &maps)),
        registers: Some(REGISTER_NAMES.into_iter().zip(record.registers).collect()),
        modules: Some(modules(&maps)),
        ..findings.report
    };
    findings.lacked_memory = record.error == Errno::NOMEM.raw_os_error();
    findings.peak_memory = memory::peak(&record.status);
    findings
}

/// The backtrace, or only its innermost address.
fn trace(record: &Record, maps: &Maps<'_>) -> Vec<StackFrame> {
    let budget = Budget::new(READ_BYTES_MAX, Instant::now() + BACKTRACE_TIMEOUT);
    // The libraries may panic on input that is not well-formed.
    let traced = panic::catch_unwind(AssertUnwindSafe(|| backtrace::trace(record, maps, &budget)));
    traced.unwrap_or_else(|_| vec![StackFrame::unnamed(record.program_counter)])
}

/// The mapped files, or none of them.
fn modules(maps: &Maps<'_>) -> Vec<LoadedFile> {
    let budget = Budget::new(BUILD_IDS_BYTES_MAX, Instant::now() + BUILD_IDS_TIMEOUT);
    // The library may panic on input that is not well-formed.
    panic::catch_unwind(AssertUnwindSafe(|| modules::list(maps, &budget))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::page::tests::page_with;
    use super::*;
    use crate::report::Running;

    const SIGSEGV: i32 = 11;
    const SIGABRT: i32 = 6;

    #[test]
    fn record_of_another_signal_is_ignored() {
        let (page, _theirs) = page_with(3, SIGSEGV);
        for signal in [None, Some(SIGABRT)] {
            let findings = examine(&page, signal);
            assert_eq!(findings.report.running, Running::Lane(3));
            assert_eq!(findings.recorded, Some(SIGSEGV));
            let report = findings.report;
            assert!(report.address.is_none() && report.backtrace.is_none());
        }
        assert!(examine(&page, Some(SIGSEGV)).report.backtrace.is_some());
    }
}
