//! Timers and immediates: when what is due. What they run is the bootstrap's.
//!
//! Time is whole milliseconds since the host began, as in Node: a timer is due when the clock shows
//! its start plus its duration, and of those due the earliest runs first, then the oldest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use hostd_engine::Value;

/// The timers and immediates of a host.
#[derive(Debug)]
pub(crate) struct Timers {
    begin: Instant,
    /// By due time and age.
    waiting: BTreeMap<(u64, u64), Value>,
    /// Due time and reference of each, by age.
    by_serial: HashMap<u64, (u64, bool)>,
    serial: u64,
    immediates: VecDeque<Value>,
}

impl Timers {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            waiting: BTreeMap::new(),
            by_serial: HashMap::new(),
            serial: 0,
            immediates: VecDeque::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Starts a timer; gives what stops it.
    pub(crate) fn start(&mut self, timer: Value, after: u32, referenced: bool) -> u64 {
        self.serial += 1;
        let due = self.now().saturating_add(u64::from(after));
        self.waiting.insert((due, self.serial), timer);
        self.by_serial.insert(self.serial, (due, referenced));
        self.serial
    }

    /// Stops a timer. One that ran or was stopped is passed over.
    pub(crate) fn stop(&mut self, serial: u64) -> Option<Value> {
        let (due, _) = self.by_serial.remove(&serial)?;
        self.waiting.remove(&(due, serial))
    }

    /// Says whether a timer keeps the host busy.
    pub(crate) fn set_referenced(&mut self, serial: u64, referenced: bool) {
        if let Some((_, known)) = self.by_serial.get_mut(&serial) {
            *known = referenced;
        }
    }

    /// Takes the next timer that is due.
    pub(crate) fn next_due(&mut self) -> Option<Value> {
        let (&(due, serial), _) = self.waiting.first_key_value()?;
        if due > self.now() {
            return None;
        }
        self.stop(serial)
    }

    /// When the next timer is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (&(due, _), _) = self.waiting.first_key_value()?;
        self.begin.checked_add(Duration::from_millis(due))
    }

    /// Whether a timer is due.
    pub(crate) fn is_timer_due(&self) -> bool {
        let timer = self.waiting.first_key_value();
        timer.is_some_and(|(&(due, _), _)| due <= self.now())
    }

    /// Whether there are immediates.
    pub(crate) fn has_immediates(&self) -> bool {
        !self.immediates.is_empty()
    }

    /// Whether a timer or an immediate is due.
    pub(crate) fn is_due(&self) -> bool {
        self.has_immediates() || self.is_timer_due()
    }

    /// Whether one keeps the host busy.
    pub(crate) fn is_referenced(&self) -> bool {
        !self.immediates.is_empty() || self.by_serial.values().any(|(_, referenced)| *referenced)
    }

    /// Adds an immediate.
    pub(crate) fn add_immediate(&mut self, immediate: Value) {
        self.immediates.push_back(immediate);
    }

    /// Takes the immediates there are: those added meanwhile wait for the next round.
    pub(crate) fn take_immediates(&mut self) -> VecDeque<Value> {
        std::mem::take(&mut self.immediates)
    }

    /// Gives those back that were not run.
    pub(crate) fn give_back(&mut self, mut left: VecDeque<Value>) {
        left.append(&mut self.immediates);
        self.immediates = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: i32) -> Value {
        Value::from(value)
    }

    fn due(timers: &mut Timers) -> Vec<Option<i32>> {
        let taken = std::iter::from_fn(|| timers.next_due());
        taken.map(|value| value.as_i32()).collect()
    }

    #[test]
    fn timers_run_by_due_time_then_age_and_not_early() {
        let mut timers = Timers::new();
        timers.start(number(1), 5, true);
        timers.start(number(2), 1, true);
        timers.start(number(3), 1, true);
        timers.start(number(4), 60_000, true);
        let stopped = timers.start(number(5), 1, true);
        assert!(timers.stop(stopped).is_some());
        assert!(timers.stop(stopped).is_none());
        timers.begin = timers.begin.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(timers.is_due());
        assert_eq!(due(&mut timers), [Some(2), Some(3), Some(1)]);
        assert!(!timers.is_due());
        assert!(timers.deadline().unwrap() > Instant::now() + Duration::from_secs(50));
    }

    #[test]
    fn references_count_one_by_one() {
        let mut timers = Timers::new();
        let timer = timers.start(number(1), 5, true);
        assert!(timers.is_referenced());
        timers.set_referenced(timer, false);
        assert!(!timers.is_referenced());
        timers.add_immediate(number(2));
        assert!(timers.is_referenced());
    }

    #[test]
    fn immediates_that_were_not_run_come_first_again() {
        let mut timers = Timers::new();
        timers.add_immediate(number(1));
        timers.add_immediate(number(2));
        let mut batch = timers.take_immediates();
        batch.pop_front();
        timers.add_immediate(number(3));
        timers.give_back(batch);
        let order: Vec<_> = timers.take_immediates().iter().map(Value::as_i32).collect();
        assert_eq!(order, [Some(2), Some(3)]);
    }
}
