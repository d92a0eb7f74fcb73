//! Threadsafe functions: the half that any thread may use. The host's thread has the other,
//! `local`.
//!
//! Ids resolve without a lock: a slot is never moved or freed, and its generation is atomic. The
//! rest of its state is behind a lock per function, held for a few instructions. A slot is reused
//! only when its function was finalized and no thread holds it, so that late threads find it
//! closing instead of finding another function.
//!
//! Calls are queued in the slot. However many there are, a function is posted to the host's inbox
//! once: a burst is one wake-up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use hostd_engine::Value;

use super::id::EnvId;
use super::slots::{IdKind, next_generation, pack, unpack};
use crate::abi::checked::{Data, ThreadCalls};
use crate::abi::status::{NapiResult, Status};
use crate::host::Inbox;

mod local;

/// A function of an environment, on the host's thread.
#[derive(Debug)]
pub(crate) struct Local {
    /// When it is closed at the end: see [`Hooks`](crate::env::cleanup::Hooks).
    place: u64,
    function: Option<Value>,
    calls: ThreadCalls,
}

/// How many slots are allocated at once.
const SLOTS_PER_CHUNK: usize = 64;
const CHUNKS_MAX: usize = 1024;

/// What any thread may touch.
#[derive(Debug)]
struct Slot {
    /// The generation of the id that is alive here; 0 for none.
    generation: AtomicU32,
    /// The generation that the last one here had.
    last: AtomicU32,
    context: AtomicUsize,
    referenced: AtomicBool,
    /// Whether the function was posted to the host's inbox and not served since. Written under the
    /// lock.
    posted: AtomicBool,
    state: Mutex<State>,
    /// Threads wait on it for room in the queue, or for the end.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    threads: usize,
    phase: Phase,
    inbox: Option<Arc<Inbox>>,
    owner: Option<EnvId>,
    /// The data pointers of the calls, as integers.
    queue: VecDeque<usize>,
    /// The most calls that are kept; 0 for any number.
    limit: usize,
    /// How many threads wait for room.
    blocked: usize,
}

impl State {
    fn is_full(&self) -> bool {
        self.limit > 0 && self.queue.len() >= self.limit
    }
}

impl Slot {
    /// Posts the function, whose state the caller has locked, to the host's inbox.
    fn post(&self, state: &State) {
        if let Some(inbox) = &state.inbox
            && !self.posted.swap(true, Ordering::Relaxed)
        {
            inbox.post_function();
        }
    }

    /// Takes the function back from the host's inbox.
    fn withdraw(&self, state: &State) {
        if let Some(inbox) = &state.inbox
            && self.posted.swap(false, Ordering::Relaxed)
        {
            inbox.done_function();
        }
    }
}

/// How to make a threadsafe function.
#[derive(Debug)]
pub(crate) struct ThreadsafeSpec {
    /// The function that the default `call_js` calls, and that custom ones get.
    pub(crate) function: Option<Value>,
    /// The most calls that are kept; 0 for any number.
    pub(crate) limit: usize,
    /// How many threads hold it at first.
    pub(crate) threads: usize,
    /// The native half.
    pub(crate) calls: ThreadCalls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Calls are taken.
    #[default]
    Open,
    /// Aborted or released by all: to be finalized.
    Closing,
    /// Finalized; some threads may still hold it.
    Finalized,
}

static SLOTS: [OnceLock<Box<[Slot]>>; CHUNKS_MAX] = [const { OnceLock::new() }; CHUNKS_MAX];
/// Locked only when functions are made and freed.
static FREE: Mutex<FreeList> = Mutex::new(FreeList {
    freed: Vec::new(),
    used: 0,
});

#[derive(Debug)]
struct FreeList {
    freed: Vec<u32>,
    used: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn slot_at(index: u32) -> Option<&'static Slot> {
    let index = index as usize;
    let chunk = SLOTS.get(index / SLOTS_PER_CHUNK)?.get_or_init(|| {
        let slot = || Slot {
            generation: AtomicU32::new(0),
            last: AtomicU32::new(0),
            context: AtomicUsize::new(0),
            referenced: AtomicBool::new(false),
            posted: AtomicBool::new(false),
            state: Mutex::default(),
            room: Condvar::new(),
        };
        std::iter::repeat_with(slot).take(SLOTS_PER_CHUNK).collect()
    });
    chunk.get(index % SLOTS_PER_CHUNK)
}

/// The slot that an id names, if it is alive.
fn resolve(id: usize) -> Option<(&'static Slot, u32)> {
    let (generation, index) = unpack(IdKind::ThreadsafeFunction, id)?;
    let index = index as usize;
    let chunk = SLOTS.get(index / SLOTS_PER_CHUNK)?.get()?;
    let slot = chunk.get(index % SLOTS_PER_CHUNK)?;
    let alive = generation != 0 && slot.generation.load(Ordering::Acquire) == generation;
    alive.then_some((slot, generation))
}

/// The slot and its state, if it is alive and stays so while the guard is held.
fn locked(id: usize) -> NapiResult<(&'static Slot, MutexGuard<'static, State>)> {
    let (slot, generation) = resolve(id).ok_or(Status::InvalidArg)?;
    let state = lock(&slot.state);
    if slot.generation.load(Ordering::Acquire) == generation {
        Ok((slot, state))
    } else {
        Err(Status::InvalidArg)
    }
}

/// Makes the shared half; returns the id. `None` when there are too many.
fn allocate(owner: EnvId, spec: &ThreadsafeSpec, inbox: Arc<Inbox>) -> Option<usize> {
    let index = {
        let mut free = lock(&FREE);
        if let Some(index) = free.freed.pop() {
            index
        } else {
            let index = free.used;
            slot_at(index)?;
            free.used += 1;
            index
        }
    };
    let slot = slot_at(index)?;
    *lock(&slot.state) = State {
        threads: spec.threads,
        inbox: Some(inbox),
        owner: Some(owner),
        limit: spec.limit,
        ..State::default()
    };
    let context = spec.calls.context.word();
    slot.context.store(context, Ordering::Relaxed);
    slot.referenced.store(true, Ordering::Relaxed);
    let generation = next_generation(slot.last.load(Ordering::Relaxed));
    slot.last.store(generation, Ordering::Relaxed);
    slot.generation.store(generation, Ordering::Release);
    Some(pack(IdKind::ThreadsafeFunction, generation, index))
}

/// Frees the slot; its lock is held by the caller.
fn free(slot: &Slot, state: &mut State, id: usize) {
    slot.generation.store(0, Ordering::Release);
    state.inbox = None;
    if let Some((_, index)) = unpack(IdKind::ThreadsafeFunction, id) {
        lock(&FREE).freed.push(index);
    }
}

/// The context pointer. From any thread.
pub(crate) fn context(id: usize) -> NapiResult<Data> {
    let (slot, _) = resolve(id).ok_or(Status::InvalidArg)?;
    let context = slot.context.load(Ordering::Relaxed);
    // It is still the same function, so the context is its own.
    resolve(id).ok_or(Status::InvalidArg)?;
    Ok(Data::from_word(context))
}

/// One more thread uses it. From any thread.
pub(crate) fn acquire(id: usize) -> NapiResult {
    let (_, mut state) = locked(id)?;
    if state.phase != Phase::Open {
        return Err(Status::Closing);
    }
    state.threads = state.threads.checked_add(1).ok_or(Status::GenericFailure)?;
    Ok(())
}

/// One thread less uses it; `abort` closes it at once. From any thread.
pub(crate) fn release(id: usize, abort: bool) -> NapiResult {
    let (slot, mut state) = locked(id)?;
    if state.threads == 0 {
        return Err(Status::InvalidArg);
    }
    state.threads -= 1;
    match state.phase {
        Phase::Open if abort || state.threads == 0 => {
            if abort {
                state.phase = Phase::Closing;
                wake_all(slot, &state);
            }
            slot.post(&state);
        }
        Phase::Finalized if state.threads == 0 => free(slot, &mut state, id),
        Phase::Open | Phase::Closing | Phase::Finalized => {}
    }
    Ok(())
}

fn wake_all(slot: &Slot, state: &State) {
    if state.blocked > 0 {
        slot.room.notify_all();
    }
}

/// Queues a call. From any thread. Waits while the queue is full, if `blocking`.
///
/// A thread that finds the function closing no longer holds it.
pub(crate) fn call(id: usize, data: Data, blocking: bool) -> NapiResult {
    let (slot, mut state) = locked(id)?;
    while state.phase == Phase::Open && state.is_full() {
        if !blocking {
            return Err(Status::QueueFull);
        }
        // Only this thread empties the queue.
        if state
            .inbox
            .as_ref()
            .is_some_and(|inbox| inbox.is_served_here())
        {
            return Err(Status::WouldDeadlock);
        }
        state.blocked += 1;
        state = slot
            .room
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
        state.blocked -= 1;
    }
    if state.phase == Phase::Open {
        let room = state.queue.try_reserve(1);
        room.map_err(|_| Status::GenericFailure)?;
        state.queue.push_back(data.word());
        slot.post(&state);
        return Ok(());
    }
    if state.threads == 0 {
        return Err(Status::InvalidArg);
    }
    state.threads -= 1;
    if state.threads == 0 && state.phase == Phase::Finalized {
        free(slot, &mut state, id);
    }
    Err(Status::Closing)
}

/// Whose function it is.
pub(crate) fn owner(id: usize) -> Option<EnvId> {
    locked(id).ok().and_then(|(_, state)| state.owner)
}

/// Whether it is posted to the host's inbox; `None` if its slot is free.
pub(crate) fn is_posted(id: usize) -> Option<bool> {
    resolve(id).map(|(slot, _)| slot.posted.load(Ordering::Relaxed))
}

/// How often threads hold it; 0 if its slot is free.
pub(crate) fn holders(id: usize) -> usize {
    locked(id).map_or(0, |(_, state)| state.threads)
}

/// Sets whether it keeps the host busy. It is a flag, not a count.
pub(crate) fn set_referenced(id: usize, referenced: bool) -> NapiResult {
    let (slot, _) = resolve(id).ok_or(Status::InvalidArg)?;
    slot.referenced.store(referenced, Ordering::Relaxed);
    Ok(())
}

/// The next thing to do for a function.
enum Next {
    /// A call; `last` if the function is to be finalized after it.
    Call { data: usize, last: bool },
    /// Nothing; the next call posts the function.
    Nothing,
    /// The function is to be finalized.
    Close,
}

/// What became of a function that was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// It has nothing to do any more.
    All,
    /// It stays posted.
    Some,
    /// It has come to its end, and is to be finalized.
    Closing,
}

fn next(id: usize) -> Next {
    let Ok((slot, mut state)) = locked(id) else {
        return Next::Nothing;
    };
    match state.phase {
        Phase::Finalized => return Next::Nothing,
        Phase::Closing => {
            slot.withdraw(&state);
            return Next::Close;
        }
        Phase::Open => {}
    }
    let popped = state.queue.pop_front();
    // Also when the queue was not full: each place that is freed is for one of the waiting threads.
    if state.blocked > 0 {
        slot.room.notify_one();
    }
    let last = state.queue.is_empty() && state.threads == 0;
    if last {
        state.phase = Phase::Closing;
        wake_all(slot, &state);
        slot.withdraw(&state);
    }
    match popped {
        Some(data) => Next::Call { data, last },
        None if last => Next::Close,
        None => {
            slot.withdraw(&state);
            Next::Nothing
        }
    }
}

/// The state of a function that is not served further in this round.
fn interrupted(id: usize) -> Served {
    let Ok((slot, state)) = locked(id) else {
        return Served::All;
    };
    if state.phase == Phase::Open && state.queue.is_empty() && state.threads > 0 {
        slot.withdraw(&state);
        return Served::All;
    }
    Served::Some
}
