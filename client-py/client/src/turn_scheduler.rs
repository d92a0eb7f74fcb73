//! Decides who takes an addon's event-loop turns: a state machine without threads, clocks or loops.
//!
//! Events go in, with the time at which they come; actions come out, which its user carries out. An
//! event loop (`L`) owns the turns until it detaches, or until a turn is due and the loop is found not
//! to run. Without an owner, the thread (`W`) that began to wait for a promise last takes them; without
//! either, the worker thread does.
//!
//! A loop that awaited or registered something is committed. One that only received a promise is
//! provisional, since it will most likely await it: turns that another thread takes until then would
//! get in the way of the loop's own calls. It loses the turns if it does not take one within
//! [`PROVISIONAL_TIMEOUT`].

use std::time::{Duration, Instant};

use hostd_protocol::carrier::MaybeOwned;

/// A due turn that has not begun for this long is taken by the worker if the owner is gone.
const TURN_OVERDUE_AFTER: Duration = Duration::from_millis(20);
/// A provisional loop that has not taken a due turn for this long loses the turns.
const PROVISIONAL_TIMEOUT: Duration = Duration::from_millis(250);
/// The longest interval between two checks of a busy loop that owns the turns.
const CHECK_INTERVAL_MAX: Duration = Duration::from_millis(500);
/// After this long without a due turn the timer is not armed again, until the next one: to arm it
/// wakes a thread.
const TIMER_LINGER: Duration = Duration::from_secs(1);

/// What happens to the turns of an addon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEvent<L, W> {
    /// A turn is due.
    TurnRequested,
    /// A turn begins: what was due is served by it.
    TurnBegun,
    /// A loop becomes the owner, in the place of any other; whether it is committed.
    LoopAttached(L, bool),
    /// The loop that owns the turns is committed from now on.
    LoopCommitted,
    /// The loop that owns the turns drops them, or is not to have them any more.
    LoopDetached,
    /// The loop that owns the turns was found not to run.
    LoopStalled,
    /// The host wrote to the wake pipe before the loop stopped watching it.
    PipeWritten,
    /// A thread begins to wait for a promise.
    WaiterEntered(W),
    /// A thread waits no more; whether it was notified of a turn that it has not taken.
    WaiterLeft(W, bool),
    /// The time of [`TurnScheduler::timer`] has come.
    DeadlinePassed,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnAction<L, W> {
    /// This loop owns the turns no more. The host is not to write to the wake pipe for it.
    Retire(L),
    /// The host is to write to the wake pipe for the loop that owns the turns.
    WatchPipe,
    /// It is not to do so any more.
    UnwatchPipe,
    /// The loop that owns the turns is to take one.
    NotifyLoop,
    /// This thread is to take one.
    NotifyWaiter(W),
    /// The worker is to take one.
    RunTurn,
    /// The worker is to check whether the loop that owns the turns runs.
    CheckLoop,
    /// [`TurnScheduler::timer`] is earlier than before.
    ArmTimer,
}

/// The actions of one event.
pub type TurnActions<L, W> = [Option<TurnAction<L, W>>; 4];

#[derive(Debug)]
struct Owner<L> {
    event_loop: L,
    is_committed: bool,
}

/// The state of one addon's turns.
#[derive(Debug)]
pub struct TurnScheduler<L, W> {
    owner: Option<Owner<L>>,
    waiters: Vec<W>,
    /// Since when a turn is due that has not begun.
    due: Option<Instant>,
    timer: Option<Instant>,
    /// When a turn was due last, while the timer is armed.
    last_due: Instant,
    /// Whether the worker takes the turns that nobody else takes.
    has_worker: bool,
}

impl<L, W> MaybeOwned for TurnScheduler<L, W> {
    fn is_owned(&self) -> bool {
        self.owner.is_some()
    }
}

impl<L, W: Clone + PartialEq> TurnScheduler<L, W> {
    const NOTHING: TurnActions<L, W> = [None, None, None, None];

    /// No turn is due, and there is no owner.
    pub fn new(now: Instant) -> Self {
        Self {
            owner: None,
            waiters: Vec::new(),
            due: None,
            timer: None,
            last_due: now,
            has_worker: true,
        }
    }

    /// No worker takes turns: one that is due waits for a loop, or for a thread that waits.
    #[must_use]
    pub fn without_worker(self) -> Self {
        Self {
            has_worker: false,
            ..self
        }
    }

    /// The loop that owns the turns.
    pub fn owner(&self) -> Option<&L> {
        self.owner.as_ref().map(|owner| &owner.event_loop)
    }

    /// Whether a loop owns the turns that awaited or registered something.
    pub fn is_committed(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.is_committed)
    }

    /// Whether a turn is due that has not begun.
    pub fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// For how long a turn has been due that has not begun.
    pub fn overdue(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| now.saturating_duration_since(due))
    }

    /// When [`TurnEvent::DeadlinePassed`] is to come.
    pub fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// Forgets the loop and the threads, which do not exist in a forked child. Returns the loop.
    pub fn forget(&mut self) -> Option<L> {
        self.waiters.clear();
        self.timer = None;
        self.owner.take().map(|owner| owner.event_loop)
    }

    /// What is to be done about this event.
    pub fn handle(&mut self, event: TurnEvent<L, W>, now: Instant) -> TurnActions<L, W> {
        match event {
            TurnEvent::TurnRequested => {
                let [notify, arm] = self.request(now);
                [None, None, notify, arm]
            }
            TurnEvent::TurnBegun => {
                self.due = None;
                Self::NOTHING
            }
            TurnEvent::LoopAttached(event_loop, is_committed) => {
                let owner = Owner {
                    event_loop,
                    is_committed,
                };
                let former = self.owner.replace(owner);
                let notify = self.due.map(|_| TurnAction::NotifyLoop);
                let arm = self.due.and_then(|_| self.arm(now));
                [retire(former), self.watch(), notify, arm]
            }
            TurnEvent::LoopCommitted => match &mut self.owner {
                Some(owner) if !owner.is_committed => {
                    owner.is_committed = true;
                    [None, self.watch(), None, None]
                }
                _ => Self::NOTHING,
            },
            TurnEvent::LoopDetached => {
                // The timer has the worker take a turn that is due, unless another one does.
                let arm = self.due.and_then(|_| self.arm(now));
                [retire(self.owner.take()), None, None, arm]
            }
            TurnEvent::LoopStalled => match self.owner.take() {
                Some(owner) => [retire(Some(owner)), None, self.leave(), None],
                None => Self::NOTHING,
            },
            TurnEvent::PipeWritten => {
                self.due.get_or_insert(now);
                let notify = self.owner.is_some().then_some(TurnAction::NotifyLoop);
                [None, None, notify, self.arm(now)]
            }
            TurnEvent::WaiterEntered(waiter) => {
                let is_waited_for = self.due.is_some() && self.owner.is_none() && !self.has_worker;
                let notify = is_waited_for.then(|| TurnAction::NotifyWaiter(waiter.clone()));
                self.waiters.push(waiter);
                let is_first = self.waiters.len() == 1 && self.is_committed();
                let unwatch = is_first.then_some(TurnAction::UnwatchPipe);
                [None, unwatch, notify, None]
            }
            TurnEvent::WaiterLeft(waiter, is_notified) => {
                self.waiters.retain(|known| *known != waiter);
                let watch = self.watch();
                let [notify, arm] = if is_notified {
                    self.request(now)
                } else {
                    [None, None]
                };
                [None, watch, notify, arm]
            }
            TurnEvent::DeadlinePassed => self.check(now),
        }
    }

    /// A turn is due: who is to take it, and the timer that looks after it.
    fn request(&mut self, now: Instant) -> [Option<TurnAction<L, W>>; 2] {
        self.due.get_or_insert(now);
        match (&self.owner, self.waiters.last().cloned()) {
            (Some(_), _) => [Some(TurnAction::NotifyLoop), self.arm(now)],
            (None, Some(waiter)) => [Some(TurnAction::NotifyWaiter(waiter)), self.arm(now)],
            (None, None) => [self.leave(), None],
        }
    }

    /// No loop takes the turn: the worker does, or else the thread that began to wait last.
    fn leave(&self) -> Option<TurnAction<L, W>> {
        if self.has_worker {
            return Some(TurnAction::RunTurn);
        }
        let waiter = self.waiters.last().cloned();
        waiter.map(TurnAction::NotifyWaiter)
    }

    /// Only a committed loop watches the wake pipe, and only while no thread waits.
    fn watch(&self) -> Option<TurnAction<L, W>> {
        (self.is_committed() && self.waiters.is_empty()).then_some(TurnAction::WatchPipe)
    }

    /// Has the timer check that the turn that is due begins.
    fn arm(&mut self, now: Instant) -> Option<TurnAction<L, W>> {
        if self.timer.is_some() {
            return None;
        }
        self.last_due = now;
        self.timer = Some(now + TURN_OVERDUE_AFTER);
        Some(TurnAction::ArmTimer)
    }

    /// A loop that only is busy takes its turn later, as Node's does; one that does not run loses the
    /// turns.
    fn check(&mut self, now: Instant) -> TurnActions<L, W> {
        self.timer = None;
        let overdue = self.overdue(now);
        if overdue.is_some() {
            self.last_due = now;
        }
        if now.saturating_duration_since(self.last_due) <= TIMER_LINGER {
            let interval = overdue.unwrap_or_default() / 2;
            self.timer = Some(now + interval.clamp(TURN_OVERDUE_AFTER, CHECK_INTERVAL_MAX));
        }
        let Some(overdue) = overdue.filter(|time| *time >= TURN_OVERDUE_AFTER) else {
            return Self::NOTHING;
        };
        match &self.owner {
            None => [None, None, self.leave(), None],
            Some(owner) if owner.is_committed || overdue < PROVISIONAL_TIMEOUT => {
                [None, None, Some(TurnAction::CheckLoop), None]
            }
            Some(_) => {
                let retire = retire(self.owner.take());
                [retire, None, self.leave(), None]
            }
        }
    }
}

fn retire<L, W>(owner: Option<Owner<L>>) -> Option<TurnAction<L, W>> {
    owner.map(|owner| TurnAction::Retire(owner.event_loop))
}

#[cfg(test)]
mod tests {
    use super::TurnAction::*;
    use super::TurnEvent::*;
    use super::*;

    type Scheduler = TurnScheduler<char, u32>;
    type Action = TurnAction<char, u32>;
    type Event = TurnEvent<char, u32>;

    const LOOP: char = 'l';
    const OTHER: char = 'o';
    const WAITER: u32 = 1;
    const NEW: u32 = 2;

    /// Who owns the turns: no loop, a provisional one, a committed one.
    const OWNERS: [Option<bool>; 3] = [None, Some(false), Some(true)];

    /// Every state: owner, whether a thread waits, for how long a turn has been due.
    fn states(now: Instant) -> Vec<(Option<bool>, bool, Option<Duration>, Scheduler)> {
        let mut states = Vec::new();
        for owner in OWNERS {
            for waits in [false, true] {
                for due in [
                    None,
                    Some(Duration::ZERO),
                    Some(TURN_OVERDUE_AFTER),
                    Some(PROVISIONAL_TIMEOUT),
                ] {
                    let mut scheduler = Scheduler::new(now);
                    scheduler.owner = owner.map(|is_committed| Owner {
                        event_loop: LOOP,
                        is_committed,
                    });
                    scheduler.waiters = if waits { vec![WAITER] } else { vec![] };
                    scheduler.due = due.map(|due| now.checked_sub(due).unwrap());
                    let is_watched = due.is_some() && (owner.is_some() || waits);
                    scheduler.timer = is_watched.then_some(now);
                    states.push((owner, waits, due, scheduler));
                }
            }
        }
        states
    }

    /// Checks what an event does in every state; `expected` is given owner, waiter and due.
    fn table(event: Event, expected: impl Fn(Option<bool>, bool, Option<Duration>) -> Vec<Action>) {
        let now = Instant::now();
        for (owner, waits, due, mut scheduler) in states(now + TIMER_LINGER) {
            let now = now + TIMER_LINGER;
            let actions = scheduler.handle(event, now);
            let actions: Vec<_> = actions.into_iter().flatten().collect();
            let state = format!("{event:?} with owner {owner:?}, waiter {waits}, due {due:?}");
            assert_eq!(actions, expected(owner, waits, due), "{state}");
            let is_run = actions.contains(&RunTurn);
            let was_run = owner.is_none() && !waits && due.is_some();
            let is_looked_after = is_run || was_run || scheduler.timer.is_some();
            assert!(
                scheduler.due.is_none() || is_looked_after,
                "{state}: the turn is forgotten"
            );
        }
    }

    /// Who is notified in a state.
    fn taker(owner: Option<bool>, waits: bool, due: Option<Duration>) -> Vec<Action> {
        let is_armed = due.is_some() && (owner.is_some() || waits);
        let arm = (!is_armed).then_some(ArmTimer);
        match (owner, waits) {
            (Some(_), _) => [NotifyLoop].into_iter().chain(arm).collect(),
            (None, true) => [NotifyWaiter(WAITER)].into_iter().chain(arm).collect(),
            (None, false) => vec![RunTurn],
        }
    }

    #[test]
    fn request_notifies_the_owner_then_a_waiter_then_the_worker() {
        table(TurnRequested, taker);
    }

    #[test]
    fn turn_that_begins_leaves_nothing_due() {
        table(TurnBegun, |_, _, _| vec![]);
    }

    #[test]
    fn loop_that_attaches_replaces_another_and_takes_what_is_due() {
        for is_committed in [false, true] {
            table(LoopAttached(OTHER, is_committed), |owner, waits, due| {
                let mut actions = vec![];
                actions.extend(owner.map(|_| Retire(LOOP)));
                actions.extend((is_committed && !waits).then_some(WatchPipe));
                actions.extend(due.map(|_| NotifyLoop));
                let is_armed = owner.is_some() || waits;
                actions.extend((due.is_some() && !is_armed).then_some(ArmTimer));
                actions
            });
        }
    }

    #[test]
    fn provisional_loop_watches_the_pipe_once_it_is_committed() {
        table(LoopCommitted, |owner, waits, _| match owner {
            Some(false) if !waits => vec![WatchPipe],
            _ => vec![],
        });
    }

    #[test]
    fn loop_that_detaches_leaves_a_due_turn_to_waiters_and_the_timer() {
        table(LoopDetached, |owner, waits, due| {
            let mut actions = vec![];
            actions.extend(owner.map(|_| Retire(LOOP)));
            let is_armed = owner.is_some() || waits;
            actions.extend((due.is_some() && !is_armed).then_some(ArmTimer));
            actions
        });
    }

    #[test]
    fn stalled_loop_loses_the_turns_to_the_worker() {
        table(LoopStalled, |owner, _, _| match owner {
            Some(_) => vec![Retire(LOOP), RunTurn],
            None => vec![],
        });
    }

    #[test]
    fn what_was_written_to_the_pipe_is_due() {
        table(PipeWritten, |owner, waits, due| {
            let mut actions = vec![];
            actions.extend(owner.map(|_| NotifyLoop));
            let is_armed = due.is_some() && (owner.is_some() || waits);
            actions.extend((!is_armed).then_some(ArmTimer));
            actions
        });
    }

    #[test]
    fn pipe_is_not_watched_while_a_thread_waits() {
        table(WaiterEntered(NEW), |owner, waits, _| match owner {
            Some(true) if !waits => vec![UnwatchPipe],
            _ => vec![],
        });
        table(WaiterLeft(WAITER, false), |owner, _, _| match owner {
            Some(true) => vec![WatchPipe],
            _ => vec![],
        });
    }

    #[test]
    fn waiter_that_leaves_hands_its_turn_on() {
        table(WaiterLeft(WAITER, true), |owner, waits, due| {
            let is_armed = due.is_some() && (owner.is_some() || waits);
            let mut actions = match owner {
                None => vec![RunTurn],
                Some(_) if is_armed => vec![NotifyLoop],
                Some(_) => vec![NotifyLoop, ArmTimer],
            };
            if owner == Some(true) {
                actions.insert(0, WatchPipe);
            }
            actions
        });
    }

    #[test]
    fn deadline_checks_a_loop_and_takes_what_no_loop_takes() {
        table(DeadlinePassed, |owner, _, due| match (owner, due) {
            (_, None | Some(Duration::ZERO)) => vec![],
            (None, _) => vec![RunTurn],
            (Some(false), Some(PROVISIONAL_TIMEOUT)) => vec![Retire(LOOP), RunTurn],
            (Some(_), _) => vec![CheckLoop],
        });
    }

    #[test]
    fn last_waiter_is_notified() {
        let now = Instant::now();
        let mut scheduler = Scheduler::new(now);
        for waiter in [WAITER, NEW] {
            scheduler.handle(WaiterEntered(waiter), now);
        }
        let actions = scheduler.handle(TurnRequested, now);
        assert_eq!(actions[2], Some(NotifyWaiter(NEW)));
    }

    #[test]
    fn timer_backs_off_while_a_loop_is_busy_and_ends_when_nothing_is_due() {
        let begin = Instant::now();
        let mut scheduler = Scheduler::new(begin);
        scheduler.handle(LoopAttached(LOOP, true), begin);
        scheduler.handle(TurnRequested, begin);
        let mut now = begin;
        let mut intervals = vec![];
        for _ in 0..20 {
            let timer = scheduler.timer().unwrap();
            intervals.push(timer - now);
            now = timer;
            assert_eq!(scheduler.handle(DeadlinePassed, now)[2], Some(CheckLoop));
        }
        assert!(intervals.is_sorted());
        assert_eq!(intervals[0], TURN_OVERDUE_AFTER);
        assert_eq!(intervals[19], CHECK_INTERVAL_MAX);
        scheduler.handle(TurnBegun, now);
        let begin = now;
        while let Some(timer) = scheduler.timer() {
            now = timer;
            assert_eq!(
                scheduler.handle(DeadlinePassed, now),
                [None, None, None, None]
            );
        }
        assert!((TIMER_LINGER..TIMER_LINGER + CHECK_INTERVAL_MAX * 2).contains(&(now - begin)));
    }

    #[test]
    fn without_a_worker_a_turn_waits_for_a_loop_or_a_thread() {
        let now = Instant::now();
        let late = now + PROVISIONAL_TIMEOUT;
        let scheduler = || Scheduler::new(now).without_worker();
        let done = |scheduler: &mut Scheduler, event, at| -> Vec<Action> {
            scheduler.handle(event, at).into_iter().flatten().collect()
        };
        let mut waits = scheduler();
        assert_eq!(done(&mut waits, TurnRequested, now), []);
        assert_eq!(done(&mut waits, DeadlinePassed, late), []);
        assert_eq!(
            done(&mut waits, WaiterEntered(WAITER), late),
            [NotifyWaiter(WAITER)]
        );
        let mut attached = scheduler();
        assert_eq!(done(&mut attached, TurnRequested, now), []);
        let actions = done(&mut attached, LoopAttached(LOOP, true), late);
        assert!(actions.contains(&NotifyLoop), "{actions:?}");
        let mut stalled = scheduler();
        done(&mut stalled, LoopAttached(LOOP, true), now);
        done(&mut stalled, TurnRequested, now);
        assert_eq!(done(&mut stalled, LoopStalled, late), [Retire(LOOP)]);
        assert!(stalled.is_due());
    }
}
