//! The thread pool of async work, one per process as libuv's is.
//!
//! Threads are started when work finds none idle, up to `UV_THREADPOOL_SIZE` (4 if it is not set).
//! They live as long as the process.
//!
//! Waking a thread costs more than many jobs take, so a thread that finds no further job does not
//! park at once:
//!
//! - After a burst of jobs it parks for a short time, since more are likely to come, and then takes
//!   all of them at once. Nothing wakes it for a job, but an idle JS thread ends this timed park.
//! - After a single job it spins for the next one, for as long as that has succeeded of late, and
//!   yields between polls, above all to the JS thread. A timer for so short a time would cost as
//!   much as some calls do.
//! - Where spinning does not pay and jobs follow each other closely, it parks for a short time all
//!   the same: if a thread had to be woken for each job, the JS thread would be so busy with that
//!   that there would never be several at once.
//!
//! While jobs are quick, a busy thread reaches those behind it sooner than another thread would wake,
//! so none is woken. How long a job takes is not known before: a parked thread watches meanwhile, and
//! takes what still waits after a timeout. In every other case a job wakes a thread at once, and a
//! thread that leaves jobs behind wakes another one. So a job waits for one timed park at most, even
//! if the JS thread waits for that job.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hostd_wait::constants::{
    POOL_QUICK, POOL_RAPID, POOL_SPIN, POOL_TIMED_PARK_IDLE, POOL_TIMED_PARK_MAX, POOL_WATCH,
};
use hostd_wait::{AdaptiveSpin, WaitSwitch, YieldBackoff};

use super::{Event, Inbox};
use crate::abi::callback::Execute;
use crate::abi::checked::Data;
use crate::abi::types::napi_env;

/// The largest number of threads, if the environment does not set one.
const DEFAULT_SIZE: usize = 4;
/// The largest number of threads that the environment can set, as in libuv.
const LARGEST_SIZE: usize = 1024;
/// Bytes of a thread's stack: libuv's default where the system sets no limit.
const STACK: usize = 8 << 20;

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Decides, once, whether a job runs or is taken back.
#[derive(Debug)]
pub(crate) struct Ticket(AtomicU8);

impl Ticket {
    /// The ticket of a job that waits.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(WAITING))
    }

    /// Takes the job back; false if it has begun, or was taken back before.
    pub(crate) fn withdraw(&self) -> bool {
        self.decide(WITHDRAWN)
    }

    /// Whether it was taken back.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Acquire) == WITHDRAWN
    }

    fn begin(&self) -> bool {
        self.decide(BEGUN)
    }

    fn decide(&self, state: u8) -> bool {
        self.0
            .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// What a thread of the pool runs.
pub(crate) enum Job {
    /// An addon's async work.
    Work(Execution),
    /// A function of the embedder's.
    Task(Box<dyn FnOnce() + Send>),
}

/// One execution of a piece of work.
#[derive(Debug)]
pub(crate) struct Execution {
    /// The work's id.
    pub(crate) work: usize,
    /// The environment that `execute` is passed.
    pub(crate) env: napi_env,
    /// The function to run.
    pub(crate) execute: Execute,
    /// The data that it is passed, as an integer.
    pub(crate) data: usize,
    /// Whether it may run.
    pub(crate) ticket: Arc<Ticket>,
    /// Where its completion is posted.
    pub(crate) inbox: Arc<Inbox>,
}

impl Job {
    fn run(self) {
        match self {
            Self::Work(execution) => execution.run(),
            // A panic ends the task, not the thread.
            Self::Task(task) => drop(catch_unwind(AssertUnwindSafe(task))),
        }
    }
}

impl Execution {
    fn run(self) {
        if !self.ticket.begin() {
            return;
        }
        self.execute.call(self.env, Data::from_word(self.data));
        self.inbox.post(Event::WorkDone {
            id: self.work,
            cancelled: false,
        });
    }
}

struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Parked threads, and how many of them are on their way to take a job: never more than do come,
    /// since each that comes, for whatever reason, takes one off.
    idle: usize,
    waking: usize,
    nearby: Nearby,
    /// Jobs taken so far, and whether the last of them still runs.
    taken: u64,
    is_last_running: bool,
    /// The job that ended last was quick.
    is_quick: bool,
    /// When a job ended last.
    ended: Option<Instant>,
    /// One of the parked threads has a timeout, and takes jobs that still wait then.
    is_watched: bool,
    /// For the next job, whichever thread spins.
    spin: AdaptiveSpin,
    yields: YieldBackoff,
}

/// Whether an idle thread takes the next job without being woken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nearby {
    /// None does.
    None,
    /// One that is in a timed park.
    TimedPark,
    /// One that spins.
    Spinning,
}

impl Queue {
    const fn new() -> Self {
        Self {
            jobs: VecDeque::new(),
            threads: 0,
            idle: 0,
            waking: 0,
            nearby: Nearby::None,
            taken: 0,
            is_last_running: false,
            is_quick: false,
            ended: None,
            is_watched: false,
            spin: AdaptiveSpin::on_any_cpus(POOL_SPIN),
            yields: YieldBackoff::new(),
        }
    }

    fn set_nearby(&mut self, nearby: Nearby) {
        self.nearby = nearby;
        self.publish_runnable();
    }

    fn publish_runnable(&self) {
        let runnable = self.waking + usize::from(self.nearby == Nearby::Spinning);
        RUNNABLE.store(runnable, Ordering::Relaxed);
    }

    /// Whether a busy thread is expected to take the next job soon.
    const fn is_busy(&self) -> bool {
        self.is_quick && self.is_last_running
    }

    /// Whether jobs are taken without a thread being woken for them.
    fn is_attended(&self) -> bool {
        self.nearby != Nearby::None || self.is_watched && self.is_busy()
    }

    /// Whether the next thread that parks is to have a timeout.
    fn needs_watch(&self) -> bool {
        !self.is_watched && (self.nearby == Nearby::TimedPark || self.is_busy())
    }

    /// Counts a parked thread that is to be woken for the jobs, if no other thread takes them.
    fn wake(&mut self) -> bool {
        let is_needed = self.idle > self.waking && !self.is_attended();
        if is_needed {
            self.waking += 1;
            self.publish_runnable();
        }
        is_needed
    }

    /// A parked thread runs again: it was woken, or had a timeout. A thread that had a timeout may
    /// have missed the wake-up that was meant for it, and comes all the same.
    fn unpark(&mut self) {
        self.idle -= 1;
        self.waking = self.waking.saturating_sub(1);
        self.publish_runnable();
    }

    /// How long to spin for the next job, if that is expected to succeed.
    fn spin_time(&mut self) -> Option<Duration> {
        if !WaitSwitch::PoolSpin.is_on() || self.yields.is_active() {
            return None;
        }
        self.spin.next_budget()
    }
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());
static READY: Condvar = Condvar::new();
static TIMED_PARK_ENDS: Condvar = Condvar::new();
/// Whether there are jobs, for a thread that spins.
static HAS_JOBS: AtomicBool = AtomicBool::new(false);
/// Whether a thread is in a timed park that the JS thread may end.
static IS_IN_TIMED_PARK: AtomicBool = AtomicBool::new(false);
/// Threads that take a job as soon as they have a CPU: those that spin or were woken.
static RUNNABLE: AtomicUsize = AtomicUsize::new(0);
static SIZE: LazyLock<usize> = LazyLock::new(|| {
    let setting = std::env::var("UV_THREADPOOL_SIZE").ok();
    setting.map_or(DEFAULT_SIZE, |setting| size(&setting))
});

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size for a setting; text that is no number counts as 0, and 0 as 1, as in libuv.
fn size(setting: &str) -> usize {
    let digits: String = setting
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let number = match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => 0,
        Err(_) => LARGEST_SIZE,
    };
    number.clamp(1, LARGEST_SIZE)
}

/// Queues a job. False if there is no thread to run it and none can be started.
pub(crate) fn submit(job: Job) -> bool {
    let mut queue = lock();
    if queue.jobs.try_reserve(1).is_err() {
        return false;
    }
    queue.jobs.push_back(job);
    let is_served = ensure_worker(&mut queue);
    if is_served {
        HAS_JOBS.store(true, Ordering::Relaxed);
        wake_another(queue);
    } else {
        queue.jobs.pop_back();
    }
    is_served
}

/// The JS thread has been idle for `waited`: ends a timed park, since it may be waiting for a job.
/// Whether a job waits for a thread that only needs a CPU.
pub(crate) fn idle(waited: Duration) -> bool {
    if !HAS_JOBS.load(Ordering::Relaxed) {
        return false;
    }
    if waited >= POOL_TIMED_PARK_IDLE && IS_IN_TIMED_PARK.swap(false, Ordering::Relaxed) {
        RUNNABLE.fetch_add(1, Ordering::Relaxed);
        TIMED_PARK_ENDS.notify_one();
    }
    RUNNABLE.load(Ordering::Relaxed) > 0
}

/// Starts another thread if the queued jobs need one, up to the pool's size. False if there is no
/// thread at all.
fn ensure_worker(queue: &mut Queue) -> bool {
    if queue.nearby != Nearby::None || queue.jobs.len() <= queue.idle || queue.threads >= *SIZE {
        return true;
    }
    let started = thread::Builder::new()
        .name("napi-pool".to_owned())
        .stack_size(STACK)
        .spawn(serve);
    match started {
        Ok(_detached) => queue.threads += 1,
        Err(_) if queue.threads == 0 => return false,
        Err(error) => tracing::warn!(%error, "cannot start another thread for async work"),
    }
    true
}

/// Wakes a parked thread if there are jobs that no other thread takes. Unlocks first: a thread that
/// is woken under the lock would block on it.
fn wake_another(mut queue: MutexGuard<'_, Queue>) {
    let is_needed = !queue.jobs.is_empty() && queue.wake();
    drop(queue);
    if is_needed {
        READY.notify_one();
    }
}

fn serve() {
    // Jobs taken since this thread was idle last.
    let mut burst = 0;
    // The last one closely followed another one.
    let mut is_rapid = false;
    let mut queue = lock();
    loop {
        let Some(job) = queue.jobs.pop_front() else {
            HAS_JOBS.store(false, Ordering::Relaxed);
            let is_needed = queue.nearby == Nearby::None && burst > 0;
            let spin_time = if is_needed && burst == 1 {
                queue.spin_time()
            } else {
                None
            };
            let parks_briefly =
                is_needed && (burst > 1 || is_rapid) && WaitSwitch::PoolTimedPark.is_on();
            queue = match spin_time {
                Some(time) => spin(queue, time),
                None if parks_briefly => timed_park(queue),
                None => park(queue),
            };
            burst = 0;
            continue;
        };
        burst += 1;
        queue.taken += 1;
        queue.is_last_running = true;
        let number = queue.taken;
        let before = queue.ended;
        ensure_worker(&mut queue);
        wake_another(queue);
        let start = Instant::now();
        job.run();
        let end = Instant::now();
        is_rapid =
            before.is_some_and(|before| start.saturating_duration_since(before) < POOL_RAPID);
        queue = lock();
        queue.is_last_running &= queue.taken != number;
        queue.is_quick = end - start < POOL_QUICK;
        queue.ended = Some(end);
    }
}

/// Polls for the next job for `time` at most, less if a yield takes a time slice: the threads that
/// need the CPU then keep others from making jobs.
fn spin(mut queue: MutexGuard<'_, Queue>, time: Duration) -> MutexGuard<'_, Queue> {
    queue.set_nearby(Nearby::Spinning);
    let (mut spin, mut yields) = (queue.spin, queue.yields);
    drop(queue);
    let poll = || HAS_JOBS.load(Ordering::Relaxed).then_some(());
    if spin
        .spin_for(time, poll, |_| yields.maybe_yield())
        .is_some()
    {
        yields = YieldBackoff::new();
    }
    queue = lock();
    (queue.spin, queue.yields) = (spin, yields);
    queue.set_nearby(Nearby::None);
    queue
}

/// Parks for a short time, or until the JS thread is idle.
fn timed_park(mut queue: MutexGuard<'_, Queue>) -> MutexGuard<'_, Queue> {
    queue.set_nearby(Nearby::TimedPark);
    IS_IN_TIMED_PARK.store(true, Ordering::Relaxed);
    queue = TIMED_PARK_ENDS
        .wait_timeout(queue, POOL_TIMED_PARK_MAX)
        .unwrap_or_else(PoisonError::into_inner)
        .0;
    IS_IN_TIMED_PARK.store(false, Ordering::Relaxed);
    queue.set_nearby(Nearby::None);
    queue
}

/// Parks until it is woken, or with a timeout if a watch is needed.
fn park(mut queue: MutexGuard<'_, Queue>) -> MutexGuard<'_, Queue> {
    let watches = queue.needs_watch();
    let taken = queue.taken;
    queue.idle += 1;
    if watches {
        queue.is_watched = true;
        let (guard, waited) = READY
            .wait_timeout(queue, POOL_WATCH)
            .unwrap_or_else(PoisonError::into_inner);
        queue = guard;
        queue.is_watched = false;
        // If no job was taken meanwhile, the one that runs is not quick.
        queue.is_quick &= !waited.timed_out() || queue.taken != taken;
    } else {
        queue = READY.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.unpark();
    queue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_read_as_libuv_reads_it() {
        for (wish, expected) in [
            ("4", 4),
            (" 12", 12),
            ("0", 1),
            ("", 1),
            ("many", 1),
            ("-3", 1),
            ("8 threads", 8),
            ("1000000", 1024),
            ("99999999999999999999999", 1024),
        ] {
            assert_eq!(size(wish), expected, "{wish:?}");
        }
    }

    #[test]
    fn jobs_wait_for_a_busy_thread_only_while_they_are_quick() {
        let mut queue = Queue {
            threads: 4,
            idle: 3,
            is_quick: true,
            is_last_running: true,
            ..Queue::new()
        };
        assert!(queue.needs_watch());
        assert!(
            !queue.is_attended(),
            "no thread watches in case that it takes long"
        );
        queue.is_watched = true;
        assert!(queue.is_attended());
        assert!(!queue.needs_watch());
        // The one that still runs was taken before: it takes long.
        queue.is_last_running = false;
        assert!(!queue.is_attended());
        queue.is_watched = false;
        assert!(!queue.needs_watch());
        queue.set_nearby(Nearby::TimedPark);
        assert!(queue.is_attended() && queue.needs_watch());
        queue.set_nearby(Nearby::Spinning);
        assert!(queue.is_attended() && !queue.needs_watch());
        queue.set_nearby(Nearby::None);
        queue.is_quick = false;
        queue.is_last_running = true;
        assert!(!queue.is_attended() && !queue.needs_watch());
    }

    #[test]
    fn wake_up_that_a_timeout_overtook_leaves_no_thread_unwoken() {
        let mut queue = Queue {
            threads: 2,
            idle: 1,
            ..Queue::new()
        };
        // The parked thread has had its timeout, and waits for the lock: no thread gets this wake-up.
        assert!(queue.wake());
        // The other thread takes the job, is done with it and parks, before the first has the lock.
        queue.idle += 1;
        queue.unpark();
        assert_eq!((queue.idle, queue.waking), (1, 0));
        assert!(queue.wake(), "the thread that is parked is woken");
    }

    #[test]
    fn spinning_stops_without_success_and_is_retried() {
        let mut queue = Queue::new();
        assert_eq!(queue.spin_time(), Some(POOL_SPIN.max));
        while let Some(time) = queue.spin_time() {
            let found = queue.spin.spin_for(time, || None::<()>, |_| true);
            assert!(found.is_none());
        }
        assert!((2..POOL_SPIN.retry_after).all(|_| queue.spin_time().is_none()));
        assert_eq!(queue.spin_time(), Some(POOL_SPIN.max));
    }

    #[test]
    fn ticket_decides_once() {
        let ticket = Ticket::new();
        assert!(ticket.withdraw());
        assert!(!ticket.begin());
        assert!(!ticket.withdraw());
        let ticket = Ticket::new();
        assert!(ticket.begin());
        assert!(!ticket.withdraw());
    }
}
