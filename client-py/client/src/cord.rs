//! The cord: a pipe to which the host writes when a turn is due, for a loop that watches descriptors.
//!
//! The host has the pipe's other end, and may write what it likes, as fast as it likes, or nothing:
//! this end reads a little without waiting, and takes it for a ring whatever it says. This process
//! keeps a writing end as well, so that the pipe never comes to its end. A forked child watches none.
//! Who is about to wait for the descriptor may look out for a moment first, which asks no kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use hostd_protocol::carrier::{ClientCord, Lookout};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::fork;

/// One read takes so much: more than an honest host ever leaves there.
const MOST: usize = 1024;

/// A cord that is not tied to a host yet, and the end that the host is to have.
#[derive(Debug)]
pub(crate) struct Loose {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Loose {
    /// Makes the pipe. Neither end waits.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let theirs = writer.try_clone()?;
        Ok((Self { reader, writer }, theirs))
    }

    pub(crate) fn tie(self, word: ClientCord) -> Cord {
        Cord {
            reader: self.reader,
            _writer: self.writer,
            word,
            lookout: Mutex::default(),
            epoch: fork::epoch(),
        }
    }
}

/// The client's end of one host's cord.
#[derive(Debug)]
pub struct Cord {
    reader: OwnedFd,
    _writer: OwnedFd,
    word: ClientCord,
    lookout: Mutex<Lookout>,
    epoch: u32,
}

impl Cord {
    /// A descriptor of its own, for a loop to watch: readable when the cord was pulled.
    ///
    /// # Errors
    /// There are no more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.reader.try_clone()
    }

    /// Has the host pull it from now on: a loop watches it.
    pub fn watch(&self) {
        if self.epoch == fork::epoch() {
            self.word.watch();
        }
    }

    /// No loop watches it any more. Whether it was pulled before; nobody else hears of that.
    #[must_use = "a turn may be due"]
    pub fn leave(&self) -> bool {
        self.epoch == fork::epoch() && self.word.leave(|| self.read())
    }

    /// Looks out for it for some microseconds, as long as that pays: whether it was pulled, or is
    /// meanwhile, which the descriptor does not tell any more then. Never sleeps.
    #[must_use = "a turn is due"]
    pub fn look_out(&self) -> bool {
        if self.epoch != fork::epoch() {
            return false;
        }
        // Another thread is at it.
        let Ok(mut lookout) = self.lookout.try_lock() else {
            return false;
        };
        self.word.look_out(&mut lookout, || self.read())
    }

    /// Whether it was pulled; that is taken notice of.
    pub fn take(&self) -> bool {
        self.word.take(|| self.read())
    }

    fn read(&self) -> bool {
        let mut bytes = [0; MOST];
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
    use rustix::fs::{OFlags, fcntl_setfl};

    use super::*;

    fn pair() -> (Cord, File) {
        let (segment, _) = Segment::create().unwrap();
        let end = lane::client(segment, Generation(1), Limits::DEFAULT);
        let (loose, theirs) = Loose::new().unwrap();
        (loose.tie(end.cord().unwrap()), theirs.into())
    }

    #[test]
    fn what_was_pulled_is_found_by_whoever_leaves() {
        let (cord, mut theirs) = pair();
        cord.watch();
        assert!(!cord.leave());
        cord.watch();
        theirs.write_all(&[1]).unwrap();
        assert!(cord.leave());
        assert!(!cord.take(), "it was taken notice of");
    }

    #[test]
    fn whatever_the_host_does_to_its_end_this_one_never_waits() {
        let (cord, mut theirs) = pair();
        while theirs.write(&[7; 1000]).is_ok() {}
        assert!(cord.take());
        let most = (0..1 << 20).take_while(|_| cord.take()).count();
        assert!(most < 1 << 20, "a full pipe has an end");
        // Its end waits now, which is its own affair.
        fcntl_setfl(&theirs, OFlags::empty()).unwrap();
        assert!(!cord.take());
        drop(theirs);
        assert!(!cord.take(), "the pipe has not come to its end");
    }
}
