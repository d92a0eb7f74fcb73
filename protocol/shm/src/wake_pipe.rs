//! The word of the wake pipe: whether an event loop of the client watches the pipe's descriptor, to
//! which the host writes when a turn is due.
//!
//! A notification that no loop receives must not be taken for received. So the client first withdraws
//! the word and then reads whether it was notified, and the host notifies and then changes the word:
//! one of the two finds out. Neither side trusts the word: at worst a turn comes late.
//!
//! Before it parks, a loop may spin on the word for a short time. The host then notifies by means of
//! the word alone, without a system call of either side. What it has written to the descriptor it
//! notes in the word, too, so that a loop that spins finds that at once.

use std::sync::Arc;

use hostd_wait::AdaptiveSpin;
use hostd_wait::constants::LOOP_SPIN;

use crate::area::Area;
use crate::sync::{AtomicU32, Fault, Relaxed, SeqCst, faulty};
use crate::top::is_at_top;

/// A loop watches the descriptor.
const WATCHED: u32 = 1;
/// A loop watches the descriptor, and spins on the word just now.
const SPINNING: u32 = 2;
/// The loop was notified through the word.
const NOTIFIED: u32 = 3;
/// The loop was notified through the descriptor.
const WRITTEN: u32 = 4;
/// How often the host tries to change the word: a client may change it all the time.
const TRIES_MAX: usize = 4;

fn word(area: &Area) -> &AtomicU32 {
    &area.header().pipe.0
}

fn change(area: &Area, from: u32, to: u32) -> Result<u32, u32> {
    word(area).compare_exchange(from, to, SeqCst, SeqCst)
}

/// How long a loop spins before it waits for its wake pipe.
#[derive(Debug)]
pub struct IdleSpin(AdaptiveSpin);

impl Default for IdleSpin {
    /// Of [`LOOP_SPIN`].
    fn default() -> Self {
        Self(AdaptiveSpin::new(LOOP_SPIN))
    }
}

/// The client's view of the word.
#[derive(Debug, Clone)]
pub struct ClientPipeWord(pub(crate) Arc<Area>);

impl ClientPipeWord {
    /// A loop watches the descriptor from now on. Has no effect on a loop that spins.
    pub fn watch(&self) {
        let _ = change(&self.0, 0, WATCHED);
    }

    /// No loop watches the descriptor any more. Whether it was notified before, by the word or as
    /// `was_written` says: the host may take that notification for received.
    pub fn unwatch(&self, was_written: impl FnOnce() -> bool) -> bool {
        if faulty(Fault::LateAnnouncement) {
            let was_written = was_written();
            word(&self.0).store(0, SeqCst);
            return was_written;
        }
        let was_noted = matches!(word(&self.0).swap(0, SeqCst), NOTIFIED | WRITTEN);
        was_written() || was_noted
    }

    /// Whether the descriptor was written to, by the word or as `was_written` says; clears both.
    pub fn take(&self, was_written: impl FnOnce() -> bool) -> bool {
        let was_noted = change(&self.0, WRITTEN, WATCHED).is_ok();
        was_written() || was_noted
    }

    /// Spins for a short time: whether a loop that watches is notified, or was before. `take` clears
    /// what was written to the descriptor then. One thread at a time can spin; for others the answer
    /// is no.
    pub fn spin(&self, spin: &mut IdleSpin, take: impl FnOnce() -> bool) -> bool {
        if change(&self.0, WATCHED, SPINNING).is_ok() {
            let word = word(&self.0);
            let found = spin.0.until(|| match word.load(Relaxed) {
                SPINNING => None,
                other => Some(other),
            });
            if found.is_none() && change(&self.0, SPINNING, WATCHED).is_ok() {
                return false;
            }
        }
        // If the watch ended meanwhile, `unwatch` has told its caller.
        let was_notified = change(&self.0, NOTIFIED, WATCHED).is_ok();
        if !was_notified && change(&self.0, WRITTEN, WATCHED).is_ok() {
            take();
            return true;
        }
        was_notified
    }
}

/// The host's view of the word, for any of its threads.
#[derive(Debug, Clone)]
pub struct HostPipeWord(pub(crate) Arc<Area>);

impl HostPipeWord {
    /// Whether a loop watches the descriptor.
    pub fn is_watched(&self) -> bool {
        matches!(word(&self.0).load(SeqCst), WATCHED..=WRITTEN)
    }

    /// Whether a turn could be given now.
    pub fn is_at_top(&self) -> bool {
        is_at_top(&self.0)
    }

    /// Notifies the loop: through the word if it spins, else through `write`, which returns whether it
    /// could. Whether a loop received it.
    pub fn notify(&self, write: impl FnOnce() -> bool) -> bool {
        match change(&self.0, SPINNING, NOTIFIED) {
            Ok(_) | Err(NOTIFIED) => return true,
            Err(WATCHED | WRITTEN) => {}
            Err(_) => return false,
        }
        if !write() {
            return false;
        }
        faulty(Fault::NoSecondPoll) || self.note_written()
    }

    /// Notes in the word that the descriptor was written to. Whether a loop watches.
    fn note_written(&self) -> bool {
        let mut seen = WATCHED;
        for _ in 0..TRIES_MAX {
            match change(&self.0, seen, WRITTEN) {
                Ok(_) | Err(NOTIFIED | WRITTEN) => return true,
                Err(now @ (WATCHED | SPINNING)) => seen = now,
                Err(_) => return false,
            }
        }
        self.is_watched()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::{Segment, SegmentError};

    fn pair() -> Result<(ClientPipeWord, HostPipeWord), SegmentError> {
        let (segment, theirs) = Segment::create()?;
        let host = Segment::open(theirs)?.into_host().pipe;
        Ok((segment.into_client().pipe_word(), host))
    }

    #[test]
    fn spinning_loop_is_notified_without_a_descriptor() {
        let (client, host) = pair().unwrap();
        let mut spin = IdleSpin::default();
        let none = || -> bool { panic!("nothing was written") };
        assert!(!client.spin(&mut spin, none), "no loop watches");
        client.watch();
        assert!(!client.spin(&mut spin, none), "nothing was notified");
        assert!(!host.notify(|| false), "no loop spins");
        assert!(host.is_watched());
        let is_seen = AtomicBool::new(false);
        let received = thread::scope(|scope| {
            let notifying = scope.spawn(|| {
                let mut received = 0_u32;
                while !is_seen.load(Ordering::Acquire) {
                    received += u32::from(host.notify(|| false));
                }
                received
            });
            while !client.spin(&mut spin, none) {}
            is_seen.store(true, Ordering::Release);
            notifying.join().unwrap()
        });
        assert!(received > 0);
        assert!(!client.unwatch(|| false), "it was seen");
        assert!(!host.is_watched());
    }

    #[test]
    fn spinning_loop_finds_what_was_written_before() {
        let (client, host) = pair().unwrap();
        let mut spin = IdleSpin::default();
        client.watch();
        assert!(host.notify(|| true));
        let mut is_taken = false;
        assert!(client.spin(&mut spin, || {
            is_taken = true;
            true
        }));
        assert!(is_taken);
        assert!(!client.take(|| false), "the note was cleared");
        assert!(host.notify(|| true));
        assert!(client.take(|| false));
        assert!(!client.spin(&mut spin, || true), "this one as well");
    }

    #[test]
    fn unwatch_returns_what_was_not_seen() {
        let (client, _) = pair().unwrap();
        for state in [NOTIFIED, WRITTEN] {
            word(&client.0).store(state, SeqCst);
            client.watch();
            assert!(client.unwatch(|| false));
            assert!(!client.unwatch(|| false));
        }
    }
}
