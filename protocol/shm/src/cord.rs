//! The word that says whether somebody watches the cord: a descriptor of the client's that the host
//! may write to when a turn is due, beside the home lane.
//!
//! Nobody hears a cord that is not watched. So the client first takes the word back and then looks
//! whether the cord was pulled, and the host pulls and then changes the word: one of the two finds
//! out. The word is a hint between two who may lie; what it costs at worst is a turn that comes late.
//!
//! Who is about to sleep until the cord is pulled may look out for that first: then the host puts the
//! pull into the word, which takes neither of them into the kernel. What it has written to the
//! descriptor it notes in the word, too, so that who looks finds that at once.

use std::sync::Arc;

use crate::area::Area;
use crate::layout::LOOKOUT_TIME;
use crate::spin::Spin;
use crate::sync::{AtomicU32, Fault, Relaxed, SeqCst, faulty};
use crate::top::is_at_top;

/// A loop watches the descriptor.
const WATCHED: u32 = 1;
/// So it does, and looks at the word just now.
const LOOKED_FOR: u32 = 2;
/// The cord was pulled for whoever looks.
const PULLED: u32 = 3;
/// It was pulled by means of the descriptor.
const WRITTEN: u32 = 4;
/// A word that changes all the time is not waited for.
const TRIES: usize = 4;

fn word(area: &Area) -> &AtomicU32 {
    &area.header().cord.0
}

fn change(area: &Area, from: u32, to: u32) -> Result<u32, u32> {
    word(area).compare_exchange(from, to, SeqCst, SeqCst)
}

/// How long a client looks out for its cord: for as long as that has paid of late.
#[derive(Debug)]
pub struct Lookout(Spin);

impl Default for Lookout {
    /// 80 us at most; not at all where there is one CPU only.
    fn default() -> Self {
        Self(Spin::new(LOOKOUT_TIME))
    }
}

/// The client's view of the word.
#[derive(Debug, Clone)]
pub struct ClientCord(pub(crate) Arc<Area>);

impl ClientCord {
    /// Says that somebody watches the cord from now on. Whoever looks out for it goes on with that.
    pub fn watch(&self) {
        let _ = change(&self.0, 0, WATCHED);
    }

    /// Says that nobody does any more, and looks then whether it was pulled: whoever did that may
    /// take it for heard.
    pub fn leave(&self, was_pulled: impl FnOnce() -> bool) -> bool {
        if faulty(Fault::LateAnnouncement) {
            let was_pulled = was_pulled();
            word(&self.0).store(0, SeqCst);
            return was_pulled;
        }
        let was_noted = matches!(word(&self.0).swap(0, SeqCst), PULLED | WRITTEN);
        was_pulled() || was_noted
    }

    /// Looks by means of `was_pulled` whether the descriptor says so, of which no note is left.
    pub fn take(&self, was_pulled: impl FnOnce() -> bool) -> bool {
        let was_noted = change(&self.0, WRITTEN, WATCHED).is_ok();
        was_pulled() || was_noted
    }

    /// Looks out for a moment whether a cord that is watched is pulled, or was before; what the
    /// descriptor says of that is taken by means of `take`. One at a time can look out; for others it is
    /// not pulled.
    pub fn look_out(&self, lookout: &mut Lookout, take: impl FnOnce() -> bool) -> bool {
        if change(&self.0, WATCHED, LOOKED_FOR).is_ok() {
            let word = word(&self.0);
            let found = lookout.0.until(|| match word.load(Relaxed) {
                LOOKED_FOR => None,
                other => Some(other),
            });
            if found.is_none() && change(&self.0, LOOKED_FOR, WATCHED).is_ok() {
                return false;
            }
        }
        // Of a cord that was left meanwhile knows who left it.
        let was_seen = change(&self.0, PULLED, WATCHED).is_ok();
        if !was_seen && change(&self.0, WRITTEN, WATCHED).is_ok() {
            take();
            return true;
        }
        was_seen
    }
}

/// The host's view of the word, for any of its threads.
#[derive(Debug, Clone)]
pub struct HostCord(pub(crate) Arc<Area>);

impl HostCord {
    /// Whether somebody watches.
    pub fn is_watched(&self) -> bool {
        matches!(word(&self.0).load(SeqCst), WATCHED..=WRITTEN)
    }

    /// Whether a turn could be given now.
    pub fn is_at_top(&self) -> bool {
        is_at_top(&self.0)
    }

    /// Pulls the cord, by means of `pull` if nobody looks at the word, which says whether it could.
    /// Whether that was heard.
    pub fn pull(&self, pull: impl FnOnce() -> bool) -> bool {
        match change(&self.0, LOOKED_FOR, PULLED) {
            Ok(_) | Err(PULLED) => return true,
            Err(WATCHED | WRITTEN) => {}
            Err(_) => return false,
        }
        if !pull() {
            return false;
        }
        faulty(Fault::NoSecondLook) || self.note()
    }

    /// Notes that the descriptor says it. Whether somebody watches.
    fn note(&self) -> bool {
        let mut seen = WATCHED;
        for _ in 0..TRIES {
            match change(&self.0, seen, WRITTEN) {
                Ok(_) | Err(PULLED | WRITTEN) => return true,
                Err(now @ (WATCHED | LOOKED_FOR)) => seen = now,
                Err(_) => return false,
            }
        }
        self.is_watched()
    }
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::Segment;

    #[test]
    fn who_looks_out_is_told_without_a_descriptor() {
        let (segment, theirs) = Segment::create().unwrap();
        let host = Segment::open(theirs).unwrap().into_host().cord;
        let cord = segment.into_client().cord();
        let mut lookout = Lookout::default();
        let none = || -> bool { panic!("nothing was written") };
        assert!(!cord.look_out(&mut lookout, none), "it is not watched");
        cord.watch();
        assert!(!cord.look_out(&mut lookout, none), "nobody pulls it");
        assert!(!host.pull(|| false), "nobody looks");
        assert!(host.is_watched());
        let is_seen = AtomicBool::new(false);
        let told = thread::scope(|scope| {
            let pulling = scope.spawn(|| {
                let mut told = 0_u32;
                while !is_seen.load(Ordering::Acquire) {
                    told += u32::from(host.pull(|| false));
                }
                told
            });
            while !cord.look_out(&mut lookout, none) {}
            is_seen.store(true, Ordering::Release);
            pulling.join().unwrap()
        });
        assert!(told > 0);
        assert!(!cord.leave(|| false), "it was seen");
        assert!(!host.is_watched());
    }

    #[test]
    fn who_looks_out_finds_what_was_written_before() {
        let (segment, theirs) = Segment::create().unwrap();
        let host = Segment::open(theirs).unwrap().into_host().cord;
        let cord = segment.into_client().cord();
        let mut lookout = Lookout::default();
        cord.watch();
        assert!(host.pull(|| true));
        let mut is_taken = false;
        assert!(cord.look_out(&mut lookout, || {
            is_taken = true;
            true
        }));
        assert!(is_taken);
        assert!(!cord.take(|| false), "of that no note is left");
        assert!(host.pull(|| true));
        assert!(cord.take(|| false));
        assert!(!cord.look_out(&mut lookout, || true), "nor of this");
    }

    #[test]
    fn what_nobody_saw_is_known_to_who_leaves() {
        let (segment, _theirs) = Segment::create().unwrap();
        let cord = segment.into_client().cord();
        for state in [PULLED, WRITTEN] {
            word(&cord.0).store(state, SeqCst);
            cord.watch();
            assert!(cord.leave(|| false));
            assert!(!cord.leave(|| false));
        }
    }
}
