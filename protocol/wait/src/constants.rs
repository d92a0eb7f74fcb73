//! Every time and threshold of waiting, with its reason.
//!
//! For scale: a call of the simplest function takes 1.4 to 2.4 µs while both sides are awake.

use std::time::Duration;

use crate::switch::WaitSwitch;

// Spinning.

/// The bounds of an [`AdaptiveSpin`](crate::AdaptiveSpin), one set for each place that spins.
#[derive(Debug)]
pub struct SpinLimits {
    /// The switch that turns it off.
    pub switch: WaitSwitch,
    /// The time to spin after a success.
    pub max: Duration,
    /// A shorter time is rounded to zero: spinning stops.
    pub min: Duration,
    /// Once stopped, `max` is tried again in one of so many waits.
    pub retry_after: u32,
}

/// An end of a lane. Longer than it takes to wake the other end: otherwise two ends that have both
/// parked once would never again find each other awake.
pub const LANE_SPIN: &SpinLimits = &SpinLimits {
    switch: WaitSwitch::Spin,
    max: Duration::from_micros(50),
    min: Duration::from_nanos(500),
    retry_after: 32,
};

/// The shortest spin while the other end migrates, which takes as long as waking a thread.
pub const MIGRATION_SPIN: Duration = Duration::from_micros(100);

/// An event loop before it parks: longer than it takes to wake a thread of the host that then does
/// a little work.
pub const LOOP_SPIN: &SpinLimits = &SpinLimits {
    switch: WaitSwitch::LoopSpin,
    max: Duration::from_micros(80),
    ..*LANE_SPIN
};

/// A thread of the pool that waits for the next job. It yields between polls and locks the queue
/// before and after, so that less than 10 µs is not worth it.
pub const POOL_SPIN: &SpinLimits = &SpinLimits {
    switch: WaitSwitch::PoolSpin,
    max: Duration::from_micros(100),
    min: Duration::from_micros(10),
    retry_after: 16,
};

/// Polls between two readings of the clock: what comes at once is found without reading it.
pub const POLLS_PER_CLOCK_READING: u32 = 16;

/// How long a thread polls without releasing what other threads need, as Python's interpreter: the
/// reply of a host that is awake takes less. The JS thread spins as long before it yields to threads
/// of its own process.
pub const BRIEF_POLL_MAX: Duration = Duration::from_micros(3);

// Yielding.

/// A longer yield means that another process took a time slice.
pub const YIELD_TIME_MAX: Duration = Duration::from_micros(500);

/// How long no yield follows a long one; doubled by each further one. A lost time slice of 5 ms then
/// costs a tenth of the time.
pub const YIELD_BACKOFF_MIN: Duration = Duration::from_millis(50);

/// The longest time without a yield: the neighbour that took the CPU may have ended by then.
pub const YIELD_BACKOFF_MAX: Duration = Duration::from_secs(2);

// CPU placement.

/// Wake-ups on the same CPU in succession after which the JS thread migrates. A single event and its
/// answer have five.
pub const SAME_CPU_WAKES: u32 = 6;

/// What a wake-up for a call counts, so that its reply reaches [`SAME_CPU_WAKES`]: a client that
/// calls once mostly calls again.
pub const SAME_CPU_CALL_WEIGHT: u32 = SAME_CPU_WAKES - 1;

/// The threshold is doubled by each migration that did not pay, as where no other CPU is idle, up to
/// this.
pub const SAME_CPU_WAKES_MAX: u32 = 4096;

/// A notice that comes so long after the last wake-up on the same CPU starts a new count.
pub const SAME_CPU_PAUSE: Duration = Duration::from_micros(500);

/// So long after a migration the threshold is [`SAME_CPU_WAKES`] again.
pub const MIGRATION_MEMORY: Duration = Duration::from_millis(50);

/// A migration has paid if as many spins succeeded since: it takes as long as about thirty calls.
pub const MIGRATION_PAID_SPINS: u32 = 32;

// Parking.

/// The longest time for which the client parks without checking for signals, deadlines and the
/// host's end.
pub const PARK_MAX: Duration = Duration::from_millis(100);

/// Wake-ups of one wait that may bring nothing: some happen by chance, and a hostile host can cause
/// any number of them.
pub const SPURIOUS_WAKES_MAX: u32 = 32;

/// How long the client sleeps after each further one, whatever the host does.
pub const SPURIOUS_PAUSE: Duration = Duration::from_millis(1);

/// How long the host waits for the frame of a turn that was announced. It follows at once, unless
/// its sender died in between.
pub const ANNOUNCED_TURN_TIMEOUT: Duration = Duration::from_millis(50);

// The thread pool.

/// The longest timed park of a pool thread that expects a burst of jobs.
pub const POOL_TIMED_PARK_MAX: Duration = Duration::from_micros(500);

/// The JS thread ends the timed park of a pool thread when it has been idle for so long: it may be waiting
/// for that job.
pub const POOL_TIMED_PARK_IDLE: Duration = Duration::from_micros(10);

/// Jobs that follow each other within this time count as a burst.
pub const POOL_RAPID: Duration = Duration::from_micros(100);

/// A job that takes less ends before another thread has woken.
pub const POOL_QUICK: Duration = Duration::from_micros(10);

/// The longest time that a job waits behind one that was expected to be quick.
pub const POOL_WATCH: Duration = Duration::from_millis(1);
