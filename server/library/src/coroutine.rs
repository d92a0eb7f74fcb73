//! Sessions as coroutines of the client's thread: each has a stack of its own, and runs there from
//! [`SharedThread::resume`] until it waits. What a thread knows of its session, its host and its engine
//! is exchanged when another session is resumed there.
//!
//! N2: the address of a coroutine's yielder is used only while the coroutine runs, which is between its
//! [`SharedThread::resume`] and the switch back; it is set before and taken off after that.
//!
//! N3: a session is resumed on the thread that made it. What is parked is put back there only.
//!
//! N4: the addresses of a direct call and of the place for a callback are used only between the client's
//! resumption and the next switch back to the client, which takes them off.

#![expect(
    unsafe_code,
    reason = "the switch of stacks, and of what a thread knows"
)]

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use hostd_control::logs::{self, SessionLog};
use hostd_napi::ParkedHost;
use hostd_protocol::carrier::WaitLimit;
use hostd_protocol::direct::{
    CallbackState, DirectCall, DirectCallback, DirectReleases, DirectRequest, DirectState, Scalar,
};
use hostd_protocol::in_process::{Resumed, SessionEnd};
use hostd_protocol::memory::SharedMemory;
use hostd_protocol::profile::HostTimes;
use hostd_session::{ParkedSession, Session, WakeHook};

use crate::hooks::DirectCalls;
use crate::serve::{Sharing, serve};

type SessionYielder = Yielder<(), WaitLimit>;
type SessionCoroutine = Coroutine<(), WaitLimit, SessionEnd, DefaultStack>;

thread_local! {
    static HERE: Here = const {
        Here {
            yielder: Cell::new(ptr::null()),
            occupant: Cell::new(0),
            call: Cell::new(ptr::null_mut()),
            callback: Cell::new(ptr::null_mut()),
        }
    };
    /// What the thread knows of the sessions that are not its occupant, by their numbers.
    static PARKED: RefCell<Vec<(u64, Parked)>> = const { RefCell::new(Vec::new()) };
    static NEXT_NUMBER: Cell<u64> = const { Cell::new(1) };
}

/// What a thread has in use. In one piece, since finding a thread-local of a library takes a call.
struct Here {
    /// The yielder of the coroutine that runs (N2).
    yielder: Cell<*const SessionYielder>,
    /// The number of the session that this thread knows; zero for none.
    occupant: Cell<u64>,
    /// The call that the client makes, while it waits for the session in place (N4).
    call: Cell<*mut DirectCall>,
    /// The place for a callback, while the client takes one (N4).
    callback: Cell<*mut DirectCallback>,
}

/// What a thread knows of a session that is not its occupant.
#[derive(Default)]
struct Parked {
    session: ParkedSession,
    host: ParkedHost,
    log: Option<SessionLog>,
}

impl Parked {
    fn swap(&mut self) {
        self.log = logs::replace_thread_log(self.log.take());
        Session::swap_thread_session(&mut self.session);
        // SAFETY: N3; what is here was taken off this thread, and its coroutine has not ended.
        unsafe { self.host.swap() };
    }
}

/// A session that runs on the thread of the client that made it.
pub(crate) struct SharedThread {
    number: u64,
    /// None once it has ended.
    coroutine: Option<ManuallyDrop<SessionCoroutine>>,
    yielder: Cell<*const SessionYielder>,
}

impl fmt::Debug for SharedThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedThread")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Takes the call that the client makes without a frame.
fn take_direct() -> Option<DirectRequest> {
    // SAFETY: N4.
    let call = unsafe { HERE.with(|here| here.call.get()).as_mut() }?;
    if call.state != DirectState::Untaken {
        return None;
    }
    call.state = DirectState::Taken;
    Some(call.request)
}

/// Answers that call, if the client still waits for it in place.
fn answer_direct(result: Scalar, times: Option<&HostTimes>) -> bool {
    // SAFETY: N4.
    let call = unsafe { HERE.with(|here| here.call.get()).as_mut() };
    call.is_some_and(|call| {
        if let Some(times) = times {
            call.times = *times;
        }
        call.state = DirectState::Answered(result);
        true
    })
}

/// Releases objects of the client with that answer, if the client still waits for it in place.
fn release_direct(releases: DirectReleases) -> bool {
    // SAFETY: N4.
    let call = unsafe { HERE.with(|here| here.call.get()).as_mut() };
    call.is_some_and(|call| {
        call.releases = releases;
        true
    })
}

/// Makes a callback in place, if the client takes one: the client runs until it has an answer, or sends a
/// frame.
fn ask_direct(callback: DirectCallback) -> CallbackState {
    // SAFETY: N4.
    let Some(place) = (unsafe { HERE.with(|here| here.callback.get()).as_mut() }) else {
        return CallbackState::Refused;
    };
    *place = callback;
    switch(WaitLimit::Unchanged);
    // SAFETY: N4; it may be another place, or none.
    let place = unsafe { HERE.with(|here| here.callback.get()).as_mut() };
    let Some(place) = place else {
        return CallbackState::Deferred;
    };
    match mem::replace(&mut place.state, CallbackState::Absent) {
        answered @ (CallbackState::Answered(_) | CallbackState::Refused) => answered,
        _ => CallbackState::Deferred,
    }
}

/// Lets the client run: called by the session, on its own stack. Whether the client makes a call.
fn switch(limit: WaitLimit) -> bool {
    HERE.with(|here| {
        here.call.set(ptr::null_mut());
        here.callback.set(ptr::null_mut());
        // SAFETY: N2; null, or the yielder of the coroutine that runs.
        if let Some(yielder) = unsafe { here.yielder.get().as_ref() } {
            yielder.suspend(limit);
        }
        // N3: it is the same thread.
        !here.call.get().is_null()
    })
}

/// Lets the client check its deadline and signals.
fn pause() {
    let _ = switch(WaitLimit::After(Duration::ZERO));
}

impl SharedThread {
    /// A session that was not resumed yet.
    pub(crate) fn new(
        control: OwnedFd,
        (stack_bytes, memory): (usize, Arc<SharedMemory>),
        on_wake: Arc<WakeHook>,
    ) -> io::Result<Self> {
        let stack = DefaultStack::new(stack_bytes)?;
        let number = NEXT_NUMBER.replace(NEXT_NUMBER.get() + 1);
        let run = move |yielder: &SessionYielder, ()| {
            HERE.with(|here| here.yielder.set(yielder));
            let sharing = Sharing {
                wait: switch,
                pause,
                direct: DirectCalls {
                    take: take_direct,
                    answer: answer_direct,
                    release: release_direct,
                    ask: ask_direct,
                },
                on_wake,
            };
            serve(control, (stack_bytes, memory), Some(sharing))
        };
        Ok(Self {
            number,
            coroutine: Some(ManuallyDrop::new(Coroutine::with_stack(stack, run))),
            yielder: Cell::new(ptr::null()),
        })
    }

    /// Runs the session until it waits, or has ended: with a call that it is to make and a place for a
    /// callback, or null.
    pub(crate) fn resume(
        &mut self,
        call: *mut DirectCall,
        callback: *mut DirectCallback,
    ) -> Resumed {
        HERE.with(|here| {
            here.call.set(call);
            here.callback.set(callback);
            let resumed = self.resume_on(here);
            here.call.set(ptr::null_mut());
            here.callback.set(ptr::null_mut());
            resumed
        })
    }

    fn resume_on(&mut self, here: &Here) -> Resumed {
        if here.occupant.get() != self.number {
            self.displace(here);
        }
        let Some(coroutine) = &mut self.coroutine else {
            return Resumed::Ended(SessionEnd::Lost);
        };
        let outer = here.yielder.replace(self.yielder.get());
        let result = coroutine.resume(());
        self.yielder.set(here.yielder.replace(outer));
        match result {
            CoroutineResult::Yield(limit) => Resumed::Waiting(limit),
            CoroutineResult::Return(end) => {
                // It has ended, so that its drop unwinds nothing.
                drop(self.coroutine.take().map(ManuallyDrop::into_inner));
                here.occupant.set(0);
                Resumed::Ended(end)
            }
        }
    }

    /// Makes this the session that the thread knows.
    #[cold]
    fn displace(&self, here: &Here) {
        PARKED.with_borrow_mut(|parked| {
            let before = here.occupant.replace(self.number);
            if before != 0 {
                let mut leaving = Parked::default();
                leaving.swap();
                parked.push((before, leaving));
            }
            if let Some(place) = parked.iter().position(|(number, _)| *number == self.number) {
                let (_, mut coming) = parked.swap_remove(place);
                coming.swap();
            }
        });
    }
}
