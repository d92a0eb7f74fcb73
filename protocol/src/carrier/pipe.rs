//! Lanes as queues in one process: the memory carrier, and both ends of the socket carrier.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::port::{self, Interest, Port, Terms};
use super::{Idle, Interrupted, Patient, Wake};
use crate::control::LANES;
use crate::error::{ProtocolError, Result};
use crate::frame::Header;
use crate::ids::{HOME_LANE, LaneIndex};

/// A queue takes this many bytes before its writer waits.
const QUEUE_BYTES: usize = 256 << 10;

/// Between two checks of a waiting thread.
const SLICE: Duration = Duration::from_millis(100);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_on<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    condition
        .wait_timeout(guard, timeout)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

/// Where the word lies that says whether the JS thread is at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// In these queues: both ends use them.
    Here,
    /// In the other process.
    Elsewhere,
}

/// The queues of a session, in both directions.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) to_host: Direction,
    pub(super) to_client: Direction,
    cancels: [AtomicU32; LANES as usize],
    at_top: AtomicU32,
    /// A turn was wanted while the JS thread was not at its top.
    declined: AtomicBool,
    gone: AtomicBool,
    leases: Leases,
    terms: Terms,
    top: Top,
}

impl Pipes {
    pub(super) fn new(terms: Terms, top: Top) -> Arc<Self> {
        Arc::new(Self {
            to_host: Direction::new(),
            to_client: Direction::new(),
            cancels: std::array::from_fn(|_| AtomicU32::new(0)),
            at_top: AtomicU32::new(0),
            declined: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            leases: Leases::new(),
            terms,
            top,
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The other side is gone: every wait ends once its queue is empty.
    pub(super) fn disconnect(&self) {
        self.gone.store(true, Ordering::Release);
        for direction in [&self.to_host, &self.to_client] {
            for channel in &direction.channels {
                // Under the lock, so that nobody is between a look at the flag and a sleep.
                let _queue = lock(&channel.queue);
                channel.changed.notify_all();
                channel.space.notify_one();
            }
            direction.bell.ring();
        }
        let _leases = lock(&self.leases.state);
        self.leases.changed.notify_all();
    }

    pub(super) fn set_cancel(&self, lane: LaneIndex, word: u32) {
        if let Some(cancel) = self.cancels.get(usize::from(lane.0)) {
            cancel.store(word, Ordering::Release);
            self.to_host.bell.mark_cancel(lane);
        }
    }

    pub(super) fn cancel(&self, lane: LaneIndex) -> u32 {
        self.cancels
            .get(usize::from(lane.0))
            .map_or(0, |cancel| cancel.load(Ordering::Acquire))
    }

    pub(super) fn sees_top(&self) -> bool {
        self.top == Top::Here
    }

    /// Takes the announcement that the JS thread is at its top.
    fn try_take_top(&self) -> bool {
        let taken = self.top == Top::Elsewhere
            || self
                .at_top
                .compare_exchange(1, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if !taken {
            self.declined.store(true, Ordering::Release);
        }
        taken
    }
}

/// The queues of one direction and who is told of them.
#[derive(Debug)]
pub(super) struct Direction {
    channels: [Channel; LANES as usize],
    pub(super) bell: Bell,
}

impl Direction {
    fn new() -> Self {
        Self {
            channels: std::array::from_fn(|_| Channel::default()),
            bell: Bell::default(),
        }
    }

    fn channel(&self, lane: LaneIndex) -> Result<&Channel> {
        self.channels
            .get(usize::from(lane.0))
            .ok_or(ProtocolError::violation("a lane that does not exist"))
    }

    pub(super) fn push(&self, lane: LaneIndex, bytes: &[u8]) -> Result<usize> {
        let channel = self.channel(lane)?;
        let pushed = {
            let mut queue = lock(&channel.queue);
            let fits = bytes.len().min(QUEUE_BYTES - queue.len().min(QUEUE_BYTES));
            queue.extend(&bytes[..fits]);
            channel.changed.notify_all();
            fits
        };
        if pushed > 0 {
            self.bell.mark_ready(lane);
        }
        Ok(pushed)
    }

    pub(super) fn pull(
        &self,
        lane: LaneIndex,
        limit: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Result<usize> {
        let channel = self.channel(lane)?;
        let mut queue = lock(&channel.queue);
        let count = limit.min(queue.len());
        let (front, back) = queue.as_slices();
        let first = count.min(front.len());
        each(&front[..first]);
        each(&back[..count - first]);
        queue.drain(..count);
        if count > 0 {
            channel.changed.notify_all();
            channel.space.notify_one();
        }
        Ok(count)
    }

    fn has(&self, lane: LaneIndex) -> bool {
        self.channel(lane)
            .is_ok_and(|channel| !lock(&channel.queue).is_empty())
    }

    /// Waits until a queue has room, on the async side.
    pub(super) async fn space(&self, lane: LaneIndex) {
        if let Ok(channel) = self.channel(lane) {
            channel.space.notified().await;
        }
    }

    fn wait(
        &self,
        lane: LaneIndex,
        interest: Interest,
        gone: &AtomicBool,
        idle: &mut dyn Idle,
    ) -> Result {
        let channel = self.channel(lane)?;
        let is_ready = |queue: &VecDeque<u8>| match interest {
            Interest::Data => !queue.is_empty(),
            Interest::Space => queue.len() < QUEUE_BYTES,
        };
        loop {
            // No lock is held while foreign code runs.
            let verdict = idle.check();
            let queue = lock(&channel.queue);
            if is_ready(&queue) {
                return Ok(());
            }
            if gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            if verdict.is_err() {
                return Err(ProtocolError::Interrupted);
            }
            let queue = wait_on(&channel.changed, queue, SLICE);
            if is_ready(&queue) {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, Default)]
struct Channel {
    queue: Mutex<VecDeque<u8>>,
    changed: Condvar,
    space: Notify,
}

/// Tells whoever serves all lanes of a direction which of them have something.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<Marks>,
    changed: Condvar,
    notify: Notify,
}

/// What happened since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// A bit for each lane that was written to.
    pub(super) ready: u64,
    /// A bit for each lane whose cancel word was set.
    pub(super) cancels: u64,
    rung: bool,
}

impl Bell {
    fn change(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
        self.notify.notify_one();
    }

    pub(super) fn mark_ready(&self, lane: LaneIndex) {
        self.change(|marks| marks.ready |= 1 << lane.0);
    }

    fn mark_cancel(&self, lane: LaneIndex) {
        self.change(|marks| marks.cancels |= 1 << lane.0);
    }

    pub(super) fn ring(&self) {
        self.change(|marks| marks.rung = true);
    }

    /// Waits on the async side, and takes the marks.
    pub(super) async fn marks(&self) -> Marks {
        loop {
            let marks = std::mem::take(&mut *lock(&self.state));
            if marks.ready | marks.cancels != 0 || marks.rung {
                return marks;
            }
            self.notify.notified().await;
        }
    }
}

/// Who has which lane, first come first served.
#[derive(Debug)]
struct Leases {
    state: Mutex<LeaseState>,
    changed: Condvar,
}

#[derive(Debug)]
struct LeaseState {
    free: u64,
    home_free: bool,
    queue: VecDeque<u64>,
    next: u64,
}

impl Leases {
    fn new() -> Self {
        let state = LeaseState {
            free: !1,
            home_free: true,
            queue: VecDeque::new(),
            next: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn take(
        &self,
        hint: Option<LaneIndex>,
        pipes: &Pipes,
        idle: &mut dyn Idle,
    ) -> Result<LaneIndex> {
        let ticket = {
            let mut state = lock(&self.state);
            let ticket = state.next;
            state.next += 1;
            state.queue.push_back(ticket);
            ticket
        };
        loop {
            let mut state = lock(&self.state);
            let outcome = if pipes.is_gone() {
                Some(Err(ProtocolError::Disconnected))
            } else if state.queue.front() == Some(&ticket) && state.free != 0 {
                let hinted = hint.filter(|lane| state.free & (1 << lane.0) != 0);
                let lane = hinted.unwrap_or(LaneIndex(first(state.free)));
                state.free &= !(1 << lane.0);
                Some(Ok(lane))
            } else {
                drop(wait_on(&self.changed, state, SLICE));
                let verdict = idle.check();
                state = lock(&self.state);
                verdict.err().map(|_| Err(ProtocolError::Interrupted))
            };
            if let Some(outcome) = outcome {
                state.queue.retain(|other| *other != ticket);
                self.changed.notify_all();
                return outcome;
            }
        }
    }

    fn give_back(&self, lane: LaneIndex) {
        let mut state = lock(&self.state);
        if lane == HOME_LANE {
            state.home_free = true;
        } else {
            state.free |= 1 << lane.0;
        }
        self.changed.notify_all();
    }
}

/// The lowest lane of a set that is not empty.
fn first(lanes: u64) -> u16 {
    u16::try_from(lanes.trailing_zeros()).unwrap_or(0)
}

/// The client's end.
#[derive(Clone, Debug)]
pub(super) struct PipeClient {
    pub(super) pipes: Arc<Pipes>,
}

impl PipeClient {
    pub(super) fn lease(&self, hint: Option<LaneIndex>, idle: &mut dyn Idle) -> Result<PipeLane> {
        let lane = self.pipes.leases.take(hint, &self.pipes, idle)?;
        Ok(PipeLane {
            pipes: Arc::clone(&self.pipes),
            lane,
        })
    }

    pub(super) fn home(&self) -> Option<PipeLane> {
        let mut state = lock(&self.pipes.leases.state);
        std::mem::take(&mut state.home_free).then(|| PipeLane {
            pipes: Arc::clone(&self.pipes),
            lane: HOME_LANE,
        })
    }
}

/// A leased lane of the client's end.
#[derive(Debug)]
pub(super) struct PipeLane {
    pipes: Arc<Pipes>,
    lane: LaneIndex,
}

impl PipeLane {
    pub(super) const fn index(&self) -> LaneIndex {
        self.lane
    }

    pub(super) fn set_cancel(&self, word: u32) {
        self.pipes.set_cancel(self.lane, word);
    }

    pub(super) fn try_take_top(&self) -> bool {
        self.pipes.try_take_top()
    }

    pub(super) fn send(&mut self, frame: &[u8], idle: &mut dyn Idle) -> Result {
        if self.pipes.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        port::send(self, frame, idle)
    }

    pub(super) fn receive(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header> {
        let terms = self.pipes.terms;
        port::receive(self, body, &terms, idle)
    }
}

impl Drop for PipeLane {
    fn drop(&mut self) {
        self.pipes.leases.give_back(self.lane);
    }
}

impl Port for PipeLane {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.pipes.to_host.push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.pipes.to_client, self.lane, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.pipes
            .to_client
            .pull(self.lane, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = match interest {
            Interest::Data => &self.pipes.to_client,
            Interest::Space => &self.pipes.to_host,
        };
        direction.wait(self.lane, interest, &self.pipes.gone, idle)
    }
}

fn fill(direction: &Direction, lane: LaneIndex, target: &mut [u8]) -> Result<usize> {
    let mut at = 0;
    direction.pull(lane, target.len(), |bytes| {
        target[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    })
}

/// The host's end.
#[derive(Debug)]
pub(super) struct PipeHost {
    pub(super) pipes: Arc<Pipes>,
    ready: u64,
    last: u32,
    /// A turn was declined, and that was not told yet.
    declined: bool,
    /// Notices that the client hears of when the JS thread is at its top.
    held: Vec<u8>,
}

impl PipeHost {
    pub(super) const fn new(pipes: Arc<Pipes>) -> Self {
        Self {
            pipes,
            ready: 0,
            last: 0,
            declined: false,
            held: Vec::new(),
        }
    }

    pub(super) fn take_declined(&mut self) -> bool {
        std::mem::take(&mut self.declined)
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.pipes.at_top.store(1, Ordering::Release);
        if self.pipes.declined.swap(false, Ordering::AcqRel) {
            self.declined = true;
            self.pipes.at_top.store(0, Ordering::Release);
            return Ok(Wake::Rung);
        }
        if !self.held.is_empty() {
            self.pipes.to_client.push(HOME_LANE, &self.held)?;
            self.held.clear();
        }
        let woken = self.wait_until(deadline);
        self.pipes.at_top.store(0, Ordering::Release);
        woken
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Wake> {
        let pipes = Arc::clone(&self.pipes);
        let bell = &pipes.to_host.bell;
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            {
                let mut marks = lock(&bell.state);
                if self.ready | marks.ready == 0 && !marks.rung && !self.pipes.is_gone() {
                    if left == Some(Duration::ZERO) {
                        return Ok(Wake::TimedOut);
                    }
                    marks = wait_on(
                        &bell.changed,
                        marks,
                        left.unwrap_or(Duration::from_secs(60)),
                    );
                }
                self.ready |= std::mem::take(&mut marks.ready);
                if std::mem::take(&mut marks.rung) && !self.pipes.is_gone() {
                    return Ok(Wake::Rung);
                }
            }
            while let Some(lane) = self.next_ready() {
                if self.pipes.to_host.has(lane) {
                    return Ok(Wake::Lane(lane));
                }
                self.ready &= !(1 << lane.0);
            }
            if self.pipes.is_gone() {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    /// Round robin: the first lane after the last one.
    fn next_ready(&mut self) -> Option<LaneIndex> {
        if self.ready == 0 {
            return None;
        }
        let start = (self.last + 1) % 64;
        self.last = (start + self.ready.rotate_right(start).trailing_zeros()) % 64;
        Some(LaneIndex(u16::try_from(self.last).unwrap_or(0)))
    }

    pub(super) fn send(&mut self, lane: LaneIndex, frame: &[u8]) -> Result {
        if self.pipes.is_gone() {
            return Err(ProtocolError::Disconnected);
        }
        port::send(
            &mut HostPort {
                pipes: &self.pipes,
                lane,
            },
            frame,
            &mut Patient,
        )
    }

    pub(super) fn try_notice(&mut self, frame: &[u8]) -> Result<bool> {
        let channel = self.pipes.to_client.channel(HOME_LANE)?;
        // Only this end writes, so what is free stays free.
        let queued = lock(&channel.queue).len() + self.held.len();
        let fits = queued + frame.len() <= QUEUE_BYTES;
        if fits {
            self.held.extend_from_slice(frame);
        }
        Ok(fits)
    }

    pub(super) fn wait_for(&mut self, lane: LaneIndex, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        let mut idle = || match deadline {
            Some(deadline) if deadline <= Instant::now() => Err(Interrupted),
            _ => Ok(()),
        };
        let pipes = &self.pipes;
        let waited = pipes
            .to_host
            .wait(lane, Interest::Data, &pipes.gone, &mut idle);
        match waited {
            Ok(()) => Ok(true),
            Err(ProtocolError::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn withdrawn(&self, other_than: LaneIndex) -> Option<LaneIndex> {
        let mut lanes = (1..LANES).map(LaneIndex);
        lanes.find(|&lane| {
            lane != other_than && self.pipes.cancel(lane) != 0 && self.pipes.to_host.has(lane)
        })
    }

    pub(super) fn receive(&mut self, lane: LaneIndex, body: &mut Vec<u8>) -> Result<Header> {
        let terms = self.pipes.terms;
        port::receive(
            &mut HostPort {
                pipes: &self.pipes,
                lane,
            },
            body,
            &terms,
            &mut Patient,
        )
    }
}

struct HostPort<'a> {
    pipes: &'a Pipes,
    lane: LaneIndex,
}

impl Port for HostPort<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.pipes.to_client.push(self.lane, bytes)
    }

    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        fill(&self.pipes.to_host, self.lane, target)
    }

    fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.pipes
            .to_host
            .pull(self.lane, limit, |bytes| target.extend_from_slice(bytes))
    }

    fn wait(&mut self, interest: Interest, idle: &mut dyn Idle) -> Result {
        let direction = match interest {
            Interest::Data => &self.pipes.to_host,
            Interest::Space => &self.pipes.to_client,
        };
        direction.wait(self.lane, interest, &self.pipes.gone, idle)
    }
}
