//! A session that runs on the thread that loaded its addon: a coroutine, which runs while that thread
//! waits on a lane, in a call, or for the session's end.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use hostd_protocol::carrier::HostRunner;
use hostd_protocol::carrier::WaitLimit;
use hostd_protocol::direct::{DirectCall, DirectCallback};
use hostd_protocol::in_process::{Resumed, SessionEnd};
use tokio::sync::oneshot;

use crate::error::SpawnError;
use crate::library::{STACK_BYTES, SessionLibrary, SharedSession, WakeTarget};
use crate::lock;

/// How long the owner's thread sleeps between two looks at a session that is to end.
const END_POLL_INTERVAL: Duration = Duration::from_micros(50);
/// No wait with a limit.
const NEVER: u64 = u64::MAX;

thread_local! {
    /// The calling thread: a read of it counts no reference, as `thread::current` does.
    static HERE: ThreadId = thread::current().id();
}

/// The time that moments are counted from, in nanoseconds.
static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

fn nanoseconds(at: Instant) -> u64 {
    let passed = at.saturating_duration_since(*BASE).as_nanos();
    u64::try_from(passed).unwrap_or(NEVER)
}

/// A session and the thread that it belongs to.
pub(crate) struct CallerThread {
    owner: ThreadId,
    session: OnceLock<Box<dyn SharedSession>>,
    ended: Mutex<Option<oneshot::Sender<SessionEnd>>>,
    is_over: AtomicBool,
    /// When it is to run at the latest: nanoseconds since [`BASE`].
    due: AtomicU64,
    /// When [`Self::take_due`] is called at the latest, as it has returned: nanoseconds since [`BASE`].
    next_look: AtomicU64,
    wakes: Arc<Wakes>,
}

/// What other threads tell a session.
pub(crate) struct Wakes {
    is_woken: AtomicBool,
    /// Has [`CallerThread::take_due`] called soon.
    attend: Box<dyn Fn() + Send + Sync>,
}

impl WakeTarget for Wakes {
    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            (self.attend)();
        }
    }
}

impl fmt::Debug for CallerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerThread")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl CallerThread {
    /// A session of this thread that is not opened yet. Its end is sent to `ended`;
    /// `attend` has [`Self::take_due`] called.
    pub(crate) fn new(
        owner: ThreadId,
        ended: oneshot::Sender<SessionEnd>,
        attend: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        LazyLock::force(&BASE);
        Self {
            owner,
            session: OnceLock::new(),
            ended: Mutex::new(Some(ended)),
            is_over: AtomicBool::new(false),
            due: AtomicU64::new(NEVER),
            next_look: AtomicU64::new(NEVER),
            wakes: Arc::new(Wakes {
                is_woken: AtomicBool::new(false),
                attend,
            }),
        }
    }

    /// Whether the calling thread is its own.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.owner == HERE.with(|here| *here)
    }

    /// Opens the session, on its thread, and runs it until its handshake is done.
    pub(crate) fn open(
        &self,
        library: &dyn SessionLibrary,
        control: OwnedFd,
    ) -> Result<(), SpawnError> {
        let target = Arc::clone(&self.wakes) as Arc<dyn WakeTarget>;
        let opened = library.open(control, STACK_BYTES, target);
        let session = opened.map_err(|source| SpawnError::System {
            what: "cannot make the stack of the session",
            source,
        })?;
        let _ = self.session.set(session);
        self.run(None, None);
        Ok(())
    }

    /// Runs a session that was told to end until it has, at most until `end`. Does nothing on another
    /// thread. Whether it has ended.
    pub(crate) fn finish(&self, end: Instant) -> bool {
        if !self.is_here() {
            return false;
        }
        while !self.is_over.load(Ordering::Acquire) && Instant::now() < end {
            self.run(None, None);
            thread::sleep(END_POLL_INTERVAL);
        }
        self.is_over.load(Ordering::Acquire)
    }

    /// Whether it is to run, and when it is at the latest otherwise: then this is to be called again. Says
    /// once that it is to run. Called by one thread at a time.
    pub(crate) fn take_due(&self) -> (bool, Option<Instant>) {
        let is_woken = self.wakes.is_woken.swap(false, Ordering::AcqRel);
        // Either this reads a time that is set meanwhile, or what sets it finds no earlier look.
        self.next_look.store(NEVER, Ordering::SeqCst);
        let due = self.due.load(Ordering::SeqCst);
        if due == NEVER {
            return (is_woken, None);
        }
        if due > nanoseconds(Instant::now()) {
            self.next_look.store(due, Ordering::SeqCst);
            return (is_woken, Some(*BASE + Duration::from_nanos(due)));
        }
        // Unless it has run meanwhile.
        let _ = self
            .due
            .compare_exchange(due, NEVER, Ordering::AcqRel, Ordering::Relaxed);
        (true, None)
    }

    #[cold]
    fn set_over(&self, end: SessionEnd) {
        self.is_over.store(true, Ordering::Release);
        if let Some(ended) = lock(&self.ended).take() {
            // The receiver is gone if it was given up.
            let _ = ended.send(end);
        }
    }

    /// Notes when it is to run at the latest, and has that attended to unless that happens before then:
    /// most limits are over before their time comes.
    fn set_due(&self, time: Duration) {
        let due = nanoseconds(Instant::now())
            .saturating_add(u64::try_from(time.as_nanos()).unwrap_or(NEVER));
        self.due.store(due, Ordering::SeqCst);
        if due < self.next_look.load(Ordering::SeqCst) {
            (self.wakes.attend)();
        }
    }
}

impl HostRunner for CallerThread {
    #[inline]
    fn run(&self, call: Option<&mut DirectCall>, callback: Option<&mut DirectCallback>) -> bool {
        let Some(session) = self.session.get() else {
            return false;
        };
        if self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        match session.resume(call, callback) {
            Resumed::Waiting(WaitLimit::Unchanged) => {}
            Resumed::Waiting(WaitLimit::Unlimited) => {
                if self.due.load(Ordering::Relaxed) != NEVER {
                    self.due.store(NEVER, Ordering::Release);
                }
            }
            Resumed::Waiting(WaitLimit::After(time)) => self.set_due(time),
            Resumed::Ended(end) => {
                self.set_over(end);
                return false;
            }
        }
        true
    }
}
