//! How a record is played, and what became of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::record::RecordEnd;

/// How a record is played.
#[derive(Clone, Debug)]
pub struct PlayOptions {
    /// The host program.
    pub binary: PathBuf,
    /// Whether the host gets the sandbox of the record; otherwise none.
    pub sandboxed: bool,
    /// What the host prints goes to the standard error.
    pub echo: bool,
    /// How long the host may take for its start, and for each call beside ten times what it took in the record.
    pub call_timeout: Duration,
    /// How long a turn is repeated that brought less than in the record, and a promise is waited for.
    pub events: Duration,
    /// Whether the program wants to end it. Asked before each call, and while something is waited for.
    pub is_interrupted: fn() -> bool,
    /// How long turns are taken after the last call, for a crash that came outside of calls.
    pub linger: Duration,
}

/// Called before a call, with the process id of the host. Returns whether to go on.
pub type Stop<'a> = &'a mut dyn FnMut(u32) -> bool;

/// What became of a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayOutcome {
    /// How the host ended by itself; none if it served to the end.
    pub end: Option<RecordEnd>,
    /// Why the replay ended before the record, other than by the end of the host.
    pub failure: Option<String>,
    /// The export that was running then.
    pub export: Option<String>,
    /// The last it printed.
    pub output: String,
    /// Outermost calls that were made.
    pub played: u64,
    /// Calls that could not be made, since they need an object that the host has not made this time.
    pub skipped: u64,
    /// Differences from the record, the first ones in words.
    pub differences: Vec<String>,
    /// All differences.
    pub difference_count: u64,
    /// Whether it ended at the call that was named.
    pub is_stopped: bool,
    /// How long turns were taken after the last call until the host ended.
    pub lingered: Option<Duration>,
}
