//! The owner of an addon: sees to it that the host's turns are taken and that promises learn how
//! they end, and flushes releases, so that none of it happens in a thread that only dropped an
//! object.
//!
//! A daemon thread does what nobody else does. See `turns` for who else takes turns.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use hostd_client::{Events, ExitReport, Stream};
use hostd_protocol::calls::CallKind;
use hostd_protocol::confinement::Applied;
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;
use hostd_protocol::ids::Generation;
use hostd_protocol::value::ValueReader;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::convert::Decoder;
use crate::early::Early;
use crate::errors;
use crate::output;
use crate::proxy::promise;
use crate::quiet;
use crate::request::{Ask, take_back};
use crate::session::Session;
use crate::turns::{Asked, STALE, TurnCondition, Turns, running_loop};
use crate::world::World;

/// What the client's threads leave for the owner.
enum Job {
    Notice(Header, Vec<u8>),
    /// Nobody else takes a turn that is due.
    Turn,
    Died(Box<ExitReport>),
}

/// The owner of one addon.
#[derive(Clone)]
pub(crate) struct Owner {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    session: Weak<Session>,
    turns: Turns,
    jobs: Mutex<VecDeque<Job>>,
    /// The process in which a thread is doing the jobs, or 0.
    at_work: AtomicU32,
    thread: ArcSwapOption<Thread>,
    /// The process that the thread runs in: a forked child has none.
    process: AtomicU32,
    /// Releases that wait in the world.
    waiting: AtomicUsize,
    /// The thread looks again within [`FLUSH_AFTER`].
    awake: AtomicBool,
    /// The thread looks again within [`STALE`]: others were rung for lately.
    watching: AtomicBool,
    /// What a host said while it loaded its addon.
    early: Early,
    stopped: AtomicBool,
    /// Bytes that hosts printed and nobody was shown.
    dropped: AtomicU64,
}

/// Releases wait for a frame to ride with for this long.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
/// So many releases are not kept waiting.
const FLUSH_AT: usize = 256;
/// A host that queues more notices than this is not served further: it is out of its mind.
const MAX_JOBS: usize = 1 << 20;
/// Without a ring for so long, the thread does not look after those who take turns any more.
const UNWATCHED: Duration = Duration::from_secs(1);
/// A loop that is busy is looked after this often at least.
const MOST_PATIENT: Duration = Duration::from_millis(500);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owner {
    pub(crate) fn new(session: Weak<Session>) -> Self {
        Self {
            shared: Arc::new(Shared {
                session,
                turns: Turns::default(),
                jobs: Mutex::new(VecDeque::new()),
                at_work: AtomicU32::new(0),
                thread: ArcSwapOption::empty(),
                process: AtomicU32::new(0),
                waiting: AtomicUsize::new(0),
                awake: AtomicBool::new(false),
                watching: AtomicBool::new(false),
                early: Early::default(),
                stopped: AtomicBool::new(false),
                dropped: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(|shared| Self { shared })
    }

    /// Starts the thread, if this process has none yet.
    pub(crate) fn start(&self) {
        let process = std::process::id();
        if self.shared.process.swap(process, Ordering::AcqRel) == process {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Ok(thread) = quiet::start("napi-python-owner", move || shared.run()) {
            self.shared.thread.store(Some(Arc::new(thread)));
            // Who left something in between had nobody to wake.
            self.shared.wake();
        } else {
            // Without a thread promises stay pending; the next start tries again.
            self.shared.process.store(0, Ordering::Release);
        }
    }

    /// Ends the thread soon; no loop has anything to do with the addon any more.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.wake();
        self.shared.turns.dismiss();
    }

    /// In a forked child: nobody of the parent's takes turns here.
    pub(crate) fn forked(&self) {
        self.shared.turns.forget();
    }

    /// Releases wait; called wherever Python drops an object.
    pub(crate) fn releases_wait(&self, waiting: usize) {
        self.shared.waiting.store(waiting, Ordering::Release);
        if waiting == FLUSH_AT || !self.shared.awake.swap(true, Ordering::AcqRel) {
            self.shared.wake();
        }
    }

    /// How many bytes that hosts printed nobody was shown.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Who takes turns.
    pub(crate) fn turns(&self) -> &Turns {
        &self.shared.turns
    }

    /// A callable or an awaitable goes to the host: the loop that runs in this thread, if there is
    /// one and no other was first, takes the turns from now on.
    #[inline]
    pub(crate) fn adopt_running(&self, py: Python<'_>) -> PyResult<()> {
        if self.shared.turns.is_firm() {
            return Ok(());
        }
        self.adopt_if_running(py, true)
    }

    /// A promise comes from the host: the loop that runs in this thread will most likely await it.
    #[inline]
    pub(crate) fn ask_running(&self, py: Python<'_>) -> PyResult<()> {
        if self.shared.turns.is_kept() {
            return Ok(());
        }
        self.adopt_if_running(py, false)
    }

    #[inline]
    fn adopt_if_running(&self, py: Python<'_>, firm: bool) -> PyResult<()> {
        match running_loop(py)? {
            Some(event_loop) => self.adopt(py, &event_loop, firm),
            None => Ok(()),
        }
    }

    /// This running loop waits for something of the addon, or may soon if that is not `firm`.
    pub(crate) fn adopt(
        &self,
        py: Python<'_>,
        event_loop: &Bound<'_, PyAny>,
        firm: bool,
    ) -> PyResult<()> {
        let Some(session) = self.shared.session.upgrade() else {
            return Ok(());
        };
        // A turn that has to wait in the host for other calls would stop the loop.
        let client = session.client()?;
        if self.shared.stopped.load(Ordering::Acquire) || !client.sees_top() {
            return Ok(());
        }
        let asked = (event_loop, firm);
        self.shared.turns.adopt(py, self, client, asked)
    }

    /// The loop was rung for: takes one turn, and then others of the loop's have theirs.
    pub(crate) fn turn_of_loop(&self, py: Python<'_>) -> PyResult<()> {
        let _in_turn = self.shared.turns.in_turn();
        match self.give_turn(py, TurnCondition::None) {
            Ok(()) => Ok(()),
            // As asyncio does with its own.
            Err(error) if error.is_instance_of::<PyException>(py) => {
                if let Some(session) = self.shared.session.upgrade() {
                    output::trouble(py, &session.label, error);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the host a turn if it is free for one; else it rings again. So it does if more is
    /// left. Where the condition is not met, the owner of the turns is notified instead.
    pub(crate) fn give_turn(&self, py: Python<'_>, condition: TurnCondition) -> PyResult<()> {
        let Some(session) = self.shared.session.upgrade() else {
            return Ok(());
        };
        self.shared.turns.begin();
        let current = || session.world().filter(|world| session.is_current(world));
        let world = current().or_else(|| {
            self.shared.early.ring();
            // It may have come in between: then nobody looks any more.
            current()
        });
        let Some(world) = world else {
            return Ok(());
        };
        if take_turn(py, &session, &world, condition)? == Turn::More {
            self.pass_on();
        }
        Ok(())
    }

    /// The world of a host is there: does what it said before.
    pub(crate) fn world_is_there(&self, generation: Generation) {
        let said = self.shared.early.take(generation);
        let is_told = !said.notices.is_empty();
        for (header, body) in said.notices {
            self.shared.leave(Job::Notice(header, body));
        }
        if is_told {
            self.shared.wake();
        }
        if said.is_rung {
            self.pass_on();
        }
    }

    /// The world that a notice speaks of. If that is still to come, the notice is kept for it.
    fn world_of(&self, session: &Session, header: Header, body: &[u8]) -> Option<Arc<World>> {
        let generation = header.generation;
        let known = || session.world().map(|world| (world.generation, world));
        match known() {
            Some((known, world)) if known == generation => return Some(world),
            // Of a host that was replaced nothing is to be done any more.
            Some((known, _)) if known.0 > generation.0 => return None,
            _ => {}
        }
        if !self.shared.early.keep(header, body) {
            let text =
                "dropped a notification of the host: too many came before the addon was loaded";
            output::log(LogLevel::Warn, &session.label, text);
        }
        // It may have come in between: then nobody looks any more.
        if known().is_some_and(|(known, _)| known == generation) {
            self.world_is_there(generation);
        }
        None
    }

    /// A turn is due, and whoever heard of it does not take it.
    pub(crate) fn pass_on(&self) {
        match self.shared.turns.ring() {
            Asked::Nobody => {
                self.shared.leave(Job::Turn);
                // Whoever is at work looks again afterwards.
                if self.shared.at_work.load(Ordering::Acquire) != std::process::id() {
                    self.shared.wake();
                }
            }
            Asked::Loop | Asked::Waiter => self.shared.watch(),
        }
    }

    /// Does what the host says, in the thread that hears it if no other is at it.
    fn hear(&self, header: Header, body: &[u8]) {
        let is_bare_ring = header.number == CallKind::Ring.number() && body.is_empty();
        let job = if is_bare_ring {
            match self.shared.turns.ring() {
                Asked::Nobody => Job::Turn,
                Asked::Loop | Asked::Waiter => return self.shared.watch(),
            }
        } else {
            Job::Notice(header, body.to_vec())
        };
        if self.shared.leave(job) {
            let _visit = quiet::visit();
            self.shared.work();
        }
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = &*self.thread.load() {
            thread.unpark();
        }
    }

    /// Has the thread look whether those who were rung for come.
    fn watch(&self) {
        if !self.watching.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    fn leave(&self, job: Job) -> bool {
        let mut jobs = locked(&self.jobs);
        if jobs.len() >= MAX_JOBS {
            return false;
        }
        jobs.push_back(job);
        true
    }

    fn run(self: Arc<Self>) {
        let mut watched = Instant::now();
        while !self.stopped.load(Ordering::Acquire) {
            if !self.work() {
                return;
            }
            if self.waiting.load(Ordering::Acquire) >= FLUSH_AT {
                if !self.flush() {
                    return;
                }
            } else if self.waiting.load(Ordering::Acquire) > 0 {
                thread::park_timeout(FLUSH_AFTER);
                if locked(&self.jobs).is_empty() && !self.flush() {
                    return;
                }
            } else if self.watching.load(Ordering::Acquire) {
                match self.turns.overdue() {
                    Some(time) if time >= STALE => self.take_over(time),
                    Some(_) => watched = Instant::now(),
                    None if watched.elapsed() > UNWATCHED => {
                        self.watching.store(false, Ordering::Release);
                        // Who rang in between found somebody watching.
                        if self.turns.overdue().is_some() {
                            self.watching.store(true, Ordering::Release);
                        }
                        watched = Instant::now();
                    }
                    None => {}
                }
                let patience = self.turns.overdue().unwrap_or_default() / 2;
                thread::park_timeout(patience.clamp(STALE, MOST_PATIENT));
            } else {
                self.awake.store(false, Ordering::Release);
                let is_idle = self.waiting.load(Ordering::Acquire) == 0;
                if is_idle && !self.watching.load(Ordering::Acquire) {
                    if self.session.strong_count() == 0 {
                        return;
                    }
                    thread::park_timeout(Duration::from_secs(10));
                    watched = Instant::now();
                }
            }
        }
    }

    /// Somebody was rung for and did not come. A loop that only is busy takes its turn later, as
    /// Node's does; one that stands still has none any more.
    fn take_over(&self, overdue: Duration) {
        let is_free = !self.turns.is_kept()
            || Python::try_attach(|py| self.turns.dismiss_if_still(py, overdue)).unwrap_or(false);
        if is_free {
            self.leave(Job::Turn);
        }
    }

    /// Does the jobs that are there, unless another thread is at it. Returns false when the
    /// interpreter ends.
    fn work(&self) -> bool {
        let process = std::process::id();
        loop {
            let before = self.at_work.swap(process, Ordering::AcqRel);
            if before == process {
                // Whoever is at it looks again after it has said that it is not any more.
                return true;
            }
            let mut goes_on = true;
            while goes_on && !self.stopped.load(Ordering::Acquire) {
                let Some(job) = locked(&self.jobs).pop_front() else {
                    break;
                };
                goes_on = self.attend(job);
            }
            self.at_work.store(0, Ordering::Release);
            if !goes_on {
                return false;
            }
            if self.stopped.load(Ordering::Acquire) || locked(&self.jobs).is_empty() {
                return true;
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
                    session.bury(&report);
                    Ok(())
                }
                Job::Turn => session.owner.give_turn(py, TurnCondition::NoOwner),
                Job::Notice(header, body) => notice(py, &session, header, &body),
            };
            if let Err(error) = attended {
                // Of a host that is being closed nobody wants to hear any more.
                if !session.is_closed() {
                    output::trouble(py, &session.label, error);
                }
            }
            drop(session);
        })
        .is_some()
    }
}

fn notice(py: Python<'_>, session: &Arc<Session>, header: Header, body: &[u8]) -> PyResult<()> {
    let Some(world) = session.owner.world_of(session, header, body) else {
        return Ok(());
    };
    let told = tell(py, session, &world, header, body);
    if told.is_err() {
        session.end_if_broken(&world);
    }
    told
}

/// Does what a notice of this world says.
fn tell(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    header: Header,
    body: &[u8],
) -> PyResult<()> {
    let mut reader = ValueReader::new(body, &session.limits);
    take_back(py, session, world, header.flags, &mut reader)?;
    match CallKind::from_number(header.number) {
        Some(CallKind::Ring) => {
            session.owner.pass_on();
            Ok(())
        }
        Some(CallKind::Settled) => {
            let mut decoder = Decoder::new(py, session, world, reader, &[])?;
            let mut settled = Vec::new();
            let read =
                promise::read_settled(&mut decoder, &mut settled).and_then(|()| decoder.finish());
            promise::settle(py, world, settled).and(read)
        }
        Some(CallKind::Uncaught) => {
            let mut decoder = Decoder::new(py, session, world, reader, &[])?;
            let error = decoder.thrown()?;
            let origin = decoder.value()?;
            decoder.finish()?;
            output::uncaught(py, &session.label, error, &origin)
        }
        _ => Ok(()),
    }
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    More,
    /// The JS thread was not at its top, and the host rings again when it is; or the owner of the
    /// turns was notified.
    Declined,
}

/// Lets the host run what it owes itself, and settles the promises that ended.
fn take_turn(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    condition: TurnCondition,
) -> PyResult<Turn> {
    let declined = Cell::new(false);
    // Read even if the turn was interrupted: nobody tells it again.
    let (left, told) = (Cell::new(false), RefCell::new(Vec::new()));
    let taken = session.request(
        py,
        Ask::turn(world, &declined, condition),
        |_| Ok(()),
        |decoder| {
            left.set(decoder.reader.take_bool().map_err(errors::protocol)?);
            promise::read_settled(decoder, &mut told.borrow_mut())
        },
    );
    if declined.get() {
        return Ok(Turn::Declined);
    }
    let more = left.get();
    promise::settle(py, world, told.into_inner())?;
    if more && taken.is_err() {
        session.owner.pass_on();
    }
    taken.map(|()| if more { Turn::More } else { Turn::Done })
}

/// What the client's own threads tell.
pub(crate) struct Listener {
    pub(crate) label: String,
    pub(crate) owner: Owner,
}

impl Events for Listener {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        output::output(&self.label, stream, bytes);
    }

    fn dropped(&self, stream: Stream, bytes: u64) {
        self.owner
            .shared
            .dropped
            .fetch_add(bytes, Ordering::Relaxed);
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let message = format!(
            "dropped {bytes} bytes of {stream} of the addon {}: it prints more than 8 MiB at once or \
             4 MiB per second",
            self.label
        );
        output::log(LogLevel::Warn, "output", &message);
    }

    fn log(&self, level: LogLevel, target: &str, message: &str) {
        output::log(level, target, message);
    }

    fn died(&self, report: &ExitReport) {
        // The supervisor never waits for Python, and a death for nobody: who does the owner's jobs
        // may be inside of a callback that waits for what died.
        let (shared, told) = (Arc::clone(&self.owner.shared), Box::new(report.clone()));
        let told = move || {
            shared.attend(Job::Died(told));
        };
        if quiet::start("napi-python-death", told).is_err() {
            let shared = &self.owner.shared;
            shared.leave(Job::Died(Box::new(report.clone())));
            shared.wake();
        }
    }

    fn degraded(&self, missing: &str, _: &Applied) {
        let message = format!(
            "the addon {} runs without {missing}, which its sandbox policy asks for, because of \
             degrade=\"allow\"; host(addon).sandbox is the full report",
            self.label
        );
        output::log(LogLevel::Warn, "sandbox", &message);
    }

    fn notice(&self, header: Header, body: &[u8]) {
        self.owner.hear(header, body);
    }
}
