//! The host's end of one lane.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::area::Area;
use crate::client::cancel_word;
use crate::error::Violation;
use crate::lane::{Direction, Interest, LaneNumber};
use crate::parker::HostAnnouncement;
use crate::ring::Producer;
use crate::uninit::{append, as_uninit};

/// How a wait on one lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostWait {
    /// What was waited for is there.
    Ready,
    /// A [`FutexWaker`](super::FutexWaker) woke the JS thread.
    Woken,
    /// The client set the lane's cancel word, and nothing else came.
    Cancelled,
    /// The timeout expired.
    TimedOut,
}

/// The host's end of a lane: reads what comes from the client, writes towards it.
#[derive(Debug)]
pub struct HostRings {
    shared: Rc<Shared>,
    index: LaneNumber,
    writer: Producer,
}

impl HostRings {
    pub(super) fn new(shared: Rc<Shared>, index: LaneNumber) -> Self {
        Self {
            shared,
            index,
            writer: Producer::default(),
        }
    }

    /// The lane's number.
    pub fn index(&self) -> LaneNumber {
        self.index
    }

    /// Writes what fits into the ring towards the client and returns how much that was. Never
    /// blocks, and wakes no thread: see [`notify`](Self::notify).
    #[inline]
    pub fn write(&mut self, source: &[u8]) -> Result<usize, Violation> {
        let ring = self.shared.area.ring(self.index, Direction::ToClient);
        let written = self.writer.write(ring, source)?;
        if written > 0 {
            self.shared.note_data(self.index);
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
        append(target, limit, |target| self.read_uninit(target))
    }

    fn read_uninit(&mut self, target: &mut [MaybeUninit<u8>]) -> Result<usize, Violation> {
        let cell = &self.shared.readers[self.index.get()];
        let mut reader = cell.get();
        let read = reader.read(self.shared.area.ring(self.index, Direction::ToHost), target);
        let is_notifying = reader.take_unnotified();
        cell.set(reader);
        let read = read?;
        if is_notifying {
            self.shared.note_space(self.index);
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

    /// Wakes the client, if it is parked, for what was written and read since the last call. Every
    /// wait does this for all lanes.
    #[inline]
    pub fn notify(&mut self) {
        self.shared.notify(self.index);
    }

    /// Waits on this lane alone: for a callback's reply, for the rest of a frame, for space.
    /// Ends as `Woken` only if a [`FutexWaker`](super::FutexWaker) woke the thread and nothing is
    /// there; it is not reported again, so the caller handles it now or notes it for later. Ends as
    /// `Cancelled` only if the client's cancel word differs from `cancel`, the last value that the
    /// caller has handled.
    pub fn wait(
        &mut self,
        interest: Interest,
        cancel: u32,
        timeout: Option<Duration>,
    ) -> Result<HostWait, Violation> {
        let shared = Rc::clone(&self.shared);
        let announcement = HostAnnouncement::Lane(self.index, interest);
        let poll = |_| self.poll(interest, cancel).transpose();
        let found = shared.wait(announcement, timeout, poll);
        match found.transpose()? {
            Some(HostWait::Woken) => {
                shared.take_woken();
                Ok(HostWait::Woken)
            }
            Some(found) => Ok(found),
            None => Ok(HostWait::TimedOut),
        }
    }

    #[inline]
    fn poll(&mut self, interest: Interest, cancel: u32) -> Result<Option<HostWait>, Violation> {
        if (interest.data() && self.readable()? > 0) || (interest.space() && self.writable()? > 0) {
            return Ok(Some(HostWait::Ready));
        }
        if self.shared.is_woken() {
            return Ok(Some(HostWait::Woken));
        }
        Ok((self.cancel() != cancel).then_some(HostWait::Cancelled))
    }

    /// The lane's cancel word, as the client set it.
    #[inline]
    pub fn cancel(&self) -> u32 {
        cancel_word(&self.shared.area, self.index)
    }

    /// A reader of the cancel word for the engine's interrupt handler.
    pub fn cancel_word(&self) -> CancelWord {
        CancelWord {
            area: Arc::clone(&self.shared.area),
            index: self.index,
            here: PhantomData,
        }
    }
}

/// Reads a lane's cancel word; for the engine's interrupt handler, on the JS thread.
#[derive(Debug, Clone)]
pub struct CancelWord {
    area: Arc<Area>,
    index: LaneNumber,
    here: PhantomData<Rc<()>>,
}

impl CancelWord {
    /// The word, as the client set it.
    #[inline]
    pub fn get(&self) -> u32 {
        cancel_word(&self.area, self.index)
    }
}
