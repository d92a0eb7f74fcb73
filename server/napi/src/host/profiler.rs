//! Measures calls for a profile: what the JS thread does, and how long functions of Node-API take.
//!
//! The embedder says which calls are measured. Meanwhile the thread forgets the caller of each function
//! of Node-API, so that functions take the path of a new caller (`abi/enter.rs`), which measures them:
//! in all other calls nothing of this is on their path.
//!
//! Time is attributed to the innermost activity. What measuring takes is found out at the start, and
//! left out of all figures.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use rustix::time::{ClockId, clock_gettime};

use super::HostState;
use crate::abi::row::Row;

/// The most spans that are kept; older ones are forgotten.
const SPANS_MAX: usize = 32 << 10;
/// The most activities that are open at a time; deeper ones belong to those around them.
const OPEN_MAX: usize = 4096;
/// The largest number of calls that a measured one stands for.
const WEIGHT_MAX: u32 = 1 << 20;
/// How often measuring is tried at the start, to find out what it takes.
const ATTEMPTS: usize = 101;

const NOTHING: &Row = &Row { name: "" };

/// What the JS thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A call of the embedder, in what is none of the others.
    Call,
    /// The embedder converts values.
    Marshalling,
    /// JavaScript runs.
    Engine,
    /// Code of an addon runs.
    Addon,
    /// A function of Node-API runs: its number.
    Function(u32),
    /// The embedder waits for its client.
    Client,
    /// Garbage is collected, or finalizers run.
    Collection,
}

/// Nanoseconds of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeasuredTimes {
    /// See [`Activity::Marshalling`].
    pub marshalling: u64,
    /// See [`Activity::Engine`].
    pub engine: u64,
    /// See [`Activity::Addon`].
    pub addon: u64,
    /// See [`Activity::Function`].
    pub functions: u64,
    /// See [`Activity::Collection`].
    pub collection: u64,
    /// What measuring took.
    pub overhead: u64,
}

/// A function of Node-API in the measured calls, each of which counts as many times as it weighs.
#[derive(Clone, Copy, Debug)]
pub struct MeasuredFunction {
    /// Its name.
    pub name: &'static str,
    /// How often it was called.
    pub calls: u64,
    /// Nanoseconds from its calls to their returns.
    pub total: u64,
    /// Nanoseconds without what it called in addons.
    pub own: u64,
}

/// A piece of time: what it was, its begin and its end by the monotonic clock, in nanoseconds.
pub type MeasuredSpan = (Activity, u64, u64);

/// How often something happened, and for how many nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// How often.
    pub count: u64,
    /// Nanoseconds.
    pub time: u64,
}

/// What was collected.
#[derive(Clone, Debug, Default)]
pub struct MeasuredFigures {
    /// The functions that were measured, by their numbers.
    pub functions: Vec<MeasuredFunction>,
    /// Garbage collections, in all calls and outside of them.
    pub collections: Occurrences,
    /// Finalizers of addons, in all calls and outside of them.
    pub finalizers: Occurrences,
    /// The oldest spans.
    pub spans: Vec<MeasuredSpan>,
    /// How many spans are left.
    pub left: usize,
}

/// An activity that has begun.
#[derive(Debug)]
struct Open {
    activity: Activity,
    /// By the clock.
    began: u64,
    /// By the clock without what measuring took.
    since: i64,
}

/// A call that another one is nested in.
#[derive(Debug)]
struct Outer {
    times: [i64; ACTIVITIES],
    overhead: i64,
    weight: u64,
    floor: usize,
    was_sampling: bool,
}

#[derive(Debug)]
struct Function {
    name: &'static str,
    calls: u64,
    total: i64,
    own: i64,
    /// How often it is open.
    depth: u32,
}

const ACTIVITIES: usize = 7;

const fn place(activity: Activity) -> usize {
    match activity {
        Activity::Call => 0,
        Activity::Marshalling => 1,
        Activity::Engine => 2,
        Activity::Addon => 3,
        Activity::Function(_) => 4,
        Activity::Client => 5,
        Activity::Collection => 6,
    }
}

/// What measuring takes, in nanoseconds: a reading of the clock, and of an activity the part between
/// its readings and the part around them.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    reading: i64,
    inside: i64,
    outside: i64,
}

#[derive(Debug, Default)]
struct Figures {
    cost: Cost,
    /// What is measured of a call that does nothing.
    residue: MeasuredTimes,
    open: Vec<Open>,
    outer: Vec<Outer>,
    /// Of the innermost call: nanoseconds by activity, and what measuring took.
    times: [i64; ACTIVITIES],
    overhead: i64,
    weight: u64,
    /// The first of `open` that belongs to the innermost call.
    floor: usize,
    /// The end of what was attributed.
    last: i64,
    /// What measuring took so far, in all calls.
    lost: i64,
    functions: Vec<Function>,
    /// Their numbers, by the address of a row.
    numbers: FxHashMap<usize, u32>,
    spans: VecDeque<MeasuredSpan>,
    collections: Occurrences,
    finalizers: Occurrences,
}

/// What a host measures.
#[derive(Debug)]
pub struct Profiler {
    is_sampling: Cell<bool>,
    figures: RefCell<Figures>,
}

fn clock() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.wrapping_mul(1_000_000_000) + u64::try_from(now.tv_nsec).unwrap_or(0)
}

impl Figures {
    /// Attributes the time until now, less what measuring took of it.
    fn attribute(&mut self, lost: i64) -> (u64, i64) {
        let now = clock();
        self.lost += lost;
        self.overhead += lost;
        let time = now.cast_signed() - self.lost;
        let passed = time - self.last;
        self.last = time;
        if let Some(open) = self.open.last() {
            self.times[place(open.activity)] += passed;
            if let Activity::Function(number) = open.activity
                && let Some(function) = self.functions.get_mut(number as usize)
            {
                let weighed = passed.saturating_mul(self.weight.cast_signed());
                function.own = function.own.saturating_add(weighed);
            }
        }
        (now, time)
    }

    fn enter(&mut self, activity: Activity) {
        let (began, since) = self.attribute(self.cost.outside);
        if let Activity::Function(number) = activity
            && let Some(function) = self.functions.get_mut(number as usize)
        {
            function.depth += 1;
        }
        self.open.push(Open {
            activity,
            began,
            since,
        });
    }

    /// Ends what was begun since there were so many.
    fn leave(&mut self, depth: usize) {
        if self.open.len() <= depth {
            return;
        }
        let (now, time) = self.attribute(self.cost.inside);
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { return };
            if let Activity::Function(number) = open.activity
                && let Some(function) = self.functions.get_mut(number as usize)
            {
                function.depth = function.depth.saturating_sub(1);
                function.calls = function.calls.saturating_add(self.weight);
                if function.depth == 0 {
                    let weighed = (time - open.since).saturating_mul(self.weight.cast_signed());
                    function.total = function.total.saturating_add(weighed);
                }
            }
            let is_shown = !matches!(open.activity, Activity::Marshalling | Activity::Engine);
            if is_shown && self.weight > 0 {
                if self.spans.len() >= SPANS_MAX {
                    self.spans.pop_front();
                }
                self.spans.push_back((open.activity, open.began, now));
            }
        }
    }

    fn number(&mut self, row: &'static Row) -> u32 {
        let address = std::ptr::from_ref(row).addr();
        if let Some(number) = self.numbers.get(&address) {
            return *number;
        }
        // A row can have more than one address.
        let known = self.functions.iter().position(|one| one.name == row.name);
        let number = known.unwrap_or_else(|| {
            self.functions.push(Function {
                name: row.name,
                calls: 0,
                total: 0,
                own: 0,
                depth: 0,
            });
            self.functions.len() - 1
        });
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.numbers.insert(address, number);
        number
    }
}

impl Profiler {
    pub(super) fn new() -> Self {
        let profiler = Self {
            is_sampling: Cell::new(true),
            figures: RefCell::default(),
        };
        profiler.figures.borrow_mut().weight = 1;
        let median = |attempt: &dyn Fn() -> u64| {
            let mut all: Vec<_> = (0..ATTEMPTS).map(|_| attempt()).collect();
            all.sort_unstable();
            all.get(ATTEMPTS / 2).map_or(0, |one| one.cast_signed())
        };
        let reading = median(&|| {
            let start = clock();
            clock() - start
        });
        let inside = median(&|| {
            profiler.leave(profiler.enter_function(NOTHING));
            let span = profiler.figures.borrow_mut().spans.pop_back();
            span.map_or(0, |(_, began, ended)| ended.saturating_sub(began))
        });
        let whole = median(&|| {
            let start = clock();
            profiler.leave(profiler.enter_function(NOTHING));
            clock() - start
        });
        *profiler.figures.borrow_mut() = Figures {
            cost: Cost {
                reading,
                inside,
                outside: (whole - reading - inside).max(0),
            },
            ..Figures::default()
        };
        profiler.is_sampling.set(false);
        let attempt = || {
            profiler.begin(Some(1));
            profiler.switch(Activity::Engine);
            profiler.switch(Activity::Marshalling);
            let times = profiler.times().unwrap_or_default();
            profiler.end();
            times
        };
        let residue = MeasuredTimes {
            marshalling: median(&|| attempt().marshalling).unsigned_abs(),
            engine: median(&|| attempt().engine).unsigned_abs(),
            ..MeasuredTimes::default()
        };
        let mut figures = profiler.figures.borrow_mut();
        figures.residue = residue;
        figures.spans.clear();
        drop(figures);
        profiler
    }

    /// Whether a call is measured now.
    #[inline]
    pub fn is_sampling(&self) -> bool {
        self.is_sampling.get()
    }

    /// A call begins, which is measured and stands for so many, or is not measured. The one around it, if
    /// there is one, stands still until [`end`](Self::end).
    #[cold]
    #[inline(never)]
    pub fn begin(&self, weight: Option<u32>) {
        let mut figures = self.figures.borrow_mut();
        let was_sampling = self.is_sampling.replace(weight.is_some());
        if was_sampling {
            let lost = figures.cost.outside;
            figures.attribute(lost);
        }
        let floor = figures.open.len();
        let outer = Outer {
            times: std::mem::take(&mut figures.times),
            overhead: std::mem::take(&mut figures.overhead),
            weight: figures.weight,
            floor: figures.floor,
            was_sampling,
        };
        figures.outer.push(outer);
        figures.floor = floor;
        figures.weight = weight.unwrap_or(0).min(WEIGHT_MAX).into();
        if weight.is_some() {
            figures.enter(Activity::Call);
            figures.enter(Activity::Marshalling);
            super::forget_caller();
        }
    }

    /// The call goes on with another activity.
    #[cold]
    #[inline(never)]
    pub fn switch(&self, activity: Activity) {
        if !self.is_sampling() {
            return;
        }
        let mut figures = self.figures.borrow_mut();
        let depth = figures.floor + 1;
        if figures.open.len() > depth + 1 {
            // What a panic left open.
            figures.leave(depth + 1);
        }
        let lost = figures.cost.reading;
        figures.attribute(lost);
        if let Some(open) = figures.open.get_mut(depth) {
            open.activity = activity;
        }
    }

    /// The times of the call until now; None if it is not measured.
    #[cold]
    #[inline(never)]
    pub fn times(&self) -> Option<MeasuredTimes> {
        if !self.is_sampling() {
            return None;
        }
        let mut figures = self.figures.borrow_mut();
        let lost = figures.cost.reading;
        figures.attribute(lost);
        let time = |activity| u64::try_from(figures.times[place(activity)]).unwrap_or(0);
        Some(MeasuredTimes {
            marshalling: (time(Activity::Marshalling) + time(Activity::Call))
                .saturating_sub(figures.residue.marshalling),
            engine: time(Activity::Engine).saturating_sub(figures.residue.engine),
            addon: time(Activity::Addon),
            functions: time(Activity::Function(0)),
            collection: time(Activity::Collection),
            overhead: u64::try_from(figures.overhead).unwrap_or(0),
        })
    }

    /// The call that has begun last ends.
    #[cold]
    #[inline(never)]
    pub fn end(&self) {
        let mut figures = self.figures.borrow_mut();
        let floor = figures.floor;
        if self.is_sampling() {
            figures.leave(floor);
        }
        let Some(outer) = figures.outer.pop() else {
            return;
        };
        figures.open.truncate(floor);
        figures.times = outer.times;
        figures.overhead = outer.overhead;
        figures.weight = outer.weight;
        figures.floor = outer.floor;
        self.is_sampling.set(outer.was_sampling);
        if outer.was_sampling {
            // The time of the call that has ended is none of the outer one.
            figures.last = clock().cast_signed() - figures.lost;
            super::forget_caller();
        }
    }

    /// Begins an activity inside of the one that is under way. Returns what [`leave`](Self::leave) takes.
    #[cold]
    #[inline(never)]
    pub fn enter(&self, activity: Activity) -> usize {
        let mut figures = self.figures.borrow_mut();
        let depth = figures.open.len();
        if self.is_sampling() && depth < OPEN_MAX {
            figures.enter(activity);
        }
        depth
    }

    /// Ends an activity, and those inside of it.
    #[cold]
    #[inline(never)]
    pub fn leave(&self, depth: usize) {
        let mut figures = self.figures.borrow_mut();
        if self.is_sampling() {
            figures.leave(depth);
        }
    }

    /// Begins a call into an addon. In a finalizer it is a part of that.
    #[cold]
    #[inline(never)]
    fn enter_addon(&self) -> usize {
        super::forget_caller();
        let figures = self.figures.borrow();
        let around = figures.open.last().map(|open| open.activity);
        drop(figures);
        self.enter(match around {
            Some(Activity::Collection) => Activity::Collection,
            _ => Activity::Addon,
        })
    }

    fn enter_function(&self, row: &'static Row) -> usize {
        let number = self.figures.borrow_mut().number(row);
        self.enter(Activity::Function(number))
    }

    /// Counts what happens until it is dropped as a garbage collection, or as finalizers.
    fn occurrence(&self, is_collection: bool) -> Occurrence<'_> {
        Occurrence {
            profiler: self,
            is_collection,
            began: clock(),
            depth: self.enter(Activity::Collection),
        }
    }

    pub(super) fn finalizers(&self) -> Occurrence<'_> {
        self.occurrence(false)
    }

    pub(super) fn count_finalizer(&self) {
        self.figures.borrow_mut().finalizers.count += 1;
    }

    /// Takes what was collected so far, with so many spans at most.
    #[cold]
    #[inline(never)]
    pub fn take(&self, spans: usize) -> MeasuredFigures {
        let mut figures = self.figures.borrow_mut();
        let spans = spans.min(figures.spans.len());
        let spans = figures.spans.drain(..spans).collect();
        let nanoseconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let functions = figures.functions.iter_mut();
        let functions = functions
            .map(|function| MeasuredFunction {
                name: function.name,
                calls: std::mem::take(&mut function.calls),
                total: nanoseconds(std::mem::take(&mut function.total)),
                own: nanoseconds(std::mem::take(&mut function.own)),
            })
            .collect();
        MeasuredFigures {
            functions,
            collections: std::mem::take(&mut figures.collections),
            finalizers: std::mem::take(&mut figures.finalizers),
            spans,
            left: figures.spans.len(),
        }
    }
}

/// A garbage collection, or finalizers that run.
pub(super) struct Occurrence<'a> {
    profiler: &'a Profiler,
    is_collection: bool,
    began: u64,
    depth: usize,
}

impl Drop for Occurrence<'_> {
    fn drop(&mut self) {
        self.profiler.leave(self.depth);
        let time = clock().saturating_sub(self.began);
        let mut figures = self.profiler.figures.borrow_mut();
        if self.is_collection {
            figures.collections.count += 1;
            figures.collections.time += time;
        } else {
            figures.finalizers.time += time;
        }
    }
}

impl HostState {
    /// The profiler, if a call is measured now.
    #[inline]
    pub(super) fn sampling(&self) -> Option<&Profiler> {
        self.profiler.as_deref().filter(|it| it.is_sampling())
    }

    /// Begins a call into an addon, if it is measured.
    #[inline]
    pub(super) fn measure_addon(&self) -> Option<usize> {
        self.profiler.as_ref()?;
        self.enter_addon()
    }

    #[cold]
    #[inline(never)]
    fn enter_addon(&self) -> Option<usize> {
        Some(self.sampling()?.enter_addon())
    }

    /// Ends what was begun, if that was measured.
    #[inline]
    pub(super) fn measured(&self, depth: Option<usize>) {
        if let Some(depth) = depth {
            self.leave_addon(depth);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_addon(&self, depth: usize) {
        if let Some(profiler) = self.profiler.as_deref() {
            profiler.leave(depth);
        }
    }
}

/// The engine collects garbage on this thread: calls `collect`.
pub(super) fn collection(collect: &mut dyn FnMut()) {
    let profiler = super::current().and_then(|host| host.profiler.as_deref());
    let _occurrence = profiler.map(|profiler| profiler.occurrence(true));
    collect();
}

/// Begins a function of Node-API, if it is measured.
#[cold]
pub(crate) fn enter_function(row: &'static Row) -> Option<usize> {
    let profiler = super::current()?.sampling()?;
    Some(profiler.enter_function(row))
}

/// Ends it. What the addon calls next is measured again.
#[cold]
pub(crate) fn leave_function(depth: Option<usize>) {
    let Some(depth) = depth else { return };
    if let Some(profiler) = super::current().and_then(|host| host.profiler.as_deref()) {
        profiler.leave(depth);
        if profiler.is_sampling() {
            super::forget_caller();
        }
    }
}
