//! libuv beside the host's own events, once an addon asks for it: its loop runs within turns.
//!
//! Between turns the host's thread sleeps on what it always sleeps on. When the next timer of the
//! loop is due is a deadline like others. Everything else shows in the loop's one descriptor, and
//! that is watched by a thread that does nothing but sleep until it is readable: then it posts an
//! event, and watches again only when it is told to. The thread ends with the host.

use std::cell::{Cell, OnceCell};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};

use super::entry::Depth;
use super::{Budget, Event, Host, HostState, Inbox, current};
use crate::abi::libuv::Libuv;
use crate::abi::uv::{Loop, RoundHooks};

/// The loop of a host, if an addon asked for it.
#[derive(Debug, Default)]
pub(crate) struct Uv(OnceCell<Open>);

#[derive(Debug)]
struct Open {
    /// Dropped first: it watches the loop's descriptor.
    watch: Watch,
    of: Loop,
    /// What is left of the turn whose round is under way.
    budget: Cell<Option<Budget>>,
}

/// The thread that watches a descriptor.
#[derive(Debug)]
struct Watch {
    watched: BorrowedFd<'static>,
    poll: Arc<OwnedFd>,
    /// Whether it has seen something since it was last told to watch.
    fired: Arc<AtomicBool>,
    /// Ends the thread when it is written to.
    end: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

/// A watcher only sleeps.
const WATCHER_STACK: usize = 64 << 10;
const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);
/// What wakes the thread: an event of the loop, or the request to end.
const LOOP: u64 = 0;
const END: u64 = 1;

impl Watch {
    /// Starts the thread. It watches nothing yet.
    fn start(watched: BorrowedFd<'static>, inbox: Arc<Inbox>) -> io::Result<Self> {
        let poll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let disarmed = epoll::EventFlags::ONESHOT;
        epoll::add(&poll, watched, epoll::EventData::new_u64(LOOP), disarmed)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC)?;
        let on_end = epoll::EventData::new_u64(END);
        epoll::add(&poll, &end, on_end, epoll::EventFlags::IN)?;
        let fired = Arc::new(AtomicBool::new(true));
        let (theirs, tell) = (Arc::clone(&poll), Arc::clone(&fired));
        let thread = thread::Builder::new()
            .name("napi-uv".to_owned())
            .stack_size(WATCHER_STACK)
            .spawn(move || {
                let mut room = [MaybeUninit::uninit()];
                loop {
                    match epoll::wait(&theirs, &mut room, None) {
                        Ok(([event], _)) if event.data.u64() == END => return,
                        Ok(([_], _)) => {
                            tell.store(true, Ordering::Release);
                            inbox.post(Event::Loop);
                        }
                        _ => {}
                    }
                }
            })?;
        Ok(Self {
            watched,
            poll,
            fired,
            end,
            thread: Some(thread),
        })
    }

    /// Whether the descriptor was readable and still is. If not, it is watched again.
    fn is_ready(&self) -> bool {
        if !self.fired.load(Ordering::Acquire) {
            return false;
        }
        if is_readable(self.watched) {
            return true;
        }
        self.fired.store(false, Ordering::Release);
        // What has become readable just now is seen as well.
        let data = epoll::EventData::new_u64(LOOP);
        if let Err(error) = epoll::modify(self.poll.as_fd(), self.watched, data, ONCE) {
            tracing::error!(%error, "cannot poll the libuv loop");
        }
        false
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let ends = rustix::io::write(&self.end, &1_u64.to_ne_bytes()).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| ends) {
            // A panic of the thread has been printed.
            let _ = thread.join();
        }
    }
}

fn is_readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

impl Open {
    fn deadline(&self) -> Option<Instant> {
        self.of.update_time();
        let now = Instant::now();
        let timer = self.of.timeout().and_then(|left| now.checked_add(left));
        if timer.is_some_and(|timer| timer <= now) || !self.watch.is_ready() {
            return timer;
        }
        Some(now)
    }
}

impl Uv {
    fn idle(&self) -> Option<&Open> {
        self.0.get().filter(|uv| !uv.of.is_running())
    }

    /// Whether there is a loop.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether something of an addon keeps the loop alive.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.get().is_some_and(|uv| uv.of.is_alive())
    }

    /// When the loop has something to do though nothing is posted: now if it has already.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.idle().and_then(Open::deadline)
    }

    /// Whether the loop has something to do.
    pub(crate) fn is_due(&self) -> bool {
        self.idle().is_some_and(|uv| {
            uv.of.update_time();
            uv.of.timeout() == Some(Duration::ZERO) || uv.watch.is_ready()
        })
    }

    /// An addon is about to be called: timers that it starts count from now.
    #[inline]
    pub(crate) fn enter(&self) {
        if self.is_open()
            && let Some(uv) = self.idle()
        {
            uv.of.update_time();
        }
    }
}

impl Host {
    /// Runs a round of the loop, in the middle of which events are served and immediates run.
    /// What is called by libuv itself is outermost: callback scopes and `napi_make_callback` end
    /// with next ticks and microtasks there.
    pub fn run_uv(self, budget: &mut Budget) {
        let state = self.state;
        let Some(uv) = state.uv.idle() else { return };
        uv.budget.set(Some(std::mem::take(budget)));
        let depth = Depth::suspend(state);
        state.in_native_scope(|| uv.of.run_once());
        drop(depth);
        if let Some(left) = uv.budget.take() {
            *budget = left;
        }
        budget.spend();
        state.settle_item();
    }
}

impl HostState {
    /// The loop, made when it is first asked for.
    pub(crate) fn uv_loop(&self) -> io::Result<*mut std::ffi::c_void> {
        if let Some(uv) = self.uv.0.get() {
            return Ok(uv.of.raw());
        }
        let hooks = RoundHooks {
            before: serve_events,
            after: run_immediates,
        };
        let no_loop = || io::Error::other("the system has no descriptors left for a loop");
        let libuv = Libuv::of_process().map_err(io::Error::other)?;
        let of = Loop::open(libuv, hooks).ok_or_else(no_loop)?;
        let watch = Watch::start(of.descriptor(), Arc::clone(&self.inbox))?;
        let raw = of.raw();
        let open = Open {
            watch,
            of,
            budget: Cell::new(None),
        };
        // Nobody else can have set it meanwhile: this thread is the only one.
        let _ = self.uv.0.set(open);
        // What the addon has begun before it asked is looked at.
        self.inbox.request_turn();
        Ok(raw)
    }

    /// Runs a round of the loop for the end, if there is one: no more turns are taken.
    pub(crate) fn finish_uv(&'static self) {
        Host { state: self }.run_uv(&mut Budget::default());
    }
}

/// Runs a part of a turn in the middle of a round.
fn in_turn(part: fn(Host, &mut Budget)) {
    let Some(state) = current() else { return };
    let Some(uv) = state.uv.0.get() else { return };
    let Some(mut budget) = uv.budget.take() else {
        return;
    };
    let depth = Depth::enter(state);
    part(Host { state }, &mut budget);
    drop(depth);
    uv.budget.set(Some(budget));
}

fn serve_events() {
    in_turn(Host::serve_events);
}

fn run_immediates() {
    in_turn(|host, budget| host.node().run_immediates(host, budget));
}
