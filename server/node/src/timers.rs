//! When timers and immediates are due. What they run is in `js/timers.js`.
//!
//! Time is whole milliseconds of the clock of `process.hrtime`, and timers are due as in Node: those of
//! one length are in a list, in the order of their start, and a list is due when its first timer is.
//! Due lists run by due time, then age; of a list all timers run that are due. What is due is decided
//! when a phase of timers begins.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hostd_engine::Value;

/// The beginning of this process for timers, `process.hrtime` and `process.uptime`.
pub(crate) static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Debug)]
pub(crate) struct Timers {
    begin: Instant,
    /// By length.
    lists: HashMap<u64, List>,
    /// The lengths of the lists, by due time and age.
    queue: BTreeMap<(u64, u64), u64>,
    ages: u64,
    /// Length and reference of each timer, by its serial number.
    by_serial: HashMap<u64, (u64, bool)>,
    serial: u64,
    /// The time at which the phase began that is not over.
    phase: Option<u64>,
    immediates: VecDeque<Value>,
    /// How many of the immediates belong to a batch that was begun.
    batch: usize,
}

/// Timers of one length.
#[derive(Debug)]
struct List {
    place: (u64, u64),
    /// Start and timer, by serial number.
    timers: BTreeMap<u64, (u64, Value)>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            begin: *BEGIN,
            lists: HashMap::new(),
            queue: BTreeMap::new(),
            ages: 0,
            by_serial: HashMap::new(),
            serial: 0,
            phase: None,
            immediates: VecDeque::new(),
            batch: 0,
        }
    }
}

impl Timers {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn place(&mut self, due: u64) -> (u64, u64) {
        self.ages += 1;
        (due, self.ages)
    }

    /// Starts a timer at a time, which is not to come; gives what stops it.
    pub(crate) fn start(&mut self, timer: Value, start: u64, after: u32, referenced: bool) -> u64 {
        self.serial += 1;
        let length = u64::from(after);
        if !self.lists.contains_key(&length) {
            let place = self.place(start.saturating_add(length));
            self.queue.insert(place, length);
            let timers = BTreeMap::new();
            self.lists.insert(length, List { place, timers });
        }
        if let Some(list) = self.lists.get_mut(&length) {
            list.timers.insert(self.serial, (start, timer));
        }
        self.by_serial.insert(self.serial, (length, referenced));
        self.serial
    }

    /// Stops a timer. One that ran or was stopped is passed over.
    pub(crate) fn stop(&mut self, serial: u64) -> Option<Value> {
        let (length, _) = self.by_serial.remove(&serial)?;
        let list = self.lists.get_mut(&length)?;
        let (_, timer) = list.timers.remove(&serial)?;
        if list.timers.is_empty() {
            self.drop_list(length);
        }
        Some(timer)
    }

    fn drop_list(&mut self, length: u64) {
        if let Some(list) = self.lists.remove(&length) {
            self.queue.remove(&list.place);
        }
    }

    /// Says whether a timer keeps the host busy.
    pub(crate) fn set_referenced(&mut self, serial: u64, referenced: bool) {
        if let Some((_, known)) = self.by_serial.get_mut(&serial) {
            *known = referenced;
        }
    }

    /// Takes the next timer that is due in this phase, which begins with the first that is asked for
    /// and is over when there is none.
    pub(crate) fn next_due(&mut self) -> Option<Value> {
        let now = self.phase.unwrap_or_else(|| self.now());
        self.phase = None;
        loop {
            let (&(due, _), &length) = self.queue.first_key_value()?;
            if due > now {
                return None;
            }
            let first = self.lists.get_mut(&length)?.timers.first_entry();
            let Some(first) = first else {
                // Its last one ran.
                self.drop_list(length);
                continue;
            };
            let start = first.get().0;
            if now.saturating_sub(start) < length {
                let place = self.place(start.saturating_add(length).max(now + 1));
                if let Some(list) = self.lists.get_mut(&length) {
                    self.queue.remove(&list.place);
                    list.place = place;
                    self.queue.insert(place, length);
                }
                continue;
            }
            // The list stays until it is looked at again: what is started now is of the same one.
            let (serial, (_, timer)) = first.remove_entry();
            self.by_serial.remove(&serial);
            self.phase = Some(now);
            return Some(timer);
        }
    }

    /// Whether a phase was left before its end.
    pub(crate) fn is_cut(&mut self) -> bool {
        let first = self.queue.first_key_value();
        let is_left = |now: &u64| first.is_some_and(|(&(due, _), _)| due <= *now);
        self.phase = self.phase.take_if(|now| is_left(now));
        self.phase.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (&(due, _), _) = self.queue.first_key_value()?;
        self.begin.checked_add(Duration::from_millis(due))
    }

    pub(crate) fn has_immediates(&self) -> bool {
        !self.immediates.is_empty()
    }

    pub(crate) fn is_due(&self) -> bool {
        let first = self.queue.first_key_value();
        self.has_immediates() || first.is_some_and(|(&(due, _), _)| due <= self.now())
    }

    /// Whether one keeps the host busy.
    pub(crate) fn is_referenced(&self) -> bool {
        self.has_immediates() || self.by_serial.values().any(|(_, referenced)| *referenced)
    }

    pub(crate) fn add_immediate(&mut self, immediate: Value) {
        self.immediates.push_back(immediate);
    }

    /// Takes a batch, or what was given back of one: those that are added meanwhile wait for the next.
    pub(crate) fn take_immediates(&mut self) -> VecDeque<Value> {
        let later = match std::mem::take(&mut self.batch) {
            0 => VecDeque::new(),
            left => self.immediates.split_off(left.min(self.immediates.len())),
        };
        std::mem::replace(&mut self.immediates, later)
    }

    pub(crate) fn give_back(&mut self, mut left: VecDeque<Value>) {
        self.batch = left.len();
        left.append(&mut self.immediates);
        self.immediates = left;
    }

    pub(crate) fn is_batch_left(&self) -> bool {
        self.batch > 0
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

    fn later(timers: &mut Timers, milliseconds: u64) {
        let past = Duration::from_millis(milliseconds);
        timers.begin = timers.begin.checked_sub(past).unwrap();
    }

    #[test]
    fn timers_run_by_due_time_then_age_and_not_early() {
        let mut timers = Timers::default();
        for (value, after) in [(1, 5), (2, 1), (3, 1), (4, 60_000)] {
            timers.start(number(value), 0, after, true);
        }
        let stopped = timers.start(number(5), 0, 1, true);
        assert!(timers.stop(stopped).is_some());
        assert!(timers.stop(stopped).is_none());
        later(&mut timers, 1000);
        assert!(timers.is_due());
        assert_eq!(due(&mut timers), [Some(2), Some(3), Some(1)]);
        assert!(!timers.is_due());
        assert!(timers.deadline().unwrap() > Instant::now() + Duration::from_secs(50));
    }

    #[test]
    fn timers_of_one_length_run_together() {
        let mut timers = Timers::default();
        timers.start(number(1), 0, 2, true);
        timers.start(number(2), 0, 4, true);
        timers.start(number(3), 6, 2, true);
        later(&mut timers, 1000);
        assert_eq!(due(&mut timers), [Some(1), Some(3), Some(2)]);
        assert!(timers.deadline().is_none());
    }

    #[test]
    fn what_is_started_in_a_phase_waits_for_the_next() {
        let mut timers = Timers::default();
        timers.start(number(1), 0, 1, true);
        timers.start(number(2), 0, 1, true);
        later(&mut timers, 1000);
        assert_eq!(timers.next_due().unwrap().as_i32(), Some(1));
        let now = timers.now();
        timers.start(number(3), now, 1, true);
        later(&mut timers, 1000);
        assert!(timers.is_cut());
        assert_eq!(due(&mut timers), [Some(2)]);
        assert!(!timers.is_cut());
        assert_eq!(due(&mut timers), [Some(3)]);
    }

    #[test]
    fn list_whose_first_timer_was_stopped_is_due_with_the_next() {
        let mut timers = Timers::default();
        let first = timers.start(number(1), 0, 5, true);
        timers.start(number(2), 900_000, 5, true);
        timers.start(number(3), 0, 7, true);
        timers.stop(first);
        later(&mut timers, 1000);
        assert_eq!(due(&mut timers), [Some(3)]);
        assert!(!timers.is_due());
        assert!(timers.deadline().unwrap() > Instant::now() + Duration::from_secs(800));
    }

    #[test]
    fn references_count_one_by_one() {
        let mut timers = Timers::default();
        let timer = timers.start(number(1), 0, 5, true);
        assert!(timers.is_referenced());
        timers.set_referenced(timer, false);
        assert!(!timers.is_referenced());
        timers.add_immediate(number(2));
        assert!(timers.is_referenced());
    }

    #[test]
    fn immediates_that_were_not_run_are_a_batch_of_their_own() {
        let mut timers = Timers::default();
        for value in [1, 2, 3] {
            timers.add_immediate(number(value));
        }
        let mut batch = timers.take_immediates();
        assert!(!timers.is_batch_left());
        batch.pop_front();
        timers.add_immediate(number(4));
        timers.give_back(batch);
        assert!(timers.is_batch_left());
        let order = |timers: &mut Timers| -> Vec<_> {
            let batch = timers.take_immediates();
            batch.iter().map(Value::as_i32).collect()
        };
        assert_eq!(order(&mut timers), [Some(2), Some(3)]);
        assert!(!timers.is_batch_left());
        assert_eq!(order(&mut timers), [Some(4)]);
        assert!(!timers.has_immediates());
    }
}
