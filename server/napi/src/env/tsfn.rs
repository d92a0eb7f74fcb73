//! Threadsafe functions: the half that any thread may touch, and the half of the host's thread.
//!
//! Ids resolve without a lock: a slot's place is fixed for the life of the process and its
//! generation is atomic. What changes with use is behind a lock of the function's own, held for a
//! few instructions. A slot is freed only when the function was finalized and no thread holds it, so
//! that late threads find it closing instead of finding another one.
//!
//! Calls are queued in the slot. However many there are, the host's inbox holds one event per
//! function: a burst is one wake-up.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hostd_engine::Value;

use super::slots::{IdKind, pack, unpack};
use super::{Env, EnvId, flags};
use crate::abi::checked::{Data, ThreadCalls};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_env, napi_value};
use crate::host::{self, Budget, Event, HostState, Inbox, Origin};

/// At the end of an environment, calls are given back for so long at least, and after the end of its
/// grace no longer: a host that is killed gives nothing back, and calls no finalizer either.
const GIVING_BACK: Duration = Duration::from_millis(200);

const CHUNK: usize = 64;
const CHUNKS: usize = 1024;

/// What any thread may touch.
#[derive(Debug)]
struct Slot {
    /// The generation of the id that is alive here; 0 for none.
    generation: AtomicU32,
    /// The generation that the last one here had.
    last: AtomicU32,
    context: AtomicUsize,
    referenced: AtomicBool,
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
    /// An event of this function is in the inbox.
    posted: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.limit > 0 && self.queue.len() >= self.limit
    }

    /// Has the host's thread look at the function.
    fn post(&mut self, id: usize) {
        if let Some(inbox) = &self.inbox
            && !self.posted
        {
            self.posted = true;
            inbox.post(Event::ThreadsafeFunction(id));
        }
    }
}

/// How a function is made.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// What the default `call_js` calls, and custom ones are given.
    pub(crate) function: Option<Value>,
    /// The most calls that are kept; 0 for any number.
    pub(crate) limit: usize,
    /// How many threads hold it at first.
    pub(crate) threads: usize,
    /// What is called.
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

static SLOTS: [OnceLock<Box<[Slot]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
/// Touched only when functions are made and freed.
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
    let chunk = SLOTS.get(index / CHUNK)?.get_or_init(|| {
        let slot = || Slot {
            generation: AtomicU32::new(0),
            last: AtomicU32::new(0),
            context: AtomicUsize::new(0),
            referenced: AtomicBool::new(false),
            state: Mutex::default(),
            room: Condvar::new(),
        };
        std::iter::repeat_with(slot).take(CHUNK).collect()
    });
    chunk.get(index % CHUNK)
}

/// The slot that an id names, if it is alive.
fn resolve(id: usize) -> Option<(&'static Slot, u32, u32)> {
    let (generation, index) = unpack(IdKind::ThreadsafeFunction, id)?;
    let slot = SLOTS
        .get(index as usize / CHUNK)?
        .get()?
        .get(index as usize % CHUNK)?;
    let alive = generation != 0 && slot.generation.load(Ordering::Acquire) == generation;
    alive.then_some((slot, generation, index))
}

/// The slot and its state, if it is alive and stays so while the guard is held.
fn locked(id: usize) -> NapiResult<(&'static Slot, MutexGuard<'static, State>)> {
    let (slot, generation, _) = resolve(id).ok_or(Status::InvalidArg)?;
    let state = lock(&slot.state);
    if slot.generation.load(Ordering::Acquire) == generation {
        Ok((slot, state))
    } else {
        Err(Status::InvalidArg)
    }
}

/// Makes the shared half; gives the id. None when there are too many.
fn allocate(owner: EnvId, recipe: &Recipe, inbox: Arc<Inbox>) -> Option<usize> {
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
        threads: recipe.threads,
        inbox: Some(inbox),
        owner: Some(owner),
        limit: recipe.limit,
        ..State::default()
    };
    let context = recipe.calls.context.word();
    slot.context.store(context, Ordering::Relaxed);
    slot.referenced.store(true, Ordering::Relaxed);
    let generation = slot.last.load(Ordering::Relaxed).wrapping_add(1) & 0x00ff_ffff;
    let generation = generation.max(1);
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
    let (slot, _, _) = resolve(id).ok_or(Status::InvalidArg)?;
    let context = slot.context.load(Ordering::Relaxed);
    // Still the same function after the read: the context read was its own.
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
            state.post(id);
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

/// Queues a call. From any thread. In a full queue it waits for room, if `blocking`.
///
/// A thread that finds the function closing does not hold it any more.
pub(crate) fn call(id: usize, data: Data, blocking: bool) -> NapiResult {
    let (slot, mut state) = locked(id)?;
    while state.phase == Phase::Open && state.is_full() {
        if !blocking {
            return Err(Status::QueueFull);
        }
        // This thread alone could make room.
        if host::current().is_some_and(|host| is_inbox_of(&state, host)) {
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
        state.queue.push_back(data.word());
        state.post(id);
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

fn is_inbox_of(state: &State, host: &HostState) -> bool {
    let inbox = state.inbox.as_ref();
    inbox.is_some_and(|inbox| Arc::ptr_eq(inbox, &host.inbox))
}

/// Whose function it is.
pub(crate) fn owner(id: usize) -> Option<EnvId> {
    locked(id).ok().and_then(|(_, state)| state.owner)
}

/// How often threads hold it; 0 if it is gone.
pub(crate) fn holders(id: usize) -> usize {
    locked(id).map_or(0, |(_, state)| state.threads)
}

/// Whether it keeps the host busy. Flags, not counters.
pub(crate) fn set_referenced(id: usize, referenced: bool) -> NapiResult {
    let (slot, _, _) = resolve(id).ok_or(Status::InvalidArg)?;
    slot.referenced.store(referenced, Ordering::Relaxed);
    Ok(())
}

/// The functions of an environment: the half of the host's thread.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    by_id: HashMap<usize, Local>,
    made: u64,
}

#[derive(Debug)]
struct Local {
    /// Counts up: the youngest are closed first.
    serial: u64,
    function: Option<Value>,
    calls: ThreadCalls,
}

/// What came out of a queue.
enum Next {
    /// A call; whether the function is done with that.
    Call { data: usize, last: bool },
    /// Nothing; the next call posts an event.
    Nothing,
    /// The function is to be finalized.
    Close,
}

fn next(id: usize) -> Next {
    let Ok((slot, mut state)) = locked(id) else {
        return Next::Nothing;
    };
    match state.phase {
        Phase::Finalized => return Next::Nothing,
        Phase::Closing => return Next::Close,
        Phase::Open => {}
    }
    let popped = state.queue.pop_front();
    // Not only when the queue was full: each place freed is for one of those who wait.
    if state.blocked > 0 {
        slot.room.notify_one();
    }
    let last = state.queue.is_empty() && state.threads == 0;
    if last {
        state.phase = Phase::Closing;
        wake_all(slot, &state);
    }
    match popped {
        Some(data) => Next::Call { data, last },
        None if last => Next::Close,
        None => {
            state.posted = false;
            Next::Nothing
        }
    }
}

impl Env {
    /// Makes a threadsafe function.
    pub(crate) fn new_threadsafe(&self, inbox: Arc<Inbox>, recipe: Recipe) -> NapiResult<usize> {
        let id = allocate(self.id(), &recipe, inbox).ok_or(Status::GenericFailure)?;
        let mut locals = self.threadsafe.borrow_mut();
        locals.made += 1;
        let serial = locals.made;
        let Recipe {
            function, calls, ..
        } = recipe;
        let local = Local {
            serial,
            function,
            calls,
        };
        locals.by_id.insert(id, local);
        Ok(id)
    }

    /// Whether one is open and referenced.
    pub(crate) fn has_referenced_threadsafe(&self) -> bool {
        self.threadsafe.borrow().by_id.keys().any(|id| {
            resolve(*id).is_some_and(|(slot, ..)| slot.referenced.load(Ordering::Relaxed))
        })
    }

    /// How many calls wait in the environment's queues.
    pub(crate) fn queued_threadsafe(&self) -> usize {
        let locals = self.threadsafe.borrow();
        let lengths = locals
            .by_id
            .keys()
            .filter_map(|id| locked(*id).ok().map(|(_, state)| state.queue.len()));
        lengths.sum()
    }

    /// Serves an event: delivers calls, as far as the budget goes, and closes the function if all
    /// threads released it or one aborted it. True if the budget was spent before, so that the event
    /// is posted again.
    pub(crate) fn dispatch_threadsafe(
        &'static self,
        host: &'static HostState,
        id: usize,
        budget: &mut Budget,
    ) -> bool {
        let local = {
            let locals = self.threadsafe.borrow();
            let Some(local) = locals.by_id.get(&id) else {
                return false;
            };
            (local.function.clone(), local.calls)
        };
        let (function, calls) = local;
        loop {
            match next(id) {
                Next::Nothing => return false,
                Next::Close => break,
                Next::Call { data, last } => {
                    let data = Data::from_word(data);
                    self.deliver(host, function.as_ref(), &calls, data);
                    host.settle_item();
                    if last {
                        break;
                    }
                }
            }
            if !budget.spend() {
                // The rest has to wait for the next turn. `posted` is still set.
                host.inbox.post(Event::ThreadsafeFunction(id));
                return true;
            }
        }
        drop(function);
        self.finalize_threadsafe(host, id, None);
        host.settle_item();
        false
    }

    /// Hands one call to JavaScript.
    fn deliver(
        &'static self,
        host: &'static HostState,
        function: Option<&Value>,
        calls: &ThreadCalls,
        data: Data,
    ) {
        if self.flags() & flags::POISONED != 0 {
            return;
        }
        let origin = Origin::ThreadsafeFunction;
        match (calls.call_js, function) {
            (Some(call_js), _) => host.call_native(self, origin, || {
                let handle = function.map_or(napi_value(0), |function| {
                    host.handles.borrow_mut().push(function.clone())
                });
                call_js.call(self.raw(), handle, calls.context, data);
            }),
            (None, Some(function)) => {
                if let Err(thrown) = host.rt.call(function, &Value::UNDEFINED, &[]) {
                    host.dispose(self, &thrown, origin);
                }
            }
            (None, None) => {}
        }
    }

    /// Closes what is open, for teardown: youngest first. Gives those that threads held.
    pub(crate) fn close_threadsafe(
        &'static self,
        host: &'static HostState,
        end: Instant,
    ) -> Vec<usize> {
        let end = end.max(Instant::now() + GIVING_BACK);
        let mut held = Vec::new();
        loop {
            let youngest = {
                let locals = self.threadsafe.borrow();
                let found = locals.by_id.iter().max_by_key(|(_, local)| local.serial);
                found.map(|(id, _)| *id)
            };
            let Some(id) = youngest else { return held };
            if let Ok((slot, mut state)) = locked(id) {
                if state.phase == Phase::Open && state.threads > 0 {
                    held.push(id);
                }
                state.phase = Phase::Closing;
                wake_all(slot, &state);
            }
            self.finalize_threadsafe(host, id, Some(end));
        }
    }

    /// Gives the calls back that were not delivered, so that their data can be freed, and runs the
    /// finalizer, once; frees the slot when no thread holds it.
    fn finalize_threadsafe(
        &'static self,
        host: &'static HostState,
        id: usize,
        end: Option<Instant>,
    ) {
        let Some(local) = self.threadsafe.borrow_mut().by_id.remove(&id) else {
            return;
        };
        let calls = local.calls;
        let left = match locked(id) {
            Ok((_, mut state)) => std::mem::take(&mut state.queue),
            Err(_) => VecDeque::new(),
        };
        if let Some(call_js) = calls.call_js {
            for (count, data) in left.into_iter().enumerate() {
                if count % CHUNK == 0 && end.is_some_and(|end| end < Instant::now()) {
                    break;
                }
                let data = Data::from_word(data);
                call_js.call(napi_env(0), napi_value(0), calls.context, data);
            }
        }
        if let Some(finalize) = calls.finalize {
            host.call_native(self, Origin::ThreadsafeFunction, || {
                finalize.call(self.raw(), calls.finalize_data, calls.context);
            });
        }
        drop(local);
        if let Ok((slot, mut state)) = locked(id) {
            state.phase = Phase::Finalized;
            if state.threads == 0 {
                free(slot, &mut state, id);
            }
        }
    }
}
