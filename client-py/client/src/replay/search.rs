//! Tries candidates of a shorter story until the time is over.

use std::time::Instant;

use super::options::PlayOptions;
use super::play::play;
use super::story::Story;
use crate::ClientError;
use crate::record::RecordEnd;

/// A search for a shorter story.
pub(super) struct Search<'a> {
    pub(super) options: PlayOptions,
    pub(super) addon: String,
    pub(super) end: RecordEnd,
    pub(super) until: Instant,
    pub(super) attempts: u32,
    pub(super) replays: u32,
    pub(super) progress: &'a mut dyn FnMut(u32, usize) -> bool,
    pub(super) is_ended: bool,
}

impl Search<'_> {
    /// Whether a story still crashes in the same way; false once the time is over.
    pub(super) fn crashes(&mut self, story: &Story) -> Result<bool, ClientError> {
        for _ in 0..self.attempts {
            if self.is_over() {
                return Ok(false);
            }
            self.replays += 1;
            let outcome = play(story, &self.options, None)?;
            let calls = story.outermost().count();
            if !(self.progress)(self.replays, calls) {
                self.is_ended = true;
            }
            if outcome
                .end
                .is_some_and(|end| end.is_same(&self.end, &self.addon))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_ended || (self.options.is_interrupted)() || Instant::now() >= self.until
    }
}
