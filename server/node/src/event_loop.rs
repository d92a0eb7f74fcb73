//! The order of Node's event loop. A turn runs the timers that are due, then what threads posted, then
//! immediates, then the finalizers of threadsafe functions that ended, and round again while the
//! budget lasts. Where an addon uses libuv, one round of its loop takes the place of the second and
//! third, with both in its middle. After each item ticks, microtasks and finalizers run.

use std::rc::Rc;
use std::time::Instant;

use hostd_engine::{JsResult, Runtime, Thrown, Value};
use hostd_napi::{Budget, Host, NodeRuntime, Origin, Settled};

use crate::state::{NodeState, Phase, Tick};

/// Has the engine report rejections and errors of its jobs to the loop of this thread's host.
pub(crate) fn install(rt: Runtime) {
    rt.set_rejection_hook(Some(Rc::new(|_, promise, reason, handled| {
        if let Some(node) = NodeState::current() {
            node.rejections.borrow_mut().note(promise, reason, handled);
        }
    })));
    rt.set_job_error_hook(Some(Rc::new(|_, thrown| {
        if let Some(host) = Host::current() {
            host.uncaught(&thrown, Origin::Microtask);
        }
    })));
}

impl NodeRuntime for NodeState {
    fn settle(&self, host: Host) -> Settled {
        self.holds_ticks.set(false);
        if !self.run_ticks(host) {
            return Settled::Held;
        }
        if let Err(thrown) = host.runtime().run_microtasks() {
            host.uncaught(&thrown, Origin::Microtask);
        }
        if !self.ticks.borrow().is_empty() {
            return Settled::Again;
        }
        self.report_rejections(host);
        Settled::Done
    }

    fn is_unsettled(&self) -> bool {
        !self.ticks.borrow().is_empty() || !self.rejections.borrow().is_empty()
    }

    fn holds_ticks(&self) -> bool {
        self.holds_ticks.get()
    }

    fn turn(&self, host: Host, budget: &mut Budget) {
        loop {
            // What died with an item after it was settled counts as pending too.
            if !self.holds_ticks.get() {
                host.settle_item();
            }
            // A phase that the budget cut short is where the next turn goes on, or timers would
            // overtake immediates.
            let phase = self.phase.get();
            let (next, is_cut) = match phase {
                Phase::Timers => {
                    self.run_timers(host, budget);
                    (Phase::Events, self.timers.borrow_mut().is_cut())
                }
                Phase::Events => {
                    let next = if host.has_uv() {
                        host.run_uv(budget);
                        if self.timers.borrow().is_batch_left() {
                            Phase::Immediates
                        } else {
                            Phase::Closing
                        }
                    } else {
                        host.serve_events(budget);
                        Phase::Immediates
                    };
                    (next, host.is_round_cut())
                }
                Phase::Immediates => {
                    self.run_immediates(host, budget);
                    (Phase::Closing, self.timers.borrow().is_batch_left())
                }
                Phase::Closing => {
                    host.finalize_closing(budget);
                    (Phase::Timers, host.is_closing())
                }
            };
            self.phase.set(if is_cut { phase } else { next });
            let is_round = next == Phase::Timers && !host.has_pending();
            if budget.is_spent() || is_round {
                break;
            }
        }
    }

    fn run_immediates(&self, host: Host, budget: &mut Budget) {
        let mut batch = self.timers.borrow_mut().take_immediates();
        while !budget.is_spent() {
            let Some(immediate) = batch.pop_front() else {
                return;
            };
            match self.timer_calls.get() {
                Some((_, call)) if !immediate.is_undefined() => {
                    if !self.run_timer(host, call, immediate) && batch.is_empty() {
                        // Node comes back for those that wait.
                        batch = self.timers.borrow_mut().take_immediates();
                    }
                }
                // Nothing of a script's: ticks that waited for it.
                _ => host.settle_item(),
            }
            budget.spend();
        }
        self.timers.borrow_mut().give_back(batch);
    }

    fn is_due(&self) -> bool {
        self.timers.borrow().is_due()
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.borrow().deadline()
    }

    fn is_kept_alive(&self) -> bool {
        self.timers.borrow().is_referenced() || self.watches.borrow().is_referenced()
    }

    fn uncaught(&self, rt: Runtime, thrown: &Thrown, origin: Origin) -> bool {
        let kind = if origin == Origin::UnhandledRejection {
            "unhandledRejection"
        } else {
            "uncaughtException"
        };
        let kind = rt.string_utf8(kind.as_bytes());
        kind.and_then(|kind| self.emit(rt, "uncaughtException", &[&thrown.0, &kind]))
            .unwrap_or(false)
    }

    fn buffer_prototype(&self) -> Option<&Value> {
        self.buffer_prototype.get()
    }

    fn load_buffer(&self, rt: Runtime) -> JsResult<()> {
        let Some(load) = self.load.get() else {
            return Ok(());
        };
        rt.call(load, &Value::UNDEFINED, &[rt.string_utf8(b"buffer")?])
            .map(drop)
    }
}

impl NodeState {
    /// False if one threw: the others wait.
    fn run_ticks(&self, host: Host) -> bool {
        loop {
            let tick = self.ticks.borrow_mut().pop_front();
            let Some(Tick { function, args }) = tick else {
                return true;
            };
            if let Err(thrown) = host.runtime().call(&function, &Value::UNDEFINED, &args) {
                host.uncaught(&thrown, Origin::NextTick);
                self.hold_ticks();
                return false;
            }
        }
    }

    /// Emits `unhandledRejection` and `rejectionHandled`. What a listener throws is an uncaught error.
    fn report_rejections(&self, host: Host) {
        let rt = host.runtime();
        self.rejections.borrow_mut().begin();
        loop {
            let next = self.rejections.borrow_mut().next_due();
            let emitted = match next {
                None => return,
                Some((promise, None)) => self.emit(rt, "rejectionHandled", &[&promise]).map(drop),
                Some((promise, Some(reason))) => self
                    .emit(rt, "unhandledRejection", &[&reason, &promise])
                    .map(|heard| {
                        if !heard {
                            host.uncaught(&Thrown(reason), Origin::UnhandledRejection);
                        }
                    }),
            };
            if let Err(thrown) = emitted {
                host.uncaught(&thrown, Origin::Microtask);
            }
        }
    }

    fn run_timers(&self, host: Host, budget: &mut Budget) {
        let mut has_run = self.timers.borrow_mut().is_cut();
        while !budget.is_spent() {
            let due = self.timers.borrow_mut().next_due();
            let (Some(timer), Some((call, _))) = (due, self.timer_calls.get()) else {
                if has_run {
                    host.settle_item();
                }
                return;
            };
            self.run_timer(host, call, timer);
            has_run = true;
            budget.spend();
        }
    }

    /// Calls a timer or an immediate; false if it threw.
    fn run_timer(&self, host: Host, call: &Value, timer: Value) -> bool {
        match host.runtime().call(call, &Value::UNDEFINED, &[timer]) {
            Ok(_) => {
                host.settle_item();
                true
            }
            Err(thrown) => {
                host.uncaught(&thrown, Origin::Timer);
                self.hold_ticks();
                false
            }
        }
    }

    /// After an error that a timer, an immediate or a tick threw, Node does not come to ticks and
    /// microtasks before the next item is done or, if there is none, in a round of immediates.
    fn hold_ticks(&self) {
        if !self.holds_ticks.replace(true) {
            self.timers.borrow_mut().add_immediate(Value::UNDEFINED);
        }
    }
}
