//! The wake pipe: the host writes to it to request an event-loop turn, for a loop that polls
//! descriptors.
//!
//! This end is open for both directions, so that it never reports end-of-file, whatever the host does
//! to its own. The host may write anything at any rate, or nothing: reads here do not block and have a
//! limited size, and any bytes count as a request. A forked child does not use it. Before a loop waits
//! for the descriptor it may spin on the shared memory for some microseconds, without a system call.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Mutex;

use hostd_protocol::carrier::{ClientPipeWord, IdleSpin};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::fork;

/// The most bytes that one read takes: more than a host leaves there that keeps to the protocol.
const READ_BYTES: usize = 1024;

/// The reading end of one host's wake pipe.
#[derive(Debug)]
pub struct WakePipe {
    reader: OwnedFd,
    word: ClientPipeWord,
    idle_spin: Mutex<IdleSpin>,
    epoch: u32,
}

impl WakePipe {
    /// Makes the pipe, both ends nonblocking. Returns the end of the host as well.
    pub(crate) fn new(word: ClientPipeWord) -> io::Result<(Self, OwnedFd)> {
        let (reader, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = Self {
            reader: open(path, flags, Mode::empty())?,
            word,
            idle_spin: Mutex::default(),
            epoch: fork::epoch(),
        };
        Ok((pipe, theirs))
    }

    /// A duplicate of the descriptor, for a loop to poll: readable when the host requests a turn.
    ///
    /// # Errors
    /// The limit of open descriptors is reached.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.reader.try_clone()
    }

    /// Tells the host that a loop polls the pipe from now on.
    pub fn attach(&self) {
        if self.epoch == fork::epoch() {
            self.word.watch();
        }
    }

    /// Tells the host that no loop polls the pipe any more. Returns whether a turn was requested before,
    /// which the caller must then run.
    #[must_use = "a turn may be due"]
    pub fn detach(&self) -> bool {
        self.epoch == fork::epoch() && self.word.unwatch(|| self.read())
    }

    /// Spins for some microseconds, where that has paid before. Returns whether a turn was requested; the
    /// descriptor is not readable for that request then. Never sleeps.
    #[must_use = "a turn is due"]
    pub fn spin(&self) -> bool {
        if self.epoch != fork::epoch() {
            return false;
        }
        // Another thread is spinning.
        let Ok(mut idle_spin) = self.idle_spin.try_lock() else {
            return false;
        };
        self.word.spin(&mut idle_spin, || self.read())
    }

    /// Takes the request: returns whether a turn was requested.
    pub fn take(&self) -> bool {
        self.word.take(|| self.read())
    }

    fn read(&self) -> bool {
        let mut bytes = [0; READ_BYTES];
        loop {
            match read(&self.reader, &mut bytes) {
                Ok(count) => return count > 0,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use hostd_protocol::carrier::lane::{self, Segment};
    use hostd_protocol::ids::Generation;
    use hostd_protocol::limits::Limits;
    use rustix::fs::fcntl_setfl;

    use super::*;

    fn pair() -> (WakePipe, File) {
        let (segment, _) = Segment::create().unwrap();
        let end = lane::client(segment, Generation(1), Limits::DEFAULT);
        let (pipe, theirs) = WakePipe::new(end.pipe_word().unwrap()).unwrap();
        (pipe, theirs.into())
    }

    #[test]
    fn request_before_a_detach_is_returned_by_it() {
        let (pipe, mut theirs) = pair();
        pipe.attach();
        assert!(!pipe.detach());
        pipe.attach();
        theirs.write_all(&[1]).unwrap();
        assert!(pipe.detach());
        assert!(!pipe.take(), "the request was taken");
    }

    #[test]
    fn reads_never_block_whatever_the_host_does_to_its_end() {
        let (pipe, mut theirs) = pair();
        while theirs.write(&[7; 1000]).is_ok() {}
        assert!(pipe.take());
        let most = (0..1 << 20).take_while(|_| pipe.take()).count();
        assert!(most < 1 << 20, "a full pipe has an end");
        // The end of the host blocks from now on.
        fcntl_setfl(&theirs, OFlags::empty()).unwrap();
        assert!(!pipe.take());
        drop(theirs);
        assert!(!pipe.take(), "the pipe has not come to its end");
    }
}
