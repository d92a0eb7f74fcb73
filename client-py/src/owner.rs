//! The owner of an addon: the daemon thread that takes the host's turns, learns how promises end
//! and flushes releases, so that none of it happens in a thread that only dropped an object.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use hostd_client::{Events, ExitReport, Stream};
use hostd_protocol::calls::CallKind;
use hostd_protocol::confinement::Applied;
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ValueReader;
use pyo3::prelude::*;

use crate::convert::Decoder;
use crate::errors;
use crate::output;
use crate::proxy::promise::read_outcome;
use crate::proxy::{self, Promise};
use crate::quiet;
use crate::request::{Ask, take_back};
use crate::session::Session;
use crate::world::World;

/// What the supervisor's thread leaves for the owner: it never waits for Python itself.
enum Job {
    Notice(Header, Vec<u8>),
    Died(Box<ExitReport>),
}

/// The owner of one addon.
#[derive(Clone)]
pub(crate) struct Owner {
    shared: Arc<Shared>,
}

struct Shared {
    session: Weak<Session>,
    jobs: Mutex<VecDeque<Job>>,
    thread: Mutex<Option<Thread>>,
    /// The process that the thread runs in: a forked child has none.
    process: AtomicU32,
    /// Releases that wait in the world.
    waiting: AtomicUsize,
    /// The thread looks again within [`FLUSH_AFTER`].
    awake: AtomicBool,
    stopped: AtomicBool,
}

/// Releases wait for a frame to ride with for this long.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// So many releases are not kept waiting.
const FLUSH_AT: usize = 256;
/// A host that queues more notices than this is not served further: it is out of its mind.
const MAX_JOBS: usize = 1 << 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owner {
    pub(crate) fn new(session: Weak<Session>) -> Self {
        Self {
            shared: Arc::new(Shared {
                session,
                jobs: Mutex::new(VecDeque::new()),
                thread: Mutex::new(None),
                process: AtomicU32::new(0),
                waiting: AtomicUsize::new(0),
                awake: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
            }),
        }
    }

    /// Starts the thread, if this process has none yet.
    pub(crate) fn start(&self) {
        let process = std::process::id();
        if self.shared.process.swap(process, Ordering::AcqRel) == process {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Ok(thread) = quiet::start("napi-python-owner", move || shared.run()) {
            *locked(&self.shared.thread) = Some(thread);
        } else {
            // Without a thread promises stay pending; the next start tries again.
            self.shared.process.store(0, Ordering::Release);
        }
    }

    /// Ends the thread soon.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// Releases wait; called wherever Python drops an object.
    pub(crate) fn releases_wait(&self, waiting: usize) {
        self.shared.waiting.store(waiting, Ordering::Release);
        if waiting == FLUSH_AT || !self.shared.awake.swap(true, Ordering::AcqRel) {
            self.shared.wake();
        }
    }

    /// In the owner's own thread, where a callback waits for something: does what has come
    /// meanwhile. Returns whether this is that thread.
    pub(crate) fn attend_if_owner(&self) -> bool {
        let is_owner = locked(&self.shared.thread)
            .as_ref()
            .is_some_and(|thread| thread.id() == thread::current().id());
        if is_owner {
            loop {
                let Some(job) = locked(&self.shared.jobs).pop_front() else {
                    break;
                };
                if !self.shared.attend(job) {
                    break;
                }
            }
        }
        is_owner
    }

    fn leave(&self, job: Job) {
        {
            let mut jobs = locked(&self.shared.jobs);
            if jobs.len() >= MAX_JOBS {
                return;
            }
            jobs.push_back(job);
        }
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        // A thread that drops an object must not wait: whoever holds this lock is starting the
        // thread, which looks at everything then.
        if let Ok(thread) = self.thread.try_lock()
            && let Some(thread) = &*thread
        {
            thread.unpark();
        }
    }

    fn run(self: Arc<Self>) {
        while !self.stopped.load(Ordering::Acquire) {
            let job = locked(&self.jobs).pop_front();
            match job {
                Some(job) => {
                    if !self.attend(job) {
                        return;
                    }
                }
                None if self.waiting.load(Ordering::Acquire) >= FLUSH_AT => {
                    if !self.flush() {
                        return;
                    }
                }
                None if self.waiting.load(Ordering::Acquire) > 0 => {
                    thread::park_timeout(FLUSH_AFTER);
                    if locked(&self.jobs).is_empty() && !self.flush() {
                        return;
                    }
                }
                None => {
                    self.awake.store(false, Ordering::Release);
                    if self.waiting.load(Ordering::Acquire) == 0 && locked(&self.jobs).is_empty() {
                        if self.session.strong_count() == 0 {
                            return;
                        }
                        thread::park_timeout(Duration::from_secs(10));
                    }
                }
            }
        }
    }

    /// Sends what is to be released, if nothing took it along meanwhile. Returns false when the
    /// interpreter ends.
    fn flush(&self) -> bool {
        self.waiting.store(0, Ordering::Release);
        let Some(session) = self.session.upgrade() else {
            return false;
        };
        Python::try_attach(|py| {
            if let Some(world) = session.world()
                && world.has_releases()
                && session.is_current(&world)
            {
                // A host that died meanwhile has nothing to release any more.
                let _ = session.request(
                    py,
                    Ask::at(CallKind::Release, &world),
                    |_| Ok(()),
                    |_| Ok(()),
                );
            }
            drop(session);
        })
        .is_some()
    }

    fn attend(&self, job: Job) -> bool {
        let Some(session) = self.session.upgrade() else {
            return false;
        };
        Python::try_attach(|py| {
            let attended = match job {
                Job::Died(report) => {
                    if let Some(world) = session.world()
                        && world.generation.0 == report.generation
                    {
                        session.bury(&world, &report);
                    }
                    Ok(())
                }
                Job::Notice(header, body) => notice(py, &session, header, &body),
            };
            if let Err(error) = attended {
                session.end_if_broken(py);
                output::trouble(py, &session.label, &error);
            }
            drop(session);
        })
        .is_some()
    }
}

fn notice(py: Python<'_>, session: &Arc<Session>, header: Header, body: &[u8]) -> PyResult<()> {
    let Some(world) = session
        .world()
        .filter(|world| world.generation == header.generation)
    else {
        return Ok(());
    };
    let mut reader = ValueReader::new(body, &session.limits);
    take_back(&world, header.flags, &mut reader)?;
    match CallKind::from_number(header.number) {
        Some(CallKind::Ring) => take_turns(py, session),
        Some(CallKind::Settled) => {
            let id = reader.take_id().map_err(errors::protocol)?;
            let promise = proxy::receive_mention(py, &world, id);
            let mut decoder = Decoder::new(py, session, &world, reader, &[])?;
            match read_outcome(&mut decoder)? {
                Some(outcome) => {
                    if let Some(promise) = promise.and_then(|known| known.cast_into().ok()) {
                        Promise::settle(promise.get(), py, outcome);
                    }
                    Ok(())
                }
                // Too large for a notice: asked for.
                None => ask_again(py, &world, id),
            }
        }
        Some(CallKind::Uncaught) => {
            let mut decoder = Decoder::new(py, session, &world, reader, &[])?;
            let error = decoder.thrown()?;
            let origin = decoder.value()?;
            decoder.finish()?;
            output::uncaught(py, &session.label, error, &origin)
        }
        _ => Ok(()),
    }
}

fn ask_again(py: Python<'_>, world: &World, id: SlotId) -> PyResult<()> {
    match world.proxy(py, id) {
        Some(proxy) => match proxy.cast::<Promise>() {
            Ok(promise) => promise.get().ask(py),
            Err(_) => Ok(()),
        },
        None => Ok(()),
    }
}

/// Lets the host run what it owes itself, until nothing is left.
fn take_turns(py: Python<'_>, session: &Arc<Session>) -> PyResult<()> {
    loop {
        let Some(world) = session.world().filter(|world| session.is_current(world)) else {
            return Ok(());
        };
        let more = session.request(
            py,
            Ask::at(CallKind::Turn, &world),
            |_| Ok(()),
            |decoder| decoder.reader.take_bool().map_err(errors::protocol),
        )?;
        if !more {
            return Ok(());
        }
    }
}

/// What the client's own threads tell: passed on, and nothing waited for.
pub(crate) struct Listener {
    pub(crate) label: String,
    pub(crate) owner: Owner,
}

impl Events for Listener {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        output::output(&self.label, stream, bytes);
    }

    fn log(&self, level: LogLevel, target: &str, message: &str) {
        output::log(level, target, message);
    }

    fn died(&self, report: &ExitReport) {
        self.owner.leave(Job::Died(Box::new(report.clone())));
    }

    fn degraded(&self, missing: &str, _: &Applied) {
        let message = format!(
            "the addon {} runs without {missing}, which its sandbox should have: degrade=\"allow\"; \
             host(addon).sandbox has the whole report",
            self.label
        );
        output::log(LogLevel::Warn, "sandbox", &message);
    }

    fn notice(&self, header: Header, body: &[u8]) {
        self.owner.leave(Job::Notice(header, body.to_vec()));
    }
}
