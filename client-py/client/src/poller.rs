//! The thread that works for all addons of this process: it receives the notices of their hosts, and
//! calls [`HostEvents::attend`](crate::HostEvents::attend) for what they request or have due.
//!
//! One thread polls at a time. While it is in a handler, which may run any code of a program, what it
//! handles is not polled. If the handler takes longer than [`HANDOVER_AFTER`], another thread takes
//! its place, so that other addons do not wait for it; the first one ends with the handler.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use hostd_protocol::carrier::{
    ClientLane, ClientRings, LaneWaiter, LaneWaiterWaker, LeasedLane, Uninterruptible,
    WAIT_LANES_MAX, can_wait_for_lanes,
};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::FrameKind;
use tokio::runtime::Handle;

use crate::cause::Kill;
use crate::error::SpawnError;
use crate::events::{HostEvents, SpawnThread};
use crate::fork::{self, PerProcess};
use crate::instance::HostInstance;
use crate::lock;

/// A handler that takes longer than once or twice this time is left to its thread.
const HANDOVER_AFTER: Duration = Duration::from_millis(10);
/// How often the monitor of handlers looks again after the last one.
const MONITOR_IDLE_LOOKS: u32 = 20;
/// How many notices of a host are read before those of others.
const NOTICES_IN_A_ROW: usize = 64;

/// Has [`HostEvents::attend`](crate::HostEvents::attend) called for one addon.
#[derive(Debug, Default)]
pub struct Attention {
    is_requested: AtomicBool,
    /// Its client is gone.
    is_over: AtomicBool,
    poller: ArcSwapOption<Poller>,
}

impl Attention {
    /// Has the handler called soon, in a thread that polls. Takes no lock.
    pub fn request(&self) {
        if !self.is_requested.swap(true, Ordering::SeqCst)
            && let Some(poller) = &*self.poller.load()
        {
            poller.waker.wake();
        }
    }

    /// Has the handler called no more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.request();
    }

    fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }
}

/// What one thread at a time polls.
#[derive(Debug)]
struct Poller {
    epoch: u32,
    waker: LaneWaiterWaker,
    /// Locked by the thread that polls.
    polled: Mutex<Polled>,
    /// What is to be polled as well.
    added: Mutex<Polled>,
    /// Something was added, or a host has ended.
    is_changed: AtomicBool,
    /// Home lanes, those that are being handled included.
    lanes: AtomicUsize,
    thread: ArcSwap<PollThread>,
    is_monitored: AtomicBool,
    runtime: Handle,
    spawn: SpawnThread,
}

/// A thread that polls, or did so until it was replaced.
#[derive(Debug, Default)]
struct PollThread {
    /// Counts the beginnings and ends of handlers: odd inside of one.
    handlers: AtomicU32,
    /// Another thread polls.
    is_replaced: AtomicBool,
}

#[derive(Debug, Default)]
struct Polled {
    homes: Vec<Home>,
    addons: Vec<Addon>,
}

/// The home lane of one host.
#[derive(Debug)]
struct Home {
    lane: LeasedLane,
    instance: Arc<HostInstance>,
    events: Arc<dyn HostEvents>,
}

#[derive(Debug)]
struct Addon {
    attention: Arc<Attention>,
    events: Arc<dyn HostEvents>,
    due: Option<Instant>,
}

impl AsMut<ClientRings> for Home {
    fn as_mut(&mut self) -> &mut ClientRings {
        self.lane.as_mut()
    }
}

enum Step {
    Notices(Home),
    Attend(Addon),
    Wait(Option<Duration>),
}

static POLLERS: PerProcess<Vec<Arc<Poller>>> = PerProcess::new();

/// A forked child has no threads of its parent.
pub(crate) fn forked() {
    drop(POLLERS.forked());
}
/// The program ends: threads that poll do so as well.
static IS_ENDED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The poller of this thread, while it is in a handler.
    static HANDLING: RefCell<Option<(Arc<Poller>, Arc<PollThread>)>> = const { RefCell::new(None) };
}

/// Has the threads that poll end soon, in a program that ends.
pub fn end_polling() {
    IS_ENDED.store(true, Ordering::SeqCst);
    POLLERS.with(|pollers| pollers.iter().for_each(|poller| poller.waker.wake()));
}

/// This thread is about to wait for long. If it is in a handler, another thread takes its place.
pub fn hand_over() {
    let handling = HANDLING.with_borrow(Clone::clone);
    if let Some((poller, thread)) = handling
        && poller.epoch == fork::epoch()
    {
        // If no thread can be started, the others wait.
        let _ = poller.replace(&thread);
    }
}

/// Receives the notices of a host from now on, and calls the handler of its addon; if that fails, the
/// host is killed. Called on the supervisor's thread.
pub(crate) fn add(
    instance: &Arc<HostInstance>,
    handlers: (&Arc<dyn HostEvents>, &Arc<Attention>, SpawnThread),
) -> Result<(), SpawnError> {
    try_to_add(instance, handlers).map_err(|source| {
        let what = "cannot start the thread that receives the notices of the host";
        instance.kill(Kill::ClientResources(format!("{what}: {source}")));
        SpawnError::System { what, source }
    })
}

fn try_to_add(
    instance: &Arc<HostInstance>,
    (events, attention, spawn): (&Arc<dyn HostEvents>, &Arc<Attention>, SpawnThread),
) -> io::Result<()> {
    let poller = poller(spawn)?;
    let mut added = Polled::default();
    let is_known = (attention.poller.load().as_ref()).is_some_and(|it| it.epoch == poller.epoch);
    if !is_known {
        attention.poller.store(Some(Arc::clone(&poller)));
        added.addons.push(Addon {
            attention: Arc::clone(attention),
            events: Arc::clone(events),
            due: None,
        });
    }
    let (host, events) = (Arc::clone(instance), Arc::clone(events));
    match instance.end.home() {
        Some(ClientLane::Rings(lane)) if can_wait_for_lanes() => {
            poller.lanes.fetch_add(1, Ordering::Relaxed);
            added.homes.push(Home {
                lane,
                instance: host,
                events,
            });
        }
        Some(lane) => {
            // Its notices cannot be waited for together with those of others.
            let receive = move || receive_notices(lane, &host, &*events);
            spawn("hostd-notices", Box::new(receive))?;
        }
        None => {}
    }
    poller.add(added);
    Ok(())
}

/// A host has ended: its lane is polled no more.
pub(crate) fn wake() {
    POLLERS.with(|pollers| pollers.iter().for_each(|poller| poller.set_changed()));
}

/// A poller of this process that has room for one more lane.
fn poller(spawn: SpawnThread) -> io::Result<Arc<Poller>> {
    POLLERS.with(|pollers| {
        let has_room =
            |poller: &&Arc<Poller>| poller.lanes.load(Ordering::Relaxed) < WAIT_LANES_MAX;
        if let Some(poller) = pollers.iter().find(has_room) {
            return Ok(Arc::clone(poller));
        }
        let poller = Arc::new(Poller {
            epoch: fork::epoch(),
            waker: LaneWaiterWaker::default(),
            polled: Mutex::default(),
            added: Mutex::default(),
            is_changed: AtomicBool::new(false),
            lanes: AtomicUsize::new(0),
            thread: ArcSwap::default(),
            is_monitored: AtomicBool::new(false),
            runtime: Handle::current(),
            spawn,
        });
        poller.spawn(poller.thread.load_full())?;
        pollers.push(Arc::clone(&poller));
        Ok(poller)
    })
}

fn receive_notices(mut home: ClientLane, instance: &HostInstance, events: &dyn HostEvents) {
    let mut body = Vec::new();
    loop {
        let received = home.receive_notice(&mut body, &mut Uninterruptible);
        if !handle(received, &body, instance, events) {
            return;
        }
    }
}

/// Hands a notice on. Returns whether more may come.
fn handle(
    received: Result<hostd_protocol::frame::Header, ProtocolError>,
    body: &[u8],
    instance: &HostInstance,
    events: &dyn HostEvents,
) -> bool {
    let error = match received {
        Ok(header) if header.kind == FrameKind::Notice => {
            if let Some(recorder) = &instance.recorder {
                recorder.notice(&header, body);
            }
            events.notice(header, body);
            return true;
        }
        Ok(_) => ProtocolError::violation("a request on lane 0"),
        Err(ProtocolError::Disconnected | ProtocolError::Interrupted) => return false,
        Err(error) => error,
    };
    instance.kill(Kill::from(&error));
    false
}

impl Home {
    /// Reads the notices that are there. Returns whether more may come.
    fn read(&mut self, body: &mut Vec<u8>) -> bool {
        for _ in 0..NOTICES_IN_A_ROW {
            let Some(received) = self.lane.try_notice(body).transpose() else {
                return true;
            };
            if !handle(received, body, &self.instance, &*self.events) {
                return false;
            }
        }
        true
    }

    fn is_ready(&mut self) -> bool {
        self.lane.is_gone() || self.as_mut().readable() != Ok(0)
    }
}

impl Addon {
    /// Calls the handler. Returns whether it may be called again.
    fn attend(&mut self) -> bool {
        self.attention.is_requested.store(false, Ordering::SeqCst);
        if self.attention.is_over.load(Ordering::SeqCst) {
            return false;
        }
        self.due = self.events.attend();
        true
    }
}

impl Polled {
    fn append(&mut self, mut other: Self) {
        self.homes.append(&mut other.homes);
        self.addons.append(&mut other.addons);
    }

    /// What to do next; what was handled last is handled again after all others.
    fn step(&mut self) -> Step {
        if let Some(place) = self.homes.iter_mut().position(Home::is_ready) {
            return Step::Notices(self.homes.remove(place));
        }
        let earliest = self.addons.iter().filter_map(|addon| addon.due).min();
        let now = earliest.map(|_| Instant::now());
        let is_due = |addon: &Addon| {
            addon
                .due
                .is_some_and(|due| now.is_some_and(|now| due <= now))
        };
        let is_next = |addon: &Addon| addon.attention.is_requested() || is_due(addon);
        if let Some(place) = self.addons.iter().position(is_next) {
            return Step::Attend(self.addons.remove(place));
        }
        Step::Wait(earliest.zip(now).map(|(due, now)| due - now))
    }
}

impl Poller {
    fn spawn(self: &Arc<Self>, thread: Arc<PollThread>) -> io::Result<()> {
        let poller = Arc::clone(self);
        (self.spawn)("hostd-notices", Box::new(move || poller.poll(&thread)))
    }

    fn add(&self, added: Polled) {
        lock(&self.added).append(added);
        self.set_changed();
    }

    fn set_changed(&self) {
        self.is_changed.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Polls until another thread does.
    fn poll(self: &Arc<Self>, thread: &Arc<PollThread>) {
        // The first use of a thread-local with a destructor needs memory, and the C library ends the
        // process if there is none.
        HANDLING.with(|_| ());
        let mut waiter = LaneWaiter::new(self.waker.clone());
        let mut body = Vec::new();
        let mut polled = lock(&self.polled);
        while !IS_ENDED.load(Ordering::SeqCst) {
            if self.is_changed.swap(false, Ordering::SeqCst) {
                polled.append(mem::take(&mut *lock(&self.added)));
            }
            let mut handled = Polled::default();
            match polled.step() {
                Step::Notices(mut home) => {
                    drop(polled);
                    if self.handle(thread, || home.read(&mut body)) {
                        handled.homes.push(home);
                    } else {
                        self.lanes.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Step::Attend(mut addon) => {
                    drop(polled);
                    if self.handle(thread, || addon.attend()) {
                        handled.addons.push(addon);
                    }
                }
                Step::Wait(timeout) => {
                    let Polled { homes, addons } = &mut *polled;
                    waiter.wait(homes, timeout, || {
                        let is_requested = |addon: &Addon| addon.attention.is_requested();
                        self.is_changed.load(Ordering::SeqCst)
                            || IS_ENDED.load(Ordering::SeqCst)
                            || addons.iter().any(is_requested)
                    });
                    continue;
                }
            }
            if self.epoch != fork::epoch() {
                return;
            }
            if thread.is_replaced.load(Ordering::SeqCst) {
                return self.add(handled);
            }
            polled = lock(&self.polled);
            polled.append(handled);
        }
    }

    /// Calls a handler, in whose place another thread may begin to poll.
    fn handle<T>(self: &Arc<Self>, thread: &Arc<PollThread>, handler: impl FnOnce() -> T) -> T {
        thread.handlers.fetch_add(1, Ordering::SeqCst);
        if !self.is_monitored.swap(true, Ordering::SeqCst) {
            self.runtime.spawn(Arc::clone(self).monitor());
        }
        HANDLING.set(Some((Arc::clone(self), Arc::clone(thread))));
        let result = handler();
        HANDLING.set(None);
        thread.handlers.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// Has another thread poll in the place of one that is in a handler.
    fn replace(self: &Arc<Self>, thread: &PollThread) -> io::Result<()> {
        if !thread.is_replaced.swap(true, Ordering::SeqCst) {
            let next = Arc::new(PollThread::default());
            if let Err(error) = self.spawn(Arc::clone(&next)) {
                thread.is_replaced.store(false, Ordering::SeqCst);
                return Err(error);
            }
            self.thread.store(next);
        }
        Ok(())
    }

    /// Replaces a thread that stays in one handler, for as long as handlers are called.
    async fn monitor(self: Arc<Self>) {
        let mut idle = 0;
        loop {
            let thread = self.thread.load_full();
            let before = thread.handlers.load(Ordering::SeqCst);
            tokio::time::sleep(HANDOVER_AFTER).await;
            let is_same = thread.handlers.load(Ordering::SeqCst) == before;
            let is_in_handler = before % 2 == 1;
            if is_same && is_in_handler {
                // If that fails, it is tried again.
                let _ = self.replace(&thread);
            }
            idle = if is_same && !is_in_handler {
                idle + 1
            } else {
                0
            };
            if idle < MONITOR_IDLE_LOOKS {
                continue;
            }
            self.is_monitored.store(false, Ordering::SeqCst);
            // A handler that has begun meanwhile has not started another monitor.
            let is_in_handler = self.thread.load().handlers.load(Ordering::SeqCst) % 2 == 1;
            if !is_in_handler || self.is_monitored.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}
