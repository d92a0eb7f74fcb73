//! The thread pool of async work, one per process as libuv's is.
//!
//! Threads are started when work finds none idle, up to `UV_THREADPOOL_SIZE` (4 if it is not set).
//! They live as long as the process.
//!
//! A thread that has done its job and finds no other stays near for a moment: nobody has to wake it
//! for the next one. If it had found several at once, it naps, for others are on their way, and
//! comes back for all of them. If there was but one, it looks for the next, for as long as that has
//! paid of late, and leaves the CPU between two looks to whoever wants it, the host's thread above
//! all: a timer for so short a time costs as much as some calls do. Where that does not pay and jobs
//! follow each other closely, it naps all the same: to wake a thread for each of them keeps whoever
//! makes them so busy that there never are several at once. Where nobody is near, what comes
//! wakes a thread at once, and whoever leaves jobs behind for another one wakes it. So nothing waits
//! for longer than one nap, even if the host's thread, having queued a job, waits for that.
//!
//! Waking a thread costs more than many a job does. While jobs are quick, who works comes to those
//! behind sooner than another thread would, and wakes none. Nobody knows before how long a job takes:
//! another thread keeps watch meanwhile, and takes what still waits when it has slept for a moment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lookout::Lookout;
use super::{Event, Inbox};
use crate::abi::callback::Execute;
use crate::abi::checked::Data;
use crate::abi::types::napi_env;

/// How many threads there are at most, if the environment does not say.
const DEFAULT_SIZE: usize = 4;
/// The most threads that the environment can ask for, as in libuv.
const LARGEST_SIZE: usize = 1024;
/// What libuv gives its threads where the system has no other wish.
const STACK: usize = 8 << 20;

/// How long a thread naps at most; it is woken when the host's thread has had nothing to do for so
/// long.
const NAP: Duration = Duration::from_micros(500);
const IDLE: Duration = Duration::from_micros(10);
/// Jobs that follow each other faster come in numbers, whoever of the pool they find.
const RAPID: Duration = Duration::from_micros(100);
/// A job that took less was over before another thread had come.
const QUICK: Duration = Duration::from_micros(10);
/// How long a job waits at most behind one that was thought to be quick.
const WATCH: Duration = Duration::from_millis(1);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Decides, once, whether a job runs or is taken back.
#[derive(Debug)]
pub(crate) struct Ticket(AtomicU8);

impl Ticket {
    /// Of a job that waits.
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

    fn decide(&self, fate: u8) -> bool {
        self.0
            .compare_exchange(WAITING, fate, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// One execution of a piece of work.
#[derive(Debug)]
pub(crate) struct Job {
    /// The work's id.
    pub(crate) work: usize,
    /// What `execute` is given.
    pub(crate) env: napi_env,
    /// What is run.
    pub(crate) execute: Execute,
    /// What it is given, as an integer.
    pub(crate) data: usize,
    /// Whether it may run.
    pub(crate) ticket: Arc<Ticket>,
    /// Where its end is told.
    pub(crate) inbox: Arc<Inbox>,
}

impl Job {
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
    /// Threads that sleep until they are woken, and how many of them are woken but not here yet.
    idle: usize,
    coming: usize,
    near: Near,
    /// How many jobs were taken so far, and whether the last of them runs still.
    taken: u64,
    is_last_running: bool,
    /// The job that ended last was quick.
    is_quick: bool,
    /// When a job ended last.
    ended: Option<Instant>,
    /// One of the threads that sleep keeps watch.
    is_watched: bool,
    /// Whether it pays to look for the next job, whichever thread does.
    lookout: Lookout,
}

/// Whether a thread comes for jobs of its own accord.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    /// None does.
    Nobody,
    /// One that takes a nap before.
    Napping,
    /// One that looks for jobs now.
    Looking,
}

impl Queue {
    const fn new() -> Self {
        Self {
            jobs: VecDeque::new(),
            threads: 0,
            idle: 0,
            coming: 0,
            near: Near::Nobody,
            taken: 0,
            is_last_running: false,
            is_quick: false,
            ended: None,
            is_watched: false,
            lookout: Lookout::new(),
        }
    }

    /// Somebody is near, or nobody is any more.
    fn set_near(&mut self, near: Near) {
        self.near = near;
        self.tell();
    }

    /// Says how many threads are at hand.
    fn tell(&self) {
        let at_hand = self.coming + usize::from(self.near == Near::Looking);
        AT_HAND.store(at_hand, Ordering::Relaxed);
    }

    /// Whether a thread is at work that comes to those behind soon, as far as one knows.
    const fn is_brisk(&self) -> bool {
        self.is_quick && self.is_last_running
    }

    /// Whether jobs are taken without anybody being woken for them.
    fn is_attended(&self) -> bool {
        self.near != Near::Nobody || self.is_watched && self.is_brisk()
    }

    /// Whether somebody is to see to it that they are.
    fn wants_watch(&self) -> bool {
        !self.is_watched && (self.near == Near::Napping || self.is_brisk())
    }
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());
static READY: Condvar = Condvar::new();
static NAP_ENDS: Condvar = Condvar::new();
/// Whether there are jobs, for who looks for them.
static HAS_JOBS: AtomicBool = AtomicBool::new(false);
/// Whether one naps that was not told that its nap ends.
static IS_NAPPING: AtomicBool = AtomicBool::new(false);
/// How many threads are up for a job, if they are given a CPU: who looks for one, or was woken.
static AT_HAND: AtomicUsize = AtomicUsize::new(0);
static SIZE: LazyLock<usize> = LazyLock::new(|| {
    let wish = std::env::var("UV_THREADPOOL_SIZE").ok();
    wish.map_or(DEFAULT_SIZE, |wish| size(&wish))
});

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size that a setting asks for; what is no number counts as 0, and 0 as 1, as in libuv.
fn size(wish: &str) -> usize {
    let digits: String = wish
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
    queue.jobs.push_back(job);
    let is_served = see_to_it(&mut queue);
    if is_served {
        HAS_JOBS.store(true, Ordering::Relaxed);
        wake_another(queue);
    } else {
        queue.jobs.pop_back();
    }
    is_served
}

/// The host's thread has nothing to do: it may be jobs that it waits for, so nobody sleeps over them.
/// Whether one waits for a thread that would take it at once, if it had a CPU.
pub(crate) fn idle(waited: Duration) -> bool {
    if !HAS_JOBS.load(Ordering::Relaxed) {
        return false;
    }
    if waited >= IDLE && IS_NAPPING.swap(false, Ordering::Relaxed) {
        AT_HAND.fetch_add(1, Ordering::Relaxed);
        NAP_ENDS.notify_one();
    }
    AT_HAND.load(Ordering::Relaxed) > 0
}

/// Starts another thread if the jobs that are there need one and there may be one. False if there
/// is none at all.
fn see_to_it(queue: &mut Queue) -> bool {
    if queue.near != Near::Nobody || queue.jobs.len() <= queue.idle || queue.threads >= *SIZE {
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

/// Wakes a thread for the jobs that are there, if one sleeps that is not woken yet and none comes by
/// itself. Gives the lock back first: who is woken under it falls asleep again, on it.
fn wake_another(mut queue: MutexGuard<'_, Queue>) {
    let is_awaited = queue.idle > queue.coming && !queue.is_attended() && !queue.jobs.is_empty();
    if is_awaited {
        queue.coming += 1;
        queue.tell();
    }
    drop(queue);
    if is_awaited {
        READY.notify_one();
    }
}

fn serve() {
    // Jobs that were there without having to be waited for.
    let mut burst = 0;
    // The last one followed another one closely.
    let mut is_rapid = false;
    let mut queue = lock();
    loop {
        let Some(job) = queue.jobs.pop_front() else {
            HAS_JOBS.store(false, Ordering::Relaxed);
            let is_needed = queue.near == Near::Nobody && burst > 0;
            queue = if is_needed && burst == 1 && queue.lookout.pays() {
                look(queue)
            } else if is_needed && (burst > 1 || is_rapid) {
                nap(queue)
            } else {
                rest(queue)
            };
            burst = 0;
            continue;
        };
        burst += 1;
        queue.taken += 1;
        queue.is_last_running = true;
        let number = queue.taken;
        let before = queue.ended;
        see_to_it(&mut queue);
        wake_another(queue);
        let start = Instant::now();
        job.run();
        let end = Instant::now();
        is_rapid = before.is_some_and(|before| start.saturating_duration_since(before) < RAPID);
        queue = lock();
        queue.is_last_running &= queue.taken != number;
        queue.is_quick = end - start < QUICK;
        queue.ended = Some(end);
    }
}

/// Looks for the next job for a moment.
fn look(mut queue: MutexGuard<'_, Queue>) -> MutexGuard<'_, Queue> {
    queue.set_near(Near::Looking);
    let mut lookout = queue.lookout;
    drop(queue);
    lookout.look(&HAS_JOBS);
    queue = lock();
    queue.lookout = lookout;
    queue.set_near(Near::Nobody);
    queue
}

/// Sleeps for a moment, or until the host's thread has nothing else to do.
fn nap(mut queue: MutexGuard<'_, Queue>) -> MutexGuard<'_, Queue> {
    queue.set_near(Near::Napping);
    IS_NAPPING.store(true, Ordering::Relaxed);
    queue = NAP_ENDS
        .wait_timeout(queue, NAP)
        .unwrap_or_else(PoisonError::into_inner)
        .0;
    IS_NAPPING.store(false, Ordering::Relaxed);
    queue.set_near(Near::Nobody);
    queue
}

/// Sleeps until it is woken, or for a moment if it has to keep watch.
fn rest(mut queue: MutexGuard<'_, Queue>) -> MutexGuard<'_, Queue> {
    let keeps_watch = queue.wants_watch();
    let taken = queue.taken;
    queue.idle += 1;
    let mut is_woken = true;
    if keeps_watch {
        queue.is_watched = true;
        let (guard, waited) = READY
            .wait_timeout(queue, WATCH)
            .unwrap_or_else(PoisonError::into_inner);
        queue = guard;
        queue.is_watched = false;
        is_woken = !waited.timed_out();
        // A job that takes so long is none that others wait behind.
        queue.is_quick &= is_woken || queue.taken != taken;
    } else {
        queue = READY.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.idle -= 1;
    // Who was woken may have come by itself.
    queue.coming = queue
        .coming
        .saturating_sub(usize::from(is_woken))
        .min(queue.idle);
    queue.tell();
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
    fn jobs_wait_for_who_is_at_quick_ones_and_for_nobody_else() {
        let mut queue = Queue {
            threads: 4,
            idle: 3,
            is_quick: true,
            is_last_running: true,
            ..Queue::new()
        };
        assert!(queue.wants_watch());
        assert!(!queue.is_attended(), "it may take long after all");
        queue.is_watched = true;
        assert!(queue.is_attended());
        assert!(!queue.wants_watch());
        // The one that runs still was taken before: it takes long.
        queue.is_last_running = false;
        assert!(!queue.is_attended());
        queue.is_watched = false;
        assert!(!queue.wants_watch());
        queue.set_near(Near::Napping);
        assert!(queue.is_attended() && queue.wants_watch());
        queue.set_near(Near::Looking);
        assert!(queue.is_attended() && !queue.wants_watch());
        queue.set_near(Near::Nobody);
        queue.is_quick = false;
        queue.is_last_running = true;
        assert!(!queue.is_attended() && !queue.wants_watch());
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
