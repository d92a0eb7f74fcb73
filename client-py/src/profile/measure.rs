//! One call that is counted, and measured if its turn has come.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hostd_client::lock;
use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::{HEADER_BYTES, Header, read_times};
use hostd_protocol::limits::Limits;
use hostd_protocol::profile::{HostTimes, nanoseconds};
use hostd_protocol::value::ValueReader;

use super::profiler::{Profiler, Residue};
use super::row::CallTimes;
use super::row::Row;
use super::spans::{self, ClientSpan, SpanKind};

/// How often a call that does nothing is measured, to find out what measuring it adds.
const RESIDUE_ATTEMPTS: usize = 101;

/// What a thread of Python does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It converts values.
    Marshalling = 0,
    /// It waits for the host.
    Waiting = 1,
    /// It runs Python code that the host called.
    Callback = 2,
}

/// What a thread knows of the measured calls that are open on it.
struct Open {
    /// The weight of the innermost; zero if none is measured.
    weight: Cell<u32>,
    /// What measuring took so far, in nanoseconds.
    lost: Cell<i64>,
    /// The time of calls nested in the callback that runs.
    nested: Cell<i64>,
}

thread_local! {
    static OPEN: Open = const {
        Open {
            weight: Cell::new(0),
            lost: Cell::new(0),
            nested: Cell::new(0),
        }
    };
}

/// The time by the clock, and without what measuring took. `more` of it was lost elsewhere.
fn read_clock(cost: u64, more: u64) -> (u64, i64) {
    let now = nanoseconds();
    let lost = OPEN.with(|open| {
        let lost = open.lost.get();
        let lost = lost.wrapping_add(cost.wrapping_add(more).cast_signed());
        open.lost.set(lost);
        lost
    });
    (now, now.cast_signed().wrapping_sub(lost))
}

/// The measurement of a call. It ends the weight of its thread when it is dropped.
struct Sample<'a> {
    open: &'a AtomicU32,
    weight: u32,
    outer: u32,
    was_due: bool,
    began: u64,
    since: i64,
    last: Cell<i64>,
    activity: Cell<Activity>,
    times: [Cell<i64>; 3],
    nested: Cell<i64>,
    outer_nested: Cell<i64>,
    callback_began: Cell<u64>,
    host: Cell<HostTimes>,
    readings: Cell<u64>,
}

impl Drop for Sample<'_> {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        OPEN.with(|open| open.weight.set(self.outer));
    }
}

/// A call that is counted at its end.
pub(crate) struct Measure<'a> {
    profiler: &'a Profiler,
    row: &'a Row,
    number: usize,
    sent: Cell<u64>,
    received: Cell<u64>,
    /// Elsewhere, since most calls have none and this is moved.
    sample: Option<Box<Sample<'a>>>,
}

impl Profiler {
    /// A call begins. It is counted once [`Measure::end`] is called.
    #[inline(never)]
    pub(crate) fn begin(&self, call: CallKind, name: Option<&Arc<str>>) -> Measure<'_> {
        let (number, row) = self.row(call, name);
        // A thread-local takes longer to find.
        let outer = match self.open.load(Ordering::Relaxed) {
            0 => 0,
            _ => OPEN.with(|open| open.weight.get()),
        };
        let due = if self.every { Some(1) } else { row.weight() };
        let weight = if outer == 0 { due } else { Some(outer) };
        Measure {
            profiler: self,
            row,
            number,
            sent: Cell::new(0),
            received: Cell::new(0),
            sample: weight.map(|weight| self.sample(weight, due.is_some())),
        }
    }

    #[cold]
    fn sample(&self, weight: u32, was_due: bool) -> Box<Sample<'_>> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let outer = OPEN.with(|open| open.weight.replace(weight));
        let (began, since) = read_clock(self.clock_cost, 0);
        Box::new(Sample {
            open: &self.open,
            weight,
            outer,
            was_due: was_due && outer == 0,
            began,
            since,
            last: Cell::new(since),
            activity: Cell::new(Activity::Marshalling),
            times: [const { Cell::new(0) }; 3],
            nested: Cell::new(0),
            outer_nested: Cell::new(0),
            callback_began: Cell::new(0),
            host: Cell::default(),
            readings: Cell::new(1),
        })
    }
}

impl Measure<'_> {
    /// How many calls this one stands for; zero if it is not measured.
    #[inline]
    pub(crate) fn weight(&self) -> u32 {
        self.sample.as_ref().map_or(0, |sample| sample.weight)
    }

    /// The thread goes on with something else.
    #[inline]
    pub(crate) fn switch(&self, activity: Activity) {
        if let Some(sample) = &self.sample {
            self.switch_sample(sample, activity, 0);
        }
    }

    #[cold]
    fn switch_sample(&self, sample: &Sample<'_>, activity: Activity, lost: u64) -> u64 {
        let (now, time) = read_clock(self.profiler.clock_cost, lost);
        let before = sample.activity.replace(activity);
        let sum = &sample.times[before as usize];
        sum.set(sum.get() + (time - sample.last.replace(time)));
        sample.readings.set(sample.readings.get() + 1);
        if before != activity {
            if before == Activity::Callback {
                let inner = OPEN.with(|open| open.nested.replace(sample.outer_nested.get()));
                sample.nested.set(sample.nested.get() + inner);
                let began = sample.callback_began.get();
                self.span(SpanKind::Callback, (began, now));
            }
            if activity == Activity::Callback {
                sample
                    .outer_nested
                    .set(OPEN.with(|open| open.nested.replace(0)));
                sample.callback_began.set(now);
            }
        }
        now
    }

    fn span(&self, kind: SpanKind, (began, ended): (u64, u64)) {
        lock(&self.profiler.spans).add(ClientSpan {
            kind,
            row: self.number,
            began,
            ended,
            thread: spans::thread(),
        });
    }

    /// A frame was sent.
    #[inline]
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// A frame has come.
    #[inline(never)]
    pub(crate) fn arrived(&self, header: Header, body: &[u8]) {
        let bytes = (HEADER_BYTES + body.len()) as u64;
        self.received.set(self.received.get() + bytes);
        if let Some(sample) = &self.sample {
            let mut reader = ValueReader::new(body, &Limits::DEFAULT);
            let times = read_times(header.flags, &mut reader);
            // What cannot be read is reported where the frame is.
            self.answered(sample, times.ok().flatten());
        }
    }

    /// The host has answered in place.
    #[inline]
    pub(crate) fn answered_in_place(&self, times: HostTimes) {
        if let Some(sample) = &self.sample {
            self.answered(sample, Some(times));
        }
    }

    #[cold]
    fn answered(&self, sample: &Sample<'_>, times: Option<HostTimes>) {
        // The host cannot have lost more than has passed since this call was sent.
        let (now, _) = read_clock(self.profiler.clock_cost, 0);
        let passed = now.saturating_sub(sample.began);
        let times = times.map(|times| HostTimes {
            overhead: times.overhead.min(passed),
            ..times
        });
        if let Some(times) = times {
            sample.host.set(times);
        }
        let lost = times.map_or(0, |times| times.overhead);
        self.switch_sample(sample, Activity::Marshalling, lost);
    }

    /// The call has ended: counts it, and adds what was measured.
    #[inline(never)]
    pub(crate) fn end(self, has_failed: bool) {
        let bytes = (self.sent.get(), self.received.get());
        self.row.count(bytes, has_failed);
        if let Some(sample) = &self.sample {
            let times = self.end_sample(sample);
            let due = (sample.was_due, self.profiler.every);
            self.row.add(&times, sample.weight, due);
        } else {
            self.row.pass();
        }
    }

    #[cold]
    fn end_sample(&self, sample: &Sample<'_>) -> CallTimes {
        let now = self.switch_sample(sample, Activity::Marshalling, 0);
        let time = |time: i64| u64::try_from(time).unwrap_or(0);
        let total = sample.last.get() - sample.since;
        let of = |activity: Activity| time(sample.times[activity as usize].get());
        let host = sample.host.get();
        OPEN.with(|open| {
            open.nested.set(open.nested.get() + total.max(0));
        });
        self.span(SpanKind::Call, (sample.began, now));
        let readings = sample.readings.get();
        let residue = self.profiler.residue;
        CallTimes {
            total: time(total).saturating_sub(residue.marshalling + residue.waiting),
            marshalling: of(Activity::Marshalling).saturating_sub(residue.marshalling),
            waiting: of(Activity::Waiting).saturating_sub(residue.waiting),
            callbacks: of(Activity::Callback),
            nested: time(sample.nested.get()),
            host,
            cost: (readings * self.profiler.clock_cost).saturating_add(host.overhead),
        }
    }
}

impl Profiler {
    /// A profiler that knows what measuring takes.
    pub(crate) fn calibrated(every: bool) -> Self {
        let mut profiler = Self::new(every);
        profiler.residue = profiler.find_residue();
        profiler.reset();
        profiler
    }

    /// The median of some attempts.
    fn find_residue(&self) -> Residue {
        let attempt = || {
            let measure = self.begin(CallKind::Profile, None);
            measure.switch(Activity::Waiting);
            measure.answered_in_place(HostTimes::default());
            let times = measure.sample.as_ref().map(|it| measure.end_sample(it));
            times.unwrap_or_default()
        };
        let attempts: Vec<_> = (0..RESIDUE_ATTEMPTS).map(|_| attempt()).collect();
        let median = |of: fn(&CallTimes) -> u64| {
            let mut all: Vec<_> = attempts.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or(0)
        };
        Residue {
            marshalling: median(|times| times.marshalling),
            waiting: median(|times| times.waiting),
        }
    }
}
