//! Pipes to programs that run beside a script.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// Our end of a pipe. A thread that waits for it stops waiting when the pipe is closed here: the program,
/// or one that it has started, may keep the other end open.
#[derive(Debug)]
pub(crate) struct Pipe {
    end: File,
    /// Readable once the pipe is closed.
    closed: OwnedFd,
}

impl Pipe {
    fn open(end: impl Into<OwnedFd>) -> io::Result<Arc<Self>> {
        let end = File::from(end.into());
        fcntl_setfl(&end, OFlags::NONBLOCK)?;
        let closed = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Self { end, closed }))
    }

    /// The pipes to standard input, output and error of a program.
    pub(crate) fn of(child: &mut Child) -> io::Result<[Option<Arc<Self>>; 3]> {
        Ok([
            child.stdin.take().map(Self::open).transpose()?,
            child.stdout.take().map(Self::open).transpose()?,
            child.stderr.take().map(Self::open).transpose()?,
        ])
    }

    /// Waits for bytes and reads them. No bytes are the end.
    pub(crate) fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::IN)?;
            match (&self.end).read(chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    /// Writes all of the bytes, waiting for the program to read.
    pub(crate) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.wait(PollFlags::OUT)?;
            match (&self.end).write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends what waits, now and later, with the error `ECANCELED`.
    pub(crate) fn close(&self) {
        // It fails only where it was written to 2^64 times.
        let _ = rustix::io::write(&self.closed, &1_u64.to_ne_bytes());
    }

    fn wait(&self, readiness: PollFlags) -> io::Result<()> {
        let mut polled = [
            PollFd::new(&self.closed, PollFlags::IN),
            PollFd::new(&self.end, readiness),
        ];
        loop {
            match poll(&mut polled, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if polled[0].revents().is_empty() => return Ok(()),
                Ok(_) => return Err(Errno::CANCELED.into()),
            }
        }
    }
}
