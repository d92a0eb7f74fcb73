//! The handle of an addon's host: starts a process when one is needed, replaces it after a crash, and
//! ends it with the last clone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use hostd_protocol::carrier::{Idle, while_parked};
use hostd_protocol::confinement::{Applied, Bounds};
use hostd_protocol::ids::Generation;

use crate::caller_thread::CallerThread;
use crate::cause::Kill;
use crate::crash_budget::CrashBudget;
use crate::fork::PerProcess;
use crate::instance::{HostInstance, StartStep};
use crate::options::{HostConfig, RestartMode};
use crate::wake_pipe::WakePipe;
use crate::{
    ClientError, Conversation, ExitReport, HostRef, fork, instance, lock, poller, scratch,
    supervise,
};

/// A thread that waits for a start by another one checks for its own interruption this often.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a host may take to end by itself when its client is dropped.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// How long it may take beyond the grace period to kill a process and to see it end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The host of one addon, whichever process that is at the moment. Cloning it is cheap; the host ends
/// with the last clone.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Arc<HostConfig>,
    /// The host that serves, or the last one that did.
    current: ArcSwapOption<HostInstance>,
    generation: AtomicU32,
    budget: Arc<CrashBudget>,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Debug)]
enum Phase {
    /// No thread is starting a host.
    Settled,
    /// A thread is starting one.
    Starting {
        by: ThreadId,
        epoch: u32,
        instance: Option<Arc<HostInstance>>,
    },
    Closed,
}

/// A host that was told to end and may still run.
#[derive(Debug)]
#[must_use = "the host has not ended yet"]
pub struct Closing {
    instances: Vec<Arc<HostInstance>>,
    until: Instant,
}

/// Sessions that were closed on another thread than theirs.
static LEFT_OVER: PerProcess<Vec<Closing>> = PerProcess::new();

/// Ends the sessions of this thread that were closed on other threads.
pub(crate) fn finish_left_over() {
    let is_here = |closing: &Closing| {
        let mut callers = closing.instances.iter().map(|it| it.runner.caller());
        callers.all(|caller| caller.is_none_or(CallerThread::is_here))
    };
    let ours: Vec<_> = LEFT_OVER.with(|left_over| {
        let (ours, others) = std::mem::take(left_over).into_iter().partition(is_here);
        *left_over = others;
        ours
    });
    ours.into_iter().for_each(Closing::wait);
}

impl Closing {
    /// Waits until it has ended, at most for its grace period and the time that killing it takes.
    pub fn wait(self) {
        let until = self.until;
        self.wait_until(until);
    }

    /// For sessions that run on a thread of the program: ends those of this thread, with those of it that
    /// were closed elsewhere; keeps the others for their thread.
    pub fn finish_here(self) {
        LEFT_OVER.with(|left_over| left_over.push(self));
        finish_left_over();
    }

    /// Waits until it has ended, at most until `end`; after that the kernel ends it together with this
    /// process.
    pub fn wait_until(self, end: Instant) {
        let end = end.min(self.until);
        for instance in self.instances {
            if let Some(caller) = instance.runner.caller()
                && !caller.finish(end)
            {
                continue;
            }
            // A host that cannot be killed ends with this process, too.
            let left = end.saturating_duration_since(Instant::now());
            let _ = instance.wait_for_report(left);
        }
    }
}

impl Client {
    /// A client whose host is not started yet.
    pub fn new(options: HostConfig) -> Self {
        let budget = CrashBudget::new(options.restart);
        Self {
            shared: Arc::new(Shared {
                options: Arc::new(options),
                current: ArcSwapOption::empty(),
                generation: AtomicU32::new(0),
                budget: Arc::new(budget),
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
        self.shared.budget.exhausted().is_some()
    }

    /// Whether a session that runs on the thread that loaded the addon has something to do, and when it
    /// will have otherwise. Says so once.
    pub fn take_due(&self) -> (bool, Option<Instant>) {
        let instance = self.shared.current.load_full();
        let instance = instance.or_else(|| match &*lock(&self.shared.phase) {
            Phase::Starting { instance, .. } => instance.clone(),
            Phase::Settled | Phase::Closed => None,
        });
        let caller = instance.as_ref().and_then(|it| it.runner.caller());
        caller.map_or((false, None), CallerThread::take_due)
    }

    /// Whether no host process serves at the moment.
    #[inline]
    pub fn is_dead(&self) -> bool {
        let instance = self.shared.current.load();
        !instance
            .as_ref()
            .is_some_and(|instance| instance.is_alive())
    }

    /// The process id of the host that serves.
    pub fn pid(&self) -> Option<u32> {
        let instance = self.shared.current.load_full()?;
        instance.is_alive().then(|| instance.runner.pid())
    }

    /// The sandbox mechanisms of the host that serves, or of the last one; empty without a policy.
    pub fn applied(&self) -> Applied {
        let instance = self.shared.current.load_full();
        instance.map_or_else(Vec::new, |instance| instance.applied.clone())
    }

    /// The resource limits of the host that serves, or of the last one; none without a policy.
    pub fn bounds(&self) -> Option<Bounds> {
        self.shared.current.load().as_ref()?.bounds
    }

    /// Whether the host tells when its JS thread is free, so that a turn can be claimed without waiting:
    /// see [`Conversation::try_take_top`].
    pub fn sees_top(&self) -> bool {
        let instance = self.shared.current.load();
        instance
            .as_ref()
            .is_some_and(|instance| instance.is_alive() && instance.end.sees_top())
    }

    /// The wake pipe of the host of this generation; none if that does not serve or has no pipe.
    pub fn wake_pipe(&self, generation: Generation) -> Option<Arc<WakePipe>> {
        let instance = self.shared.instance(generation)?;
        instance.is_alive().then(|| instance.wake_pipe.clone())?
    }

    /// Leases a lane of the host that serves; starts one if there is none.
    pub fn conversation(&self, idle: &mut dyn Idle) -> Result<Conversation, ClientError> {
        while_parked(idle, Err(ClientError::Interrupted), |idle| self.begin(idle))
    }

    /// Leases a lane of this host, once no `on_start` runs in another thread; `None` if another host
    /// serves by then.
    #[inline]
    pub fn conversation_with(
        &self,
        host: &HostRef,
        idle: &mut dyn Idle,
    ) -> Result<Option<Conversation>, ClientError> {
        let leased = match host.serving() {
            Some(instance) => Conversation::lease_alive(instance, idle)?,
            None => None,
        };
        match leased {
            None => self.begin_with(host, idle),
            leased => Ok(leased),
        }
    }

    #[cold]
    fn begin_with(
        &self,
        host: &HostRef,
        idle: &mut dyn Idle,
    ) -> Result<Option<Conversation>, ClientError> {
        let conversation = self.conversation(idle)?;
        Ok(host.is_of(&conversation).then_some(conversation))
    }

    #[cold]
    fn begin(&self, idle: &mut dyn Idle) -> Result<Conversation, ClientError> {
        let shared = &self.shared;
        if shared
            .options
            .caller
            .is_some_and(|owner| owner != thread::current().id())
        {
            return Err(ClientError::WrongThread);
        }
        loop {
            if let Some(instance) = shared.current.load_full()
                && let Some(conversation) = Conversation::lease_alive(instance, idle)?
            {
                return Ok(conversation);
            }
            let mut phase = lock(&shared.phase);
            match &*phase {
                Phase::Closed => return Err(ClientError::Closed),
                Phase::Starting {
                    by,
                    epoch,
                    instance,
                } if *epoch == fork::epoch() => {
                    // `on_start` of this thread may itself lead to calls.
                    if *by == thread::current().id()
                        && let Some(instance) = instance.clone()
                    {
                        drop(phase);
                        return Conversation::lease(instance, idle)
                            .map_err(ClientError::from_lease);
                    }
                    drop(shared.changed.wait_timeout(phase, CHECK_INTERVAL));
                    idle.check().map_err(|_| ClientError::Interrupted)?;
                    continue;
                }
                Phase::Starting { .. } | Phase::Settled => {}
            }
            if !self.is_dead() {
                continue;
            }
            if let Some(report) = shared.last_death() {
                return Err(ClientError::GivenUp(Box::new(ExitReport::clone(&report))));
            }
            *phase = Phase::Starting {
                by: thread::current().id(),
                epoch: fork::epoch(),
                instance: None,
            };
            drop(phase);
            let started = shared.start(idle);
            let mut phase = lock(&shared.phase);
            let closed = matches!(*phase, Phase::Closed);
            if !closed {
                *phase = Phase::Settled;
            }
            drop(phase);
            shared.changed.notify_all();
            let instance = started?;
            if closed {
                instance.shut_down(Duration::ZERO);
                return Err(ClientError::Closed);
            }
        }
    }

    /// Whether the host is run for the reports that it makes at its end.
    pub fn is_to_report(&self) -> bool {
        self.shared.options.is_to_report()
    }

    /// Tells the host to end and kills it after `grace`; no other is started. To close several, call this
    /// for all of them before the first [`Closing::wait`].
    pub fn close(&self, grace: Duration) -> Closing {
        let mut phase = lock(&self.shared.phase);
        let starting = match &*phase {
            Phase::Starting { instance, .. } => instance.clone(),
            Phase::Settled | Phase::Closed => None,
        };
        *phase = Phase::Closed;
        drop(phase);
        self.shared.changed.notify_all();
        let instances: Vec<_> = [self.shared.current.swap(None), starting]
            .into_iter()
            .flatten()
            .filter(|instance| instance.is_ours())
            .collect();
        for instance in &instances {
            instance.shut_down(grace);
        }
        Closing {
            instances,
            until: Instant::now() + grace + KILL_TIMEOUT,
        }
    }

    /// Tells the host to end, kills it after a second, and returns how it ended. The next conversation
    /// starts another, even if the restart policy allowed none after a crash.
    pub fn restart(&self) -> Option<ExitReport> {
        let ended = self.shared.current.swap(None).and_then(|instance| {
            if instance.is_alive() {
                instance.set_restarting();
            }
            instance.is_ours().then(|| {
                instance.shut_down(DROP_GRACE);
                if let Some(caller) = instance.runner.caller() {
                    caller.finish(Instant::now() + DROP_GRACE);
                }
                instance.exit_report(DROP_GRACE + KILL_TIMEOUT)
            })
        });
        self.shared.budget.reset_before(u32::MAX);
        ended
    }

    /// Kills the host of this generation, if it still runs. Its exit report has the reason.
    pub fn kill(&self, generation: Generation, reason: Kill) {
        if let Some(instance) = self.shared.instance(generation) {
            instance.kill(reason);
        }
    }

    /// Restores the budget of [`RestartMode::Limited`], after a call of this generation returned.
    pub fn succeeded(&self, generation: Generation) {
        self.shared.budget.reset_before(generation.0);
    }

    /// Whether the host of this generation serves, or is running its `on_start`.
    #[inline]
    pub fn serves(&self, generation: Generation) -> bool {
        let current = self.shared.current.load();
        match current.as_ref() {
            Some(instance) if instance.generation == generation => instance.is_alive(),
            _ => self.shared.starting(generation).is_some(),
        }
    }
}

impl Shared {
    /// The host of this generation, if it is the last that was started or runs its `on_start`.
    fn instance(&self, generation: Generation) -> Option<Arc<HostInstance>> {
        let current = self.current.load_full();
        let instance = current.filter(|instance| instance.generation == generation);
        instance.or_else(|| self.starting(generation))
    }

    /// The host of this generation while it runs its `on_start`.
    #[cold]
    fn starting(&self, generation: Generation) -> Option<Arc<HostInstance>> {
        match &*lock(&self.phase) {
            Phase::Starting {
                instance: Some(instance),
                ..
            } if instance.generation == generation && instance.is_alive() => {
                Some(Arc::clone(instance))
            }
            _ => None,
        }
    }

    /// How the last host ended, if the restart policy allows no other.
    fn last_death(&self) -> Option<Arc<ExitReport>> {
        if self.options.restart == RestartMode::OnCrash {
            return None;
        }
        if let Some(instance) = self.current.load_full().filter(|last| last.is_ours()) {
            // A crash counts once its report is there.
            let _ = instance.wait_for_report(KILL_TIMEOUT);
        }
        self.budget.exhausted()
    }

    fn back_off(&self, idle: &mut dyn Idle) -> Result<(), ClientError> {
        loop {
            let left = self.budget.backoff();
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(CHECK_INTERVAL));
            idle.check().map_err(|_| ClientError::Interrupted)?;
        }
    }

    fn start(&self, idle: &mut dyn Idle) -> Result<Arc<HostInstance>, ClientError> {
        self.back_off(idle)?;
        if self.options.caller.is_some() {
            finish_left_over();
        }
        let generation = Generation(self.generation.fetch_add(1, Ordering::AcqRel) + 1);
        let (sender, receiver) = mpsc::channel();
        let (options, budget) = (Arc::clone(&self.options), Arc::clone(&self.budget));
        supervise::start(options, budget, generation, sender)?;
        if let Some(meanwhile) = &self.options.meanwhile {
            meanwhile()?;
        }
        let instance = loop {
            match receiver.recv_timeout(CHECK_INTERVAL) {
                Ok(StartStep::Done(started)) => break started?,
                Ok(StartStep::Open(caller, library, control)) => {
                    caller.open(&*library, control)?;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // The supervisor kills a host whose receiver was dropped.
                    idle.check().map_err(|_| ClientError::Interrupted)?;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(ClientError::Closed),
            }
        };
        if let Some(on_start) = &self.options.on_start {
            if let Phase::Starting { instance: slot, .. } = &mut *lock(&self.phase) {
                *slot = Some(Arc::clone(&instance));
            }
            let prepared = Conversation::lease(Arc::clone(&instance), idle)
                .map_err(ClientError::from_lease)
                .and_then(|mut conversation| on_start(&mut conversation));
            if let Err(error) = prepared {
                instance.shut_down(DROP_GRACE);
                return Err(error);
            }
        }
        self.current.store(Some(Arc::clone(&instance)));
        instance.set_serving();
        Ok(instance)
    }
}

/// To be called in a forked child before anything else of this crate: its clients then behave as
/// if they had not been started, and conversations of the parent write nothing.
pub fn forked() {
    fork::advance();
    supervise::forked();
    poller::forked();
    scratch::forked();
    instance::forked();
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(instance) = self.current.swap(None) {
            instance.shut_down(DROP_GRACE);
        }
        self.options.attention.end();
    }
}
