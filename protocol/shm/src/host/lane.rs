//! The host's end of one lane.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::area::Area;
use crate::bell::HostSleep;
use crate::client::cancel_word;
use crate::error::Violation;
use crate::layout::{Direction, Interest, LaneIndex};
use crate::ring::Producer;
use crate::uninit::{append, as_uninit};

/// How a wait on one lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostWait {
    /// What was waited for is there.
    Ready,
    /// A [`HostWaker`](super::HostWaker) rang.
    Rung,
    /// The client set the lane's cancel word, and nothing came otherwise.
    Cancelled,
    /// The time was over.
    TimedOut,
}

/// The host's end of a lane: reads what comes from the client, writes towards it.
#[derive(Debug)]
pub struct HostLane {
    shared: Rc<Shared>,
    index: LaneIndex,
    writer: Producer,
}

impl HostLane {
    pub(super) fn new(shared: Rc<Shared>, index: LaneIndex) -> Self {
        Self {
            shared,
            index,
            writer: Producer::default(),
        }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneIndex {
        self.index
    }

    /// Writes what fits into the ring towards the client and returns how much that was. Never
    /// blocks. Wakes nobody: see [`notify`](Self::notify).
    #[inline]
    pub fn write(&mut self, source: &[u8]) -> Result<usize, Violation> {
        let ring = self.shared.area.ring(self.index, Direction::ToClient);
        let written = self.writer.write(ring, source)?;
        if written > 0 {
            self.shared.owe_data(self.index);
        }
        Ok(written)
    }

    /// Reads what has come from the client, at most `target` full, and returns how much that was.
    /// Never blocks.
    #[inline]
    pub fn read(&mut self, target: &mut [u8]) -> Result<usize, Violation> {
        self.read_uninit(as_uninit(target))
    }

    /// Appends at most `limit` bytes of what has come from the client to `target`, and returns how
    /// many that were. Never blocks.
    #[inline]
    pub fn read_onto(&mut self, target: &mut Vec<u8>, limit: usize) -> Result<usize, Violation> {
        let limit = limit.min(self.readable()?);
        append(target, limit, |spare| self.read_uninit(spare))
    }

    fn read_uninit(&mut self, target: &mut [MaybeUninit<u8>]) -> Result<usize, Violation> {
        let cell = &self.shared.readers[self.index.get()];
        let mut reader = cell.get();
        let read = reader.read(self.shared.area.ring(self.index, Direction::ToHost), target);
        let telling = reader.take_untold();
        cell.set(reader);
        let read = read?;
        if telling {
            self.shared.owe_space(self.index);
        }
        Ok(read)
    }

    /// How many bytes can be read now.
    #[inline]
    pub fn readable(&mut self) -> Result<usize, Violation> {
        self.shared.readable(self.index)
    }

    /// How many bytes can be written now.
    #[inline]
    pub fn writable(&mut self) -> Result<usize, Violation> {
        self.writer
            .writable(self.shared.area.ring(self.index, Direction::ToClient))
    }

    /// Tells the client, if it sleeps, of what was written and read since the last time. Waits do
    /// this by themselves, for all lanes.
    #[inline]
    pub fn notify(&mut self) {
        self.shared.notify(self.index);
    }

    /// Waits on this lane alone: for a callback's reply, for the rest of a frame, for room.
    /// Ends as `Rung` only if a [`HostWaker`](super::HostWaker) rang and nothing is there; the ring counts as
    /// answered then, so the caller does what it would do at its top, or remembers to. Ends as
    /// `Cancelled` only if the client's cancel word differs from `cancel`, the value that the
    /// caller knows of.
    pub fn wait(
        &mut self,
        interest: Interest,
        cancel: u32,
        timeout: Option<Duration>,
    ) -> Result<HostWait, Violation> {
        let shared = Rc::clone(&self.shared);
        let sleep = HostSleep::Lane(self.index, interest);
        let found = shared.wait(sleep, timeout, |_| self.look(interest, cancel).transpose());
        match found.transpose()? {
            Some(HostWait::Rung) => {
                shared.take_rung();
                Ok(HostWait::Rung)
            }
            Some(found) => Ok(found),
            None => Ok(HostWait::TimedOut),
        }
    }

    #[inline]
    fn look(&mut self, interest: Interest, cancel: u32) -> Result<Option<HostWait>, Violation> {
        if (interest.data() && self.readable()? > 0) || (interest.space() && self.writable()? > 0) {
            return Ok(Some(HostWait::Ready));
        }
        if self.shared.rung() {
            return Ok(Some(HostWait::Rung));
        }
        Ok((self.cancel() != cancel).then_some(HostWait::Cancelled))
    }

    /// The lane's cancel word, as the client set it.
    #[inline]
    pub fn cancel(&self) -> u32 {
        cancel_word(&self.shared.area, self.index)
    }

    /// A reader of the cancel word for the engine's interrupt handler.
    pub fn cancel_flag(&self) -> CancelFlag {
        CancelFlag {
            area: Arc::clone(&self.shared.area),
            index: self.index,
            here: PhantomData,
        }
    }
}

/// Reads a lane's cancel word; for the engine's interrupt handler, on the JS thread.
#[derive(Debug, Clone)]
pub struct CancelFlag {
    area: Arc<Area>,
    index: LaneIndex,
    here: PhantomData<Rc<()>>,
}

impl CancelFlag {
    /// The word, as the client set it.
    #[inline]
    pub fn get(&self) -> u32 {
        cancel_word(&self.area, self.index)
    }
}
