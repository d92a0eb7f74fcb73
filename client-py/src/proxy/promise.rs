//! A JavaScript promise: awaitable on asyncio, or waited for in a thread.

use std::cell::Cell;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::ids::SlotId;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyBaseException, PyException, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyTraceback;

use super::Handle;
use super::awaiting::{self, Awaiting, Sleeper};
use crate::convert::Decoder;
use crate::errors;
use crate::idle::Deadline;
use crate::request::Ask;
use crate::talk;
use crate::turns::{IMPATIENT, TurnCondition, Waiting};
use crate::world::World;

/// A JavaScript promise.
#[pyclass(frozen, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) handle: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number under which the host will tell how it ends; zero if it will not.
    watch: u32,
    waiters: Vec<Waiter>,
    outcome: Option<Outcome>,
}

/// Who is told that a promise is settled.
#[derive(Debug)]
enum Waiter {
    /// An `await` on a loop.
    Await(Sleeper),
    /// A thread that sleeps.
    Thread(Thread),
}

/// How a promise ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Fulfilled(Py<PyAny>),
    Rejected(Py<PyBaseException>),
}

impl Outcome {
    pub(crate) fn rejected(py: Python<'_>, error: PyErr) -> Self {
        Self::Rejected(error.into_value(py))
    }

    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Fulfilled(value) => Ok(value.clone_ref(py)),
            Self::Rejected(error) => Err(PyErr::from_value(error.bind(py).clone().into_any())),
        }
    }
}

/// What the host tells of a watched promise.
#[derive(Debug)]
pub(crate) struct Settled {
    id: SlotId,
    watch: u32,
    /// None if it is too large to be told without being asked for.
    outcome: Option<Outcome>,
}

/// Reads the promises that ended into `settled`. What Python makes of one value fails that promise
/// alone; what interrupts it is raised when all are read, and that promise is to be asked for.
pub(crate) fn read_settled(
    decoder: &mut Decoder<'_, '_>,
    settled: &mut Vec<Settled>,
) -> PyResult<()> {
    let count = decoder.reader.take_count(9).map_err(errors::protocol)?;
    settled.reserve(count as usize);
    let mut result = Ok(());
    for _ in 0..count {
        decoder.restart();
        let id = decoder.reader.take_id().map_err(errors::protocol)?;
        let watch = decoder.reader.take_u32().map_err(errors::protocol)?;
        let before = decoder.reader.clone();
        let outcome = match read_outcome(decoder) {
            Ok(outcome) => outcome,
            Err(error) if errors::is_breach() => return Err(error),
            Err(error) => {
                decoder.reader = before;
                skip_outcome(decoder)?;
                if error.is_instance_of::<PyException>(decoder.py()) {
                    Some(Outcome::rejected(decoder.py(), error))
                } else {
                    result = Err(error);
                    None
                }
            }
        };
        settled.push(Settled { id, watch, outcome });
    }
    result
}

/// Tells promises how they ended. Those that are gone need nothing.
pub(crate) fn settle(py: Python<'_>, world: &World, settled: Vec<Settled>) -> PyResult<()> {
    let mut result = Ok(());
    for Settled { id, watch, outcome } in settled {
        world.tell(id, watch);
        let Some(proxy) = world.proxy(py, id) else {
            continue;
        };
        let Ok(promise) = proxy.cast::<Promise>() else {
            continue;
        };
        let promise = promise.get();
        // An id may have had another tenant, and an old promise another watch.
        if promise.state().watch != watch {
            continue;
        }
        match outcome {
            Some(outcome) => promise.settle(py, outcome),
            // The others are told whatever comes of asking for this one.
            None => result = promise.settled_unseen(py).and(result),
        }
    }
    result
}

/// Reads the state of a promise and, if it is settled, its value.
fn read_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<Option<Outcome>> {
    match decoder.reader.take_u8().map_err(errors::protocol)? {
        0 => Ok(None),
        1 => Ok(Some(Outcome::Fulfilled(decoder.value()?.unbind()))),
        2 => decoder
            .thrown()
            .map(|error| Some(Outcome::rejected(decoder.py(), error))),
        _ => Err(errors::violation("an unknown state of a promise")),
    }
}

#[cold]
fn skip_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<()> {
    let reader = &mut decoder.reader;
    let skipped = reader.take_u8().and_then(|state| match state {
        0 => Ok(()),
        _ => reader.skip(),
    });
    skipped.map_err(errors::protocol)
}

/// The wait looks at signals and deadlines this often.
const SLICE: Duration = Duration::from_millis(100);
/// Inside a callback nobody else tells: the host is asked this often.
const CALLBACK_SLICE: Duration = Duration::from_millis(2);

impl Promise {
    /// A promise whose host tells how it ends if the handle has the number of a watch.
    pub(crate) fn new(handle: Handle) -> Self {
        let state = State {
            watch: handle.class,
            ..State::default()
        };
        Self {
            handle,
            state: Mutex::new(state),
        }
    }

    /// Its proxy is known from now on: what was told before is asked for again, and if its world
    /// has ended before, nobody else tells it so.
    pub(crate) fn remembered(&self, py: Python<'_>) {
        let Handle { session, world, .. } = &self.handle;
        if world.end().is_some() {
            let error = session.ended(world);
            self.settle(py, Outcome::rejected(py, error));
        }
        let mut state = self.state();
        if state.watch != 0 && world.was_told(self.handle.id, state.watch) {
            state.watch = 0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps how it ended and tells those who wait. The first word counts.
    pub(crate) fn settle(&self, py: Python<'_>, outcome: Outcome) {
        let waiters = {
            let mut state = self.state();
            if state.outcome.is_some() {
                return;
            }
            state.outcome = Some(outcome);
            std::mem::take(&mut state.waiters)
        };
        for waiter in waiters {
            match waiter {
                Waiter::Thread(thread) => thread.unpark(),
                Waiter::Await(sleeper) => sleeper.wake(py, &self.handle.world),
            }
        }
    }

    /// It ended, and how is to be asked for by whoever wants to know.
    fn settled_unseen(&self, py: Python<'_>) -> PyResult<()> {
        let is_awaited = {
            let mut state = self.state();
            state.watch = 0;
            !state.waiters.is_empty()
        };
        if is_awaited { self.ask(py) } else { Ok(()) }
    }

    /// An `await` sleeps until it is settled; gives it back, and how it ended, if it is already.
    pub(super) fn sleep(
        &self,
        py: Python<'_>,
        sleeper: Sleeper,
    ) -> Result<(), (Sleeper, PyResult<Py<PyAny>>)> {
        let mut state = self.state();
        if let Some(outcome) = &state.outcome {
            return Err((sleeper, outcome.result(py)));
        }
        state.waiters.push(Waiter::Await(sleeper));
        Ok(())
    }

    /// What those wait for that sleep.
    pub(super) fn sleeping<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let state = self.state();
        let sleepers = state.waiters.iter().filter_map(|waiter| match waiter {
            Waiter::Await(sleeper) => Some(sleeper.future(py)),
            Waiter::Thread(_) => None,
        });
        sleepers.collect()
    }

    /// Takes out those that sleep no more, to be dropped by the caller: Python code may run.
    pub(super) fn take_sleeping(&self, is_gone: impl Fn(&Sleeper) -> bool) -> Vec<Sleeper> {
        let is_gone = |waiter: &mut Waiter| matches!(waiter, Waiter::Await(it) if is_gone(it));
        let mut state = self.state();
        let gone = state.waiters.extract_if(.., is_gone);
        let sleepers = gone.filter_map(|waiter| match waiter {
            Waiter::Await(sleeper) => Some(sleeper),
            Waiter::Thread(_) => None,
        });
        sleepers.collect()
    }

    /// Whether it is not known how it ended.
    pub(crate) fn is_pending(&self) -> bool {
        self.state().outcome.is_none()
    }

    pub(super) fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        let result = {
            let state = self.state();
            state.outcome.as_ref().map(|outcome| outcome.result(py))?
        };
        let session = &self.handle.session;
        if result.is_ok()
            && session.denials.is_pending()
            && let Err(error) = session.warn_of_denials(py, None, true)
        {
            return Some(Err(error));
        }
        Some(result)
    }

    pub(super) fn is_watched(&self) -> bool {
        let state = self.state();
        state.watch != 0 || state.outcome.is_some()
    }

    /// Sees to it that the host tells how it ends.
    fn watch(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_watched() {
            Ok(())
        } else {
            self.ask(py)
        }
    }

    /// Asks the host how it stands; if it is pending the host tells how it ends.
    pub(super) fn ask(&self, py: Python<'_>) -> PyResult<()> {
        self.ask_if(py, None)
    }

    /// As [`Self::ask`]; with `declined` only if the host is free, which is noted there.
    pub(super) fn ask_if(&self, py: Python<'_>, declined: Option<&Cell<bool>>) -> PyResult<()> {
        loop {
            let ask = Ask {
                declined,
                ..Ask::at(CallKind::Watch, &self.handle.world)
            };
            let (outcome, watch) = self.handle.session.request(
                py,
                ask,
                |encoder| {
                    encoder.out.put_u32(self.handle.id.get());
                    Ok(())
                },
                |decoder| match read_outcome(decoder)? {
                    None => Ok((None, decoder.reader.take_u32().map_err(errors::protocol)?)),
                    outcome => Ok((outcome, 0)),
                },
            )?;
            if let Some(outcome) = outcome {
                self.settle(py, outcome);
                return Ok(());
            }
            self.state().watch = watch;
            // The word may have come before this answer was read.
            if !self.handle.world.was_told(self.handle.id, watch) {
                return Ok(());
            }
        }
    }

    /// Why waiting here would never end, if so. Looks at the host's own word first.
    fn check_wait(&self, py: Python<'_>, in_callback: bool) -> PyResult<()> {
        let session = &self.handle.session;
        let is_loop = !in_callback && session.owner.turns().is_kept_here(py)?;
        let is_endless = is_loop || (in_callback && !session.nested_threads);
        if !is_endless {
            return Ok(());
        }
        self.ask(py)?;
        if !self.is_pending() {
            return Ok(());
        }
        Err(errors::would_wait_for_ever(if is_loop {
            "the event loop of this thread is what lets the addon go on, and it does not run while \
             result() waits; await the promise, or call result() in another thread"
        } else {
            "the addon waits for the callback in which it was called; return from the callback \
             first, or have another thread wait"
        }))
    }
}

#[pymethods]
impl Promise {
    /// What it was rejected with has, once raised, a traceback, whose frames have the promise.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Whoever has the lock holds the interpreter, and is not collecting.
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        match &state.outcome {
            Some(Outcome::Fulfilled(value)) => visit.call(value)?,
            Some(Outcome::Rejected(error)) => visit.call(error)?,
            None => {}
        }
        for waiter in &state.waiters {
            if let Waiter::Await(sleeper) = waiter {
                sleeper.traverse(&visit)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        let state = std::mem::take(&mut *self.state());
        // Python code may run.
        drop(state);
    }

    /// Tells whether the promise is settled.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        self.watch(py)?;
        Ok(!self.is_pending())
    }

    /// Waits for the value; raises what it was rejected with.
    #[pyo3(signature = (timeout = None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let limit = match timeout {
            None => None,
            Some(seconds) => {
                let wait = Duration::try_from_secs_f64(seconds.max(0.0))
                    .map_err(|_| PyValueError::new_err("timeout must be a number of seconds"))?;
                Deadline::after(wait)
            }
        };
        self.watch(py)?;
        if let Some(outcome) = self.outcome(py) {
            return outcome;
        }
        let session = Arc::clone(&self.handle.session);
        let until = session.until(py, limit)?;
        let in_callback = talk::parked_world(&session).is_some();
        if limit.is_none_or(|limit| limit.at > Instant::now()) {
            self.check_wait(py, in_callback)?;
        }
        // Who is inside a callback can't take turns.
        let waiting = (!in_callback).then(|| session.owner.turns().wait(&session.owner));
        {
            let mut state = self.state();
            // It may have waited before, and given up.
            let is_known = |waiter: &Waiter| matches!(waiter, Waiter::Thread(known) if known.id() == thread::current().id());
            if state.outcome.is_none() && !state.waiters.iter().any(is_known) {
                state.waiters.push(Waiter::Thread(thread::current()));
            }
        }
        let mut looks_out = true;
        loop {
            if let Some(outcome) = self.outcome(py) {
                return outcome;
            }
            let now = Instant::now();
            if let Some(until) = until.filter(|until| until.at <= now) {
                let error = errors::promise_timeout(until.after);
                self.handle.session.annotate(py, &error);
                return Err(error);
            }
            let mut turn = waiting.as_ref().and_then(Waiting::asked_for);
            if let Some(waiting) = &waiting
                && turn.is_none()
                && mem::take(&mut looks_out)
                && waiting.look_out(session.client()?)
            {
                turn = Some(TurnCondition::NoOwner);
            }
            let slice = if in_callback {
                self.ask(py)?;
                CALLBACK_SLICE
            } else if let Some(condition) = turn {
                session.owner.give_turn(py, condition)?;
                continue;
            } else if session.owner.turns().is_kept() {
                IMPATIENT
            } else {
                SLICE
            };
            let slice = until.map_or(slice, |until| slice.min(until.at - now));
            if self.is_pending() {
                py.detach(|| thread::park_timeout(slice));
            }
            py.check_signals()?;
        }
    }

    /// Sees to it that the host tells how it ends, however long the host is busy.
    #[pyo3(name = "_watch")]
    fn watch_patiently(&self, py: Python<'_>) -> PyResult<()> {
        self.watch(py)
    }

    /// The time is over for one `await`; the promise goes on.
    #[pyo3(name = "_give_up")]
    fn give_up(&self, py: Python<'_>, future: &Bound<'_, PyAny>, after: Duration) -> PyResult<()> {
        awaiting::give_up(&self.handle.session, py, future, after)
    }

    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Awaiting> {
        Awaiting::of(slf)
    }

    /// Goes on with an `await` of its own, as a task does: a promise is a coroutine without a state.
    #[pyo3(signature = (value, /))]
    fn send<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        awaiting::send(slf, value)
    }

    /// Ends an `await` by an exception; the promise goes on.
    #[pyo3(signature = (typ, val = None, tb = None, /))]
    fn throw(
        &self,
        typ: Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        Err(awaiting::throw(self, typ, val, tb)?)
    }

    /// Does nothing: the promise goes on.
    #[expect(clippy::unused_self, reason = "it is a method of coroutines")]
    fn close(&self) {}

    fn __repr__(&self) -> &'static str {
        match &self.state().outcome {
            None => "<Promise pending>",
            Some(Outcome::Fulfilled(_)) => "<Promise fulfilled>",
            Some(Outcome::Rejected(_)) => "<Promise rejected>",
        }
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("Promise"))
    }
}
