//! An addon's host, whichever process that is at the moment.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use hostd_protocol::carrier::{Idle, at_rest};
use hostd_protocol::confinement::{Applied, Bounds};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::Generation;

use crate::cord::Cord;
use crate::error::SpawnError;
use crate::ledger::Ledger;
use crate::options::{HostOptions, RestartMode};
use crate::session::Session;
use crate::{ClientError, Conversation, ExitReport, fork, supervise};

/// A thread that waits for another's start looks at its own idling this often.
const SLICE: Duration = Duration::from_millis(100);

/// How long a host may take to end when its client is dropped.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// Beyond its grace, what it takes to kill a process and to see it end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// An addon's host. Cloning it is cheap; the host ends with the last clone.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Arc<HostOptions>,
    /// The host that serves, or the last one that did.
    current: ArcSwapOption<Session>,
    generation: AtomicU32,
    starts: AtomicU64,
    ledger: Arc<Ledger>,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Debug)]
enum Phase {
    /// Nobody is starting a host.
    Settled,
    /// A thread is starting one.
    Starting {
        by: ThreadId,
        epoch: u32,
        session: Option<Arc<Session>>,
    },
    Closed,
}

/// A host that was told to end.
#[derive(Debug)]
#[must_use = "the host has not ended yet"]
pub struct Closing {
    sessions: Vec<Arc<Session>>,
    until: Instant,
}

impl Closing {
    /// Waits until it has ended.
    pub fn wait(self) {
        let until = self.until;
        self.wait_until(until);
    }

    /// Waits until it has ended, at most until `end`: then it is left to the system, which ends it
    /// with this process.
    pub fn wait_until(self, end: Instant) {
        let end = end.min(self.until);
        for session in self.sessions {
            // A host that can't even be killed is left to the system, too.
            let left = end.saturating_duration_since(Instant::now());
            let _ = session.wait_for_report(left);
        }
    }
}

/// What a client has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Hosts that were started.
    pub starts: u64,
    /// Hosts that died without being told to.
    pub crashes: u64,
}

impl Client {
    /// A client whose host is not started yet.
    pub fn new(options: HostOptions) -> Self {
        let ledger = Ledger::new(options.restart);
        Self {
            shared: Arc::new(Shared {
                options: Arc::new(options),
                current: ArcSwapOption::empty(),
                generation: AtomicU32::new(0),
                starts: AtomicU64::new(0),
                ledger: Arc::new(ledger),
                phase: Mutex::new(Phase::Settled),
                changed: Condvar::new(),
            }),
        }
    }

    /// The generation that was started last, zero before the first.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Whether the restart policy allows no further host.
    pub fn has_given_up(&self) -> bool {
        self.shared.ledger.verdict().is_some()
    }

    /// Whether no host serves at the moment.
    #[inline]
    pub fn is_dead(&self) -> bool {
        !self
            .shared
            .current
            .load()
            .as_ref()
            .is_some_and(|session| session.is_alive())
    }

    /// The process of the host that serves.
    pub fn pid(&self) -> Option<u32> {
        let session = self.shared.current.load_full()?;
        session.is_alive().then(|| session.process.pid)
    }

    /// What confines the host that serves, or the last one that did; empty without a policy.
    pub fn applied(&self) -> Applied {
        let session = self.shared.current.load_full();
        session.map_or_else(Vec::new, |session| session.applied.clone())
    }

    /// What the host that serves may use up, or the last one that did; none without a policy.
    pub fn bounds(&self) -> Option<Bounds> {
        self.shared.current.load().as_ref()?.bounds
    }

    /// Whether a turn can be announced so that it waits for nobody: see
    /// [`Conversation::try_take_top`].
    pub fn sees_top(&self) -> bool {
        let session = self.shared.current.load();
        session
            .as_ref()
            .is_some_and(|session| session.is_alive() && session.end.sees_top())
    }

    /// What rings a loop for the host of this generation, if that serves and there is such a thing.
    pub fn cord(&self, generation: Generation) -> Option<Arc<Cord>> {
        let current = self.shared.current.load_full();
        let session = current.filter(|session| session.generation == generation);
        let session = session.or_else(|| self.shared.starting(generation))?;
        session.is_alive().then(|| session.cord.clone())?
    }

    /// What was seen so far.
    pub fn stats(&self) -> ClientStats {
        ClientStats {
            starts: self.shared.starts.load(Ordering::Relaxed),
            crashes: self.shared.ledger.total(),
        }
    }

    /// Leases a lane of the host that serves; starts one if there is none.
    #[inline]
    pub fn conversation(&self, idle: &mut dyn Idle) -> Result<Conversation, ClientError> {
        if let Some(session) = self.shared.current.load_full()
            && session.is_alive()
        {
            match Conversation::lease(session, idle) {
                Err(ProtocolError::Disconnected) => {}
                leased => return leased.map_err(interrupted),
            }
        }
        at_rest(idle, Err(ClientError::Interrupted), |idle| self.begin(idle))
    }

    #[cold]
    fn begin(&self, idle: &mut dyn Idle) -> Result<Conversation, ClientError> {
        let shared = &self.shared;
        loop {
            if let Some(session) = shared.current.load_full()
                && session.is_alive()
            {
                match Conversation::lease(session, idle) {
                    Err(ProtocolError::Disconnected) => {}
                    leased => return leased.map_err(interrupted),
                }
            }
            let mut phase = shared.lock();
            match &*phase {
                Phase::Closed => return Err(ClientError::Closed),
                Phase::Starting { by, epoch, session } if *epoch == fork::epoch() => {
                    // What is said first may itself lead to calls.
                    if *by == thread::current().id()
                        && let Some(session) = session.clone()
                    {
                        drop(phase);
                        return Conversation::lease(session, idle).map_err(interrupted);
                    }
                    drop(shared.changed.wait_timeout(phase, SLICE));
                    idle.check().map_err(|_| ClientError::Interrupted)?;
                    continue;
                }
                Phase::Starting { .. } | Phase::Settled => {}
            }
            if shared
                .current
                .load()
                .as_ref()
                .is_some_and(|session| session.is_alive())
            {
                continue;
            }
            if let Some(report) = shared.last_death() {
                return Err(ClientError::GivenUp(Box::new(ExitReport::clone(&report))));
            }
            *phase = Phase::Starting {
                by: thread::current().id(),
                epoch: fork::epoch(),
                session: None,
            };
            drop(phase);
            let started = shared.start(idle);
            let mut phase = shared.lock();
            let closed = matches!(*phase, Phase::Closed);
            if !closed {
                *phase = Phase::Settled;
            }
            drop(phase);
            shared.changed.notify_all();
            let session = started?;
            if closed {
                session.end(Duration::ZERO);
                return Err(ClientError::Closed);
            }
        }
    }

    /// Whether what a host says at its end is the purpose of it.
    pub fn is_to_report(&self) -> bool {
        self.shared.options.is_to_report()
    }

    /// Ends the host in order, or by force after `grace`. There will be no other. Who has several
    /// to close tells all of them first, and waits then.
    pub fn close(&self, grace: Duration) -> Closing {
        let mut phase = self.shared.lock();
        let starting = match &*phase {
            Phase::Starting { session, .. } => session.clone(),
            Phase::Settled | Phase::Closed => None,
        };
        *phase = Phase::Closed;
        drop(phase);
        self.shared.changed.notify_all();
        let sessions: Vec<_> = [self.shared.current.swap(None), starting]
            .into_iter()
            .flatten()
            .filter(|session| session.is_ours())
            .collect();
        for session in &sessions {
            session.end(grace);
        }
        Closing {
            sessions,
            until: Instant::now() + grace + KILL_TIMEOUT,
        }
    }

    /// Ends the host in order, or by force after a second; says how it ended. The next conversation
    /// starts another, even if it had died and is not to be replaced.
    pub fn restart(&self) -> Option<ExitReport> {
        let ended = self.shared.current.swap(None).and_then(|session| {
            if session.is_alive() {
                session.restarted();
            }
            session.is_ours().then(|| {
                session.end(DROP_GRACE);
                session.how_it_died(DROP_GRACE + KILL_TIMEOUT)
            })
        });
        self.shared.ledger.forgive(u32::MAX);
        ended
    }

    /// Kills the host of this generation, if it still runs, for a reason that everybody who waits
    /// for it is told.
    pub fn kill(&self, generation: Generation, reason: &str) {
        let current = self.shared.current.load_full();
        let session = current.filter(|session| session.generation == generation);
        if let Some(session) = session.or_else(|| self.shared.starting(generation)) {
            session.kill(|| reason.to_owned());
        }
    }

    /// A call of this generation has come back: the budget of [`RestartMode::Limited`] is whole
    /// again.
    pub fn succeeded(&self, generation: Generation) {
        self.shared.ledger.forgive(generation.0);
    }

    /// Whether the host of this generation serves, or is being told what comes first.
    #[inline]
    pub fn serves(&self, generation: Generation) -> bool {
        let current = self.shared.current.load();
        match current.as_ref() {
            Some(session) if session.generation == generation => session.is_alive(),
            _ => self.shared.starting(generation).is_some(),
        }
    }

    /// Leases a lane of the host of this generation, and of no other: `None` if it is gone.
    /// Unlike [`Self::conversation`] this does not wait until all was said that comes first.
    pub fn conversation_of(
        &self,
        generation: Generation,
        idle: &mut dyn Idle,
    ) -> Result<Option<Conversation>, ClientError> {
        let current = self.shared.current.load_full();
        let session = current.filter(|session| session.generation == generation);
        let session = session.or_else(|| self.shared.starting(generation));
        match session.filter(|session| session.is_alive()) {
            Some(session) => match Conversation::lease(session, idle) {
                Err(ProtocolError::Disconnected) => Ok(None),
                leased => leased.map(Some).map_err(interrupted),
            },
            None => Ok(None),
        }
    }
}

fn interrupted(error: ProtocolError) -> ClientError {
    match error {
        ProtocolError::Interrupted => ClientError::Interrupted,
        error => ClientError::Protocol(error),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host of this generation, while what comes first is said to it.
    #[cold]
    fn starting(&self, generation: Generation) -> Option<Arc<Session>> {
        match &*self.lock() {
            Phase::Starting {
                session: Some(session),
                ..
            } if session.generation == generation && session.is_alive() => {
                Some(Arc::clone(session))
            }
            _ => None,
        }
    }

    /// How the last host died, if no other may follow it.
    fn last_death(&self) -> Option<Arc<ExitReport>> {
        if self.options.restart == RestartMode::OnCrash {
            return None;
        }
        if let Some(session) = self.current.load_full().filter(|last| last.is_ours()) {
            // What it died of is counted once it is known.
            let _ = session.wait_for_report(KILL_TIMEOUT);
        }
        self.ledger.verdict()
    }

    /// Waits until a host may be started after one died.
    fn pause(&self, idle: &mut dyn Idle) -> Result<(), ClientError> {
        loop {
            let left = self.ledger.pause();
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(SLICE));
            idle.check().map_err(|_| ClientError::Interrupted)?;
        }
    }

    /// Starts a host and says to it what is to be said first.
    fn start(&self, idle: &mut dyn Idle) -> Result<Arc<Session>, ClientError> {
        self.pause(idle)?;
        let generation = Generation(self.generation.fetch_add(1, Ordering::AcqRel) + 1);
        let (sender, receiver) = mpsc::channel();
        let (options, ledger) = (Arc::clone(&self.options), Arc::clone(&self.ledger));
        supervise::start(options, ledger, generation, sender).map_err(|source| {
            SpawnError::System {
                what: "cannot start the supervisor thread",
                source,
            }
        })?;
        let session = loop {
            match receiver.recv_timeout(SLICE) {
                Ok(started) => break started?,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Without a receiver, a host that is still to come is killed.
                    idle.check().map_err(|_| ClientError::Interrupted)?;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(ClientError::Closed),
            }
        };
        self.starts.fetch_add(1, Ordering::Relaxed);
        if let Some(on_start) = &self.options.on_start {
            if let Phase::Starting { session: slot, .. } = &mut *self.lock() {
                *slot = Some(Arc::clone(&session));
            }
            let said = Conversation::lease(Arc::clone(&session), idle)
                .map_err(interrupted)
                .and_then(|mut conversation| on_start(&mut conversation));
            if let Err(error) = said {
                session.end(DROP_GRACE);
                return Err(error);
            }
        }
        self.current.store(Some(Arc::clone(&session)));
        Ok(session)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(session) = self.current.swap(None) {
            session.end(DROP_GRACE);
        }
    }
}
