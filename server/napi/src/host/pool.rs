//! The thread pool of async work, one per process as libuv's is.
//!
//! Threads are started when work finds none idle, up to `UV_THREADPOOL_SIZE` (4 if it is not set).
//! They live as long as the process.
//!
//! A thread that has done its job and finds no other stays near for a moment: nobody has to wake it
//! for the next one. If it had found several at once, it naps, for others are on their way, and
//! comes back for all of them. If there was but one, it looks for the next, for as long as that has
//! paid of late, and leaves the CPU between two looks to whoever wants it, the host's thread above
//! all: a timer for so short a time costs as much as some calls do. Where nobody is near, what comes
//! wakes a thread at once, and whoever leaves jobs behind for another one wakes it. So nothing waits
//! for longer than one nap, even if the host's thread, having queued a job, waits for that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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

/// How long a thread naps, or looks for a job at most.
const NAP: Duration = Duration::from_micros(100);
/// A shorter look is not worth the trouble.
const LEAST: Duration = Duration::from_micros(10);
/// Given up, it is tried again after so many jobs, at first and at most: each time that somebody
/// else took the CPU for long meanwhile, twice as many.
const RETRY: u32 = 16;
const LATEST_RETRY: u32 = 1 << 14;
const LONG: Duration = Duration::from_micros(500);
/// Looks between two at the clock.
const ROUNDS: u32 = 16;

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

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that sleep until they are woken, and how many of them are woken but not here yet.
    idle: usize,
    coming: usize,
    /// A thread is near: it comes for jobs of its own accord; and whether it looks for them now.
    is_near: bool,
    is_looking: bool,
}

impl Queue {
    /// Says how many threads are at hand.
    fn tell(&self) {
        let at_hand = self.coming + usize::from(self.is_looking);
        AT_HAND.store(at_hand, Ordering::Relaxed);
    }
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    jobs: VecDeque::new(),
    threads: 0,
    idle: 0,
    coming: 0,
    is_near: false,
    is_looking: false,
});
static READY: Condvar = Condvar::new();
/// Whether there are jobs, for who looks for them.
static HAS_JOBS: AtomicBool = AtomicBool::new(false);
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

/// Whether a job waits for a thread that would take it at once, if it had a CPU.
#[inline]
pub(crate) fn waits_for_cpu() -> bool {
    HAS_JOBS.load(Ordering::Relaxed) && AT_HAND.load(Ordering::Relaxed) > 0
}

/// Starts another thread if the jobs that are there need one and there may be one. False if there
/// is none at all.
fn see_to_it(queue: &mut Queue) -> bool {
    if queue.is_near || queue.jobs.len() <= queue.idle || queue.threads >= *SIZE {
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
    let is_awaited = queue.idle > queue.coming && !queue.is_near && !queue.jobs.is_empty();
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
    let mut lookout = Lookout::new();
    loop {
        let mut queue = lock();
        let job = loop {
            if let Some(job) = queue.jobs.pop_front() {
                break job;
            }
            HAS_JOBS.store(false, Ordering::Relaxed);
            if !queue.is_near && (burst > 1 || burst == 1 && lookout.pays()) {
                queue.is_near = true;
                queue.is_looking = burst == 1;
                queue.tell();
                drop(queue);
                if burst > 1 {
                    thread::sleep(NAP);
                } else {
                    lookout.look();
                }
                queue = lock();
                (queue.is_near, queue.is_looking) = (false, false);
                queue.tell();
                burst = 0;
            } else {
                burst = 0;
                queue.idle += 1;
                queue = READY.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                queue.coming = queue.coming.saturating_sub(1);
                queue.tell();
            }
        };
        burst += 1;
        see_to_it(&mut queue);
        wake_another(queue);
        job.run();
    }
}

/// How long a thread looks for the next job: the longest time after a success, half as long after
/// each failure, and now and then if it was given up.
#[derive(Debug)]
struct Lookout {
    time: Duration,
    /// Jobs since it was given up, and after how many it is tried again.
    jobs: u32,
    retry: u32,
}

impl Lookout {
    fn new() -> Self {
        Self {
            time: NAP,
            jobs: 0,
            retry: RETRY,
        }
    }

    fn pays(&mut self) -> bool {
        if self.time.is_zero() {
            self.jobs += 1;
            if self.jobs >= self.retry {
                (self.time, self.jobs) = (NAP, 0);
            }
        }
        !self.time.is_zero()
    }

    fn look(&mut self) {
        let start = Instant::now();
        let mut passed = Duration::ZERO;
        loop {
            for _ in 0..ROUNDS {
                if HAS_JOBS.load(Ordering::Relaxed) {
                    *self = Self::new();
                    return;
                }
                std::hint::spin_loop();
            }
            if passed >= self.time {
                break;
            }
            thread::yield_now();
            let before = passed;
            passed = start.elapsed();
            if passed.saturating_sub(before) > LONG {
                // Whoever is near but gets no CPU keeps others from the jobs.
                self.time = Duration::ZERO;
                self.retry = (self.retry * 2).min(LATEST_RETRY);
                return;
            }
        }
        let half = self.time / 2;
        self.time = if half < LEAST { Duration::ZERO } else { half };
    }
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
    fn who_looks_in_vain_gives_that_up_and_tries_again() {
        let mut lookout = Lookout::new();
        let mut looked = 0;
        while lookout.pays() {
            lookout.look();
            looked += 1;
            assert!(looked < 10);
        }
        assert!((2..RETRY).all(|_| !lookout.pays()));
        assert!(lookout.pays());
        assert_eq!(lookout.time, NAP);
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
