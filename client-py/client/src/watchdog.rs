//! Looks after what the kernel does not bound: memory that counts as nobody's, such as what was
//! written and then made read-only, and threads outside of a namespace of their own.
//!
//! It looks each time that the host has spent a little processor time, which is what taking either
//! costs. The kernel tells of that by a timer on the host's own clock, so that a host that does
//! nothing costs nothing, and one that does can't hide it; where there is no such timer, time of
//! day has to do.
//!
//! Where a host may start programs, their memory and threads count with its own. The kernel tells of
//! nobody who starts one in a moment, so the client looks from time to time whether any of them has
//! spent time.

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

use crate::bounds::Limit;
use crate::memory;
use crate::tree::{self, Member};

/// It looks after so much processor time.
const SPENT: Duration = Duration::from_millis(50);
/// Without a timer on the host's clock, it looks this often.
const PASSED: Duration = Duration::from_millis(250);
/// How often it looks whether programs that a host has started have spent time.
const TO_LOOK: Duration = Duration::from_millis(500);
/// What a host may have beyond its limit, since the kernel's limit counts other things: the first
/// thread's stack, and what the linker wrote before it made it read-only.
const SLACK: u64 = 32 << 20;
/// The same for each program that a host has started.
const SLACK_OF_EACH: u64 = 4 << 20;
/// What the timers send to the supervisor's thread, and to it alone. It blocks all signals, and by
/// default this one does nothing.
const SIGNAL: Signal = Signal::SIGURG;

/// Waits until a host is beyond its bounds, and returns what to tell of it. If it may start programs,
/// `session` is the one that they are in.
pub(crate) async fn watch(pid: u32, bounds: Bounds, session: Option<u32>) -> String {
    if let Some(session) = session {
        return watch_all(pid, bounds, session).await;
    }
    let mut pulse = Pulse::of(pid);
    loop {
        pulse.beat().await;
        // It may be gone: whoever waits for its end hears of that.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if let Some(text) = exceeded(&status, &bounds) {
            return text;
        }
    }
}

/// The same for a host and the programs that it starts.
async fn watch_all(pid: u32, bounds: Bounds, session: u32) -> String {
    let mut pulse = Pulse::of(pid);
    let mut known = HashMap::from([(pid, Some(Duration::ZERO))]);
    let mut was_beyond = false;
    loop {
        // Either way: what follows tells whether anything has happened.
        let _ = timeout(TO_LOOK, pulse.beat()).await;
        let spent = known.keys().map(|pid| (*pid, tree::spent(*pid)));
        let spent: HashMap<_, _> = spent.collect();
        if !was_beyond && spent == known {
            continue;
        }
        let found = tokio::task::spawn_blocking(move || tree::members(session)).await;
        let found = found.unwrap_or_default();
        // Who starts a program has its memory twice for a moment, by the looks of it.
        let beyond = exceeded_together(&found, &bounds);
        match beyond {
            Some(text) if was_beyond => return text,
            beyond => was_beyond = beyond.is_some(),
        }
        // What was spent during the look counts for the next one.
        let time = |pid| spent.get(pid).copied().flatten().unwrap_or_default();
        known = found
            .iter()
            .map(|it| (it.pid, Some(time(&it.pid))))
            .collect();
    }
}

/// What a process has too much of, by what the kernel says of it.
fn exceeded(status: &str, bounds: &Bounds) -> Option<String> {
    beyond(memory_of(status), threads_of(status), 1, bounds)
}

/// What processes have too much of together.
fn exceeded_together(found: &[Member], bounds: &Bounds) -> Option<String> {
    let sum = |of: fn(&str) -> u64| {
        let figures = found.iter().map(|member| of(&member.status));
        figures.fold(0, u64::saturating_add)
    };
    let processes = found.len() as u64;
    beyond(sum(memory_of), sum(threads_of), processes, bounds)
}

fn memory_of(status: &str) -> u64 {
    let has = |name| memory::kibibytes(status, name).unwrap_or(0);
    has("RssAnon:").saturating_add(has("VmSwap:"))
}

fn threads_of(status: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Says what is too much.
fn beyond(memory: u64, threads: u64, processes: u64, bounds: &Bounds) -> Option<String> {
    let them = match processes {
        0 | 1 => "it".to_owned(),
        _ => format!("it and its child processes, {processes} in all,"),
    };
    let slack = SLACK.saturating_add(SLACK_OF_EACH.saturating_mul(processes.saturating_sub(1)));
    if memory > bounds.memory.saturating_add(slack) {
        let advice = Limit::Memory.advice(bounds)?;
        let mebibytes = memory >> 20;
        return Some(format!("{them} had {mebibytes} MiB of memory: {advice}"));
    }
    if threads > bounds.threads {
        let advice = Limit::Threads.advice(bounds)?;
        return Some(format!("{them} had {threads} threads: {advice}"));
    }
    None
}

/// When to look.
enum Pulse {
    /// When the process has spent time.
    Spent(Heart),
    /// When time has passed.
    Passed,
}

impl Pulse {
    fn of(pid: u32) -> Self {
        Heart::of(pid).map_or(Self::Passed, Self::Spent)
    }

    async fn beat(&mut self) {
        match self {
            Self::Spent(heart) => heart.beat.notified().await,
            Self::Passed => tokio::time::sleep(PASSED).await,
        }
    }
}

/// Who is to be told by the timer of this number.
struct Heart {
    number: isize,
    beat: Arc<Notify>,
}

/// What this thread hears.
#[derive(Default)]
struct Ear {
    hearing: Option<JoinHandle<()>>,
    last: isize,
    hearts: HashMap<isize, (Timer, Arc<Notify>)>,
}

thread_local! {
    /// Timers tell a thread: the supervisor's.
    static EAR: RefCell<Ear> = RefCell::default();
}

/// Begins to hear timers in this thread, the supervisor's. Done with the first host, whether it is
/// watched or not: what is opened for good is opened then.
pub(crate) fn prepare() {
    EAR.with_borrow_mut(|ear| {
        if ear.hearing.is_none() {
            let mask = SigSet::from(SIGNAL);
            let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
            let signals = SignalFd::with_flags(&mask, flags).map_err(io::Error::from);
            // Without it, time of day has to do.
            ear.hearing = signals
                .and_then(listen)
                .ok()
                .map(|it| tokio::spawn(hear(it)));
        }
    });
}

impl Heart {
    /// Has the kernel tell when the process has spent time; none if it can't.
    fn of(pid: u32) -> Option<Self> {
        prepare();
        EAR.with_borrow_mut(|ear| {
            ear.hearing.as_ref()?;
            ear.last = ear.last.wrapping_add(1);
            let number = ear.last;
            let beat = Arc::new(Notify::new());
            let timer = timer(pid, number)?;
            ear.hearts.insert(number, (timer, Arc::clone(&beat)));
            Some(Self { number, beat })
        })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        EAR.with_borrow_mut(|ear| ear.hearts.remove(&self.number));
    }
}

/// A timer on the clock of that process, which tells this thread.
fn timer(pid: u32, number: isize) -> Option<Timer> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?);
    let clock = ClockId::pid_cpu_clock_id(pid).ok()?;
    let event = SigEvent::new(SigevNotify::SigevThreadId {
        signal: SIGNAL,
        thread_id: gettid().as_raw(),
        si_value: number,
    });
    let mut timer = Timer::new(clock, event).ok()?;
    let every = Expiration::Interval(SPENT.into());
    timer.set(every, TimerSetTimeFlags::empty()).ok()?;
    Some(timer)
}

#[expect(
    deprecated,
    reason = "sound for an owned descriptor; its successor is unsafe to call"
)]
fn listen(signals: SignalFd) -> io::Result<AsyncFd<SignalFd>> {
    AsyncFd::with_interest(signals, Interest::READABLE)
}

async fn hear(signals: AsyncFd<SignalFd>) {
    while let Ok(mut ready) = signals.readable().await {
        while let Ok(Some(signal)) = signals.get_ref().read_signal() {
            let number = isize::try_from(signal.ssi_ptr).unwrap_or(0);
            EAR.with_borrow(|ear| {
                if let Some((_, beat)) = ear.hearts.get(&number) {
                    beat.notify_one();
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

    #[test]
    fn what_is_within_bounds_is_left_alone() {
        assert_eq!(exceeded(&status(90, 0, 8), &BOUNDS), None);
        assert_eq!(exceeded("", &BOUNDS), None);
        assert_eq!(exceeded("RssAnon: much\nThreads: many\n", &BOUNDS), None);
    }

    #[test]
    fn what_is_beyond_them_is_named() {
        for (memory, swap) in [(97, 0), (60, 37), (u64::MAX >> 21, u64::MAX >> 21)] {
            let text = exceeded(&status(memory, swap, 1), &BOUNDS).unwrap();
            assert!(text.contains("memory=\"64 MiB\""), "{text}");
        }
        let text = exceeded(&status(1, 0, 9), &BOUNDS).unwrap();
        assert!(text.contains("9 threads: its limit is threads=8"), "{text}");
    }

    #[test]
    fn processes_count_together() {
        let member = |memory, threads| Member {
            pid: 1,
            status: status(memory, 0, threads),
        };
        let few = [member(50, 1), member(50, 7)];
        assert_eq!(exceeded_together(&few, &BOUNDS), None);
        let text = exceeded_together(&[member(65, 1), member(65, 1)], &BOUNDS).unwrap();
        assert!(text.contains("2 in all, had 130 MiB of memory"), "{text}");
        let many = [member(1, 4), member(1, 4), member(1, 1)];
        let text = exceeded_together(&many, &BOUNDS).unwrap();
        assert!(text.contains("3 in all, had 9 threads"), "{text}");
        assert_eq!(exceeded_together(&[], &BOUNDS), None);
    }

    #[test]
    fn process_that_spends_time_is_heard_and_one_that_does_not_is_not() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let mut idle = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (busy_pid, idle_pid) = (busy.id(), idle.id());
        let hearing = std::thread::Builder::new().spawn(move || {
            // As the supervisor does.
            SigSet::all().thread_block().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (mut working, mut sleeping) = (Pulse::of(busy_pid), Pulse::of(idle_pid));
                assert!(matches!(working, Pulse::Spent(_)));
                let quiet = Duration::from_millis(300);
                // A fresh process spends some at its start.
                while tokio::time::timeout(quiet, sleeping.beat()).await.is_ok() {}
                for _ in 0..5 {
                    let patience = Duration::from_secs(30);
                    tokio::time::timeout(patience, working.beat())
                        .await
                        .unwrap();
                }
            });
        });
        let heard = hearing.unwrap().join();
        for child in [&mut busy, &mut idle] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        heard.unwrap();
    }
}
