//! Threadsafe functions: the half that any thread may touch, and the half of the host's thread.
//!
//! Ids resolve without a lock: a slot's place is fixed for the life of the process and its
//! generation is atomic. What changes with use is behind a lock of the function's own, held for a
//! few instructions. A slot is freed only when the function was finalized and no thread holds it, so
//! that late threads find it closing instead of finding another one.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hostd_engine::Value;

use super::Env;
use super::slots::{IdKind, pack, unpack};
use crate::abi::check::{Data, ThreadCalls};
use crate::abi::status::{NapiResult, Status};
use crate::host::{Event, HostState, Inbox, Origin};

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
}

#[derive(Debug, Default)]
struct State {
    threads: usize,
    phase: Phase,
    inbox: Option<Arc<Inbox>>,
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
fn allocate(threads: usize, context: Data, inbox: Arc<Inbox>) -> Option<usize> {
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
        threads,
        phase: Phase::Open,
        inbox: Some(inbox),
    };
    slot.context.store(context.word(), Ordering::Relaxed);
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
            }
            if let Some(inbox) = &state.inbox {
                inbox.post(Event::ThreadsafeFunction(id));
            }
        }
        Phase::Finalized if state.threads == 0 => free(slot, &mut state, id),
        Phase::Open | Phase::Closing | Phase::Finalized => {}
    }
    Ok(())
}

/// Whether it keeps the host busy. Flags, not counters.
pub(crate) fn set_referenced(id: usize, referenced: bool) -> NapiResult {
    let (slot, _, _) = resolve(id).ok_or(Status::InvalidArg)?;
    slot.referenced.store(referenced, Ordering::Relaxed);
    Ok(())
}

/// The half of the host's thread.
#[derive(Debug)]
pub(crate) struct Local {
    id: usize,
    #[expect(dead_code, reason = "what calls will be delivered to")]
    function: Option<Value>,
    calls: ThreadCalls,
}

impl Env {
    /// Makes a threadsafe function.
    pub(crate) fn new_threadsafe(
        &self,
        inbox: Arc<Inbox>,
        function: Option<Value>,
        threads: usize,
        calls: ThreadCalls,
    ) -> NapiResult<usize> {
        let id = allocate(threads, calls.context, inbox).ok_or(Status::GenericFailure)?;
        self.threadsafe.borrow_mut().push(Local {
            id,
            function,
            calls,
        });
        Ok(id)
    }

    /// Whether one is open and referenced.
    pub(crate) fn has_referenced_threadsafe(&self) -> bool {
        self.threadsafe.borrow().iter().any(|local| {
            resolve(local.id).is_some_and(|(slot, ..)| slot.referenced.load(Ordering::Relaxed))
        })
    }

    /// Whether this one is the environment's.
    pub(crate) fn owns_threadsafe(&self, id: usize) -> bool {
        self.threadsafe.borrow().iter().any(|local| local.id == id)
    }

    /// Serves an event: closes the function if all threads released it or one aborted it.
    pub(crate) fn dispatch_threadsafe(&'static self, host: &'static HostState, id: usize) {
        let due = match locked(id) {
            Ok((_, mut state)) => {
                let due = state.threads == 0 || state.phase == Phase::Closing;
                if due && state.phase == Phase::Open {
                    state.phase = Phase::Closing;
                }
                due
            }
            Err(_) => false,
        };
        if due {
            self.finalize_threadsafe(host, id);
        }
    }

    /// Closes what is open, for teardown: youngest first.
    pub(crate) fn close_threadsafe(&'static self, host: &'static HostState) {
        loop {
            let Some(id) = self.threadsafe.borrow().last().map(|local| local.id) else {
                return;
            };
            if let Ok((_, mut state)) = locked(id) {
                state.phase = Phase::Closing;
            }
            self.finalize_threadsafe(host, id);
        }
    }

    /// Runs the finalizer, once; frees the slot when no thread holds it.
    fn finalize_threadsafe(&'static self, host: &'static HostState, id: usize) {
        let local = {
            let mut locals = self.threadsafe.borrow_mut();
            let Some(position) = locals.iter().position(|local| local.id == id) else {
                return;
            };
            locals.remove(position)
        };
        if let Some(finalize) = local.calls.finalize {
            host.call_native(self, Origin::ThreadsafeFunction, || {
                finalize.call(self.raw(), local.calls.finalize_data, local.calls.context);
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
