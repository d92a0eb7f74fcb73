//! Enforces limits of a sandbox that the kernel does not: memory that `RLIMIT_DATA` does not count, such
//! as pages that were written and then made read-only and what is shared with the client, and threads
//! without a PID namespace.
//!
//! It checks a host each time that it has used a little CPU time, since taking memory or threads costs
//! CPU time. A timer on the CPU clock of the host tells that, so that an idle host costs nothing; where
//! the kernel refuses such a timer, the check is periodic.
//!
//! The memory and threads of programs that a host starts count with its own. No timer covers programs
//! that do not exist yet, so the CPU times of all of them are compared periodically.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::confinement::Bounds;
use nix::sys::signal::{SigEvent, SigSet, SigevNotify, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use nix::unistd::{Pid, gettid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::background;
use crate::limits::SandboxLimit;
use crate::memory;
use crate::posix_session::{self, Member};

/// CPU time of a host between two checks.
const CPU_INTERVAL: Duration = Duration::from_millis(50);
/// Time between two checks without a timer on the CPU clock of the host.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Time between two comparisons of the CPU times of programs that a host has started.
const PROGRAMS_INTERVAL: Duration = Duration::from_millis(500);
/// How many bytes a host may have beyond its limit: the kernel's limit does not count the stack of the
/// first thread and what the linker wrote before it made it read-only.
const SLACK_BYTES: u64 = 32 << 20;
/// The same for each program that a host has started.
const SLACK_BYTES_PER_PROGRAM: u64 = 4 << 20;
/// The signal of the timers, sent to the supervisor's thread, which blocks all signals. Its default
/// action is to be ignored.
const TIMER_SIGNAL: Signal = Signal::SIGURG;

/// Waits until a host exceeds its bounds, and returns which and by how much. If it may start programs,
/// `session` is the POSIX session that they are in. `shared` returns the bytes that the host has used of
/// the memory that it shares with this process.
pub(crate) async fn watch(
    pid: u32,
    bounds: Bounds,
    session: Option<u32>,
    shared: impl Fn() -> u64,
) -> String {
    if let Some(session) = session {
        return watch_all(pid, bounds, session, shared).await;
    }
    let timer = CpuTimer::new(pid);
    loop {
        check_is_due(timer.as_ref()).await;
        // It may have ended, which the supervisor sees.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if let Some(text) = exceeded(&[Member { pid, status }], shared(), &bounds) {
            return text;
        }
    }
}

/// The same for a host together with the programs that it starts.
async fn watch_all(pid: u32, bounds: Bounds, session: u32, shared: impl Fn() -> u64) -> String {
    let timer = CpuTimer::new(pid);
    let mut known = HashMap::from([(pid, Some(Duration::ZERO))]);
    let mut was_beyond = false;
    loop {
        // The CPU times tell whether anything has run, after the timeout as well.
        let _ = timeout(PROGRAMS_INTERVAL, check_is_due(timer.as_ref())).await;
        let spent = known
            .keys()
            .map(|pid| (*pid, posix_session::cpu_time(*pid)));
        let spent: HashMap<_, _> = spent.collect();
        if !was_beyond && spent == known {
            continue;
        }
        // If there is no thread for it, other hosts wait meanwhile.
        let found = background::run(move || posix_session::members(session)).await;
        let found = found.unwrap_or_else(|_| posix_session::members(session));
        // A fork has the memory of its parent for a moment, so one excess alone does not count.
        let beyond = exceeded(&found, shared(), &bounds);
        match beyond {
            Some(text) if was_beyond => return text,
            beyond => was_beyond = beyond.is_some(),
        }
        // CPU time that was used during the check counts for the next one.
        let time = |pid| spent.get(pid).copied().flatten().unwrap_or_default();
        known = found
            .iter()
            .map(|it| (it.pid, Some(time(&it.pid))))
            .collect();
    }
}

/// Anonymous memory, page tables and huge pages, in bytes. Pages of files do not count, `tmpfs` included.
fn memory_of(status: &str) -> u64 {
    ["RssAnon:", "VmSwap:", "VmPTE:", "HugetlbPages:"]
        .iter()
        .filter_map(|name| memory::kibibytes(status, name))
        .fold(0, u64::saturating_add)
}

fn threads_of(status: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Which bound processes exceed together, with so many bytes of shared memory.
fn exceeded(found: &[Member], shared: u64, bounds: &Bounds) -> Option<String> {
    let sum = |of: fn(&str) -> u64| {
        let figures = found.iter().map(|member| of(&member.status));
        figures.fold(0, u64::saturating_add)
    };
    let (threads, processes) = (sum(threads_of), found.len() as u64);
    let memory = sum(memory_of).saturating_add(shared);
    let them = match processes {
        0 | 1 => "it".to_owned(),
        _ => format!("it and its child processes, {processes} in all,"),
    };
    let slack = SLACK_BYTES
        .saturating_add(SLACK_BYTES_PER_PROGRAM.saturating_mul(processes.saturating_sub(1)));
    if memory > bounds.memory.saturating_add(slack) {
        let advice = SandboxLimit::Memory.advice(bounds)?;
        let mebibytes = memory >> 20;
        return Some(format!("{them} had {mebibytes} MiB of memory: {advice}"));
    }
    if threads > bounds.threads {
        let advice = SandboxLimit::Threads.advice(bounds)?;
        return Some(format!("{them} had {threads} threads: {advice}"));
    }
    None
}

/// Waits until it is time for a check: until the process has used CPU time, or without a timer for
/// that, until time has passed.
async fn check_is_due(timer: Option<&CpuTimer>) {
    match timer {
        Some(timer) => timer.expired.notified().await,
        None => tokio::time::sleep(CHECK_INTERVAL).await,
    }
}

struct CpuTimer {
    number: isize,
    expired: Arc<Notify>,
}

/// The timers of this thread, and the task that receives their signals.
#[derive(Default)]
struct Timers {
    receiver: Option<JoinHandle<()>>,
    last: isize,
    active: HashMap<isize, (Timer, Arc<Notify>)>,
}

thread_local! {
    /// The kernel signals timers to the thread that made them: the supervisor's.
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// Begins to receive the signals of timers on this thread, the supervisor's. Called at the start of the
/// first host, so that later hosts open no descriptor that stays.
pub(crate) fn prepare() {
    TIMERS.with_borrow_mut(|timers| {
        if timers.receiver.is_none() {
            let mask = SigSet::from(TIMER_SIGNAL);
            let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
            let signals = SignalFd::with_flags(&mask, flags).map_err(io::Error::from);
            // Without it, checks are periodic.
            timers.receiver = signals
                .and_then(listen)
                .ok()
                .map(|it| tokio::spawn(receive(it)));
        }
    });
}

impl CpuTimer {
    /// Starts a timer that expires when the process has used CPU time; none if the kernel refuses it.
    fn new(pid: u32) -> Option<Self> {
        prepare();
        TIMERS.with_borrow_mut(|timers| {
            timers.receiver.as_ref()?;
            timers.last = timers.last.wrapping_add(1);
            let number = timers.last;
            let expired = Arc::new(Notify::new());
            let timer = timer(pid, number)?;
            timers.active.insert(number, (timer, Arc::clone(&expired)));
            Some(Self { number, expired })
        })
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        TIMERS.with_borrow_mut(|timers| timers.active.remove(&self.number));
    }
}

/// Arms a timer on the CPU clock of a process, which signals this thread.
fn timer(pid: u32, number: isize) -> Option<Timer> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?);
    let clock = ClockId::pid_cpu_clock_id(pid).ok()?;
    let event = SigEvent::new(SigevNotify::SigevThreadId {
        signal: TIMER_SIGNAL,
        thread_id: gettid().as_raw(),
        si_value: number,
    });
    let mut timer = Timer::new(clock, event).ok()?;
    let every = Expiration::Interval(CPU_INTERVAL.into());
    timer.set(every, TimerSetTimeFlags::empty()).ok()?;
    Some(timer)
}

/// Registers the signal descriptor with the event loop.
#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn listen(signals: SignalFd) -> io::Result<AsyncFd<SignalFd>> {
    AsyncFd::with_interest(signals, Interest::READABLE)
}

/// Wakes the waiter of each timer that has expired.
async fn receive(signals: AsyncFd<SignalFd>) {
    while let Ok(mut ready) = signals.readable().await {
        while let Ok(Some(signal)) = signals.get_ref().read_signal() {
            let number = isize::try_from(signal.ssi_ptr).unwrap_or(0);
            TIMERS.with_borrow(|timers| {
                if let Some((_, expired)) = timers.active.get(&number) {
                    expired.notify_one();
                }
            });
        }
        ready.clear_ready();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory: 64 << 20,
        threads: 8,
        files: 512,
        file_size: 1 << 20,
        cpu: None,
    };

    fn status(anonymous: u64, swap: u64, threads: u64) -> String {
        let anonymous = anonymous << 10;
        let swap = swap << 10;
        format!("RssAnon:\t{anonymous} kB\nVmSwap:\t{swap} kB\nThreads:\t{threads}\n")
    }

    fn alone(status: &str) -> Option<String> {
        let status = status.to_owned();
        exceeded(&[Member { pid: 1, status }], 0, &BOUNDS)
    }

    #[test]
    fn usage_within_bounds_is_allowed() {
        assert_eq!(alone(&status(90, 0, 8)), None);
        assert_eq!(alone(""), None);
        assert_eq!(alone("RssAnon: much\nThreads: many\n"), None);
    }

    #[test]
    fn usage_beyond_bounds_is_named() {
        for (memory, swap) in [(97, 0), (60, 37), (u64::MAX >> 21, u64::MAX >> 21)] {
            let text = alone(&status(memory, swap, 1)).unwrap();
            assert!(text.contains("memory=\"64 MiB\""), "{text}");
        }
        let text = alone(&status(1, 0, 9)).unwrap();
        assert!(text.contains("9 threads: its limit is threads=8"), "{text}");
    }

    #[test]
    fn page_tables_and_huge_pages_count() {
        for name in ["VmPTE", "HugetlbPages"] {
            let text = format!("{}{name}:\t{} kB\n", status(60, 0, 1), 37 << 10);
            let text = alone(&text).unwrap();
            assert!(text.contains("it had 97 MiB of memory"), "{text}");
        }
    }

    #[test]
    fn processes_count_together() {
        let member = |memory, threads| Member {
            pid: 1,
            status: status(memory, 0, threads),
        };
        let few = [member(50, 1), member(50, 7)];
        assert_eq!(exceeded(&few, 0, &BOUNDS), None);
        let text = exceeded(&few, 30 << 20, &BOUNDS).unwrap();
        assert!(text.contains("had 130 MiB of memory"), "{text}");
        let text = exceeded(&[member(65, 1), member(65, 1)], 0, &BOUNDS).unwrap();
        assert!(text.contains("2 in all, had 130 MiB of memory"), "{text}");
        let many = [member(1, 4), member(1, 4), member(1, 1)];
        let text = exceeded(&many, 0, &BOUNDS).unwrap();
        assert!(text.contains("3 in all, had 9 threads"), "{text}");
        assert_eq!(exceeded(&[], 0, &BOUNDS), None);
    }

    #[test]
    fn busy_process_triggers_a_check_and_an_idle_one_does_not() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let mut idle = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (busy_pid, idle_pid) = (busy.id(), idle.id());
        let watching = std::thread::Builder::new().spawn(move || {
            // As the supervisor does.
            SigSet::all().thread_block().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (working, sleeping) = (CpuTimer::new(busy_pid), CpuTimer::new(idle_pid));
                let (working, sleeping) = (working.as_ref(), sleeping.as_ref());
                assert!(working.is_some());
                let quiet = Duration::from_millis(300);
                // A fresh process spends some at its start.
                while tokio::time::timeout(quiet, check_is_due(sleeping))
                    .await
                    .is_ok()
                {}
                for _ in 0..5 {
                    let limit = Duration::from_secs(30);
                    tokio::time::timeout(limit, check_is_due(working))
                        .await
                        .unwrap();
                }
            });
        });
        let watched = watching.unwrap().join();
        for child in [&mut busy, &mut idle] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        watched.unwrap();
    }
}
