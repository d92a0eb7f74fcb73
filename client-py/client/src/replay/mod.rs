//! Plays a record against a fresh host, and shortens one while its crash stays.

mod exchange;
mod host;
mod minimize;
mod numbers;
mod objects;
mod options;
mod play;
mod search;
mod shapes;
mod shrink;
mod story;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

pub use minimize::{MinimizeError, Minimized};
pub use options::{PlayOptions, ReplayOutcome, Stop};
use story::Story;

use crate::ClientError;
use crate::record::{CallRecord, RecordEnd, RecordError, RecordHead};

/// How many open calls of a record are described.
const OPEN_CALLS_MAX: usize = 8;

/// A record that can be played.
#[derive(Clone, Debug)]
pub struct Replay(Story);

/// An outermost call of a record.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// Its name, and the shapes of its arguments.
    pub text: String,
    /// When it was made, since the start of the host.
    pub time: Duration,
    /// How long it took; none if it has no reply.
    pub took: Option<Duration>,
    /// How many callbacks it made.
    pub callbacks: usize,
}

impl Replay {
    /// Reads a record.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or has no values.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Self::of(&CallRecord::open(path)?)
    }

    /// A record that was read.
    ///
    /// # Errors
    /// It is damaged, or has no values.
    pub fn of(record: &CallRecord) -> Result<Self, RecordError> {
        Story::read(record).map(Self)
    }

    /// How the host was started.
    pub fn head(&self) -> &RecordHead {
        &self.0.head
    }

    /// How the host ended, if that is recorded.
    pub fn end(&self) -> Option<&RecordEnd> {
        self.0.end.as_ref()
    }

    /// Why the recording stopped before the end of the host, if it did.
    pub fn stopped(&self) -> Option<&str> {
        self.0.stopped.as_deref()
    }

    /// The innermost named place of an end, by which crashes are told apart.
    pub fn place(&self, end: &RecordEnd) -> Option<String> {
        end.place(&self.0.addon())
    }

    /// Whether an end is the one of the record; none if the record has none.
    pub fn is_same(&self, outcome: &ReplayOutcome) -> Option<bool> {
        if outcome.failure.is_some() {
            return Some(false);
        }
        let recorded = self.0.end.as_ref()?;
        let none = RecordEnd {
            expected: true,
            ..RecordEnd::default()
        };
        let now = outcome.end.as_ref().unwrap_or(&none);
        Some(recorded.is_same(now, &self.0.addon()))
    }

    /// The outermost calls, in the order in which they are played.
    pub fn calls(&self) -> impl Iterator<Item = RecordedCall> {
        self.0.outermost().map(|call| {
            let call = &self.0.calls[call];
            let time = call.request.time;
            RecordedCall {
                text: shapes::call(call, &self.0.head.limits),
                time,
                took: call
                    .reply
                    .as_ref()
                    .map(|reply| reply.time.saturating_sub(time)),
                callbacks: call.callbacks.len(),
            }
        })
    }

    /// The calls that have no reply, with the shapes of their arguments.
    pub fn open_calls(&self) -> Vec<String> {
        let limits = &self.0.head.limits;
        let open = self.0.calls.iter().filter(|call| call.reply.is_none());
        open.take(OPEN_CALLS_MAX)
            .map(|call| shapes::call(call, limits))
            .collect()
    }

    /// The export that was running at the end, as far as its caller named it.
    pub fn export(&self) -> Option<&str> {
        let call = &self.0.calls[self.0.last_open()?];
        Some(call.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Plays it against a fresh host. `stop` is called before the outermost call of this number.
    ///
    /// # Errors
    /// No host can be started.
    pub fn play(
        &self,
        options: &PlayOptions,
        stop: Option<(u64, Stop<'_>)>,
    ) -> Result<ReplayOutcome, ClientError> {
        play::play(&self.0, options, stop)
    }

    /// Shortens it for at most `time`, as long as its crash stays. `progress` gets the number of replays and of
    /// calls in each candidate, and returns whether to go on.
    ///
    /// # Errors
    /// It does not crash, or no host can be started.
    pub fn minimize(
        &self,
        options: &PlayOptions,
        time: Duration,
        progress: &mut dyn FnMut(u32, usize) -> bool,
    ) -> Result<(Self, Minimized), MinimizeError> {
        let (story, found) = minimize::minimize(&self.0, options, time, progress)?;
        Ok((Self(story), found))
    }

    /// Writes it to a file, in the place of what that has.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        write::write(&self.0, path)
    }
}
