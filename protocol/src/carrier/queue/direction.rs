//! The queues of one direction, and the notifier of the thread or task that serves them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use hostd_shm::{Interest, LANES};
use tokio::sync::Notify;

use super::sync::{lock, wait_on};
use crate::carrier::waiting::{Idle, slice};
use crate::error::{ProtocolError, Result};
use crate::ids::LaneNumber;

/// A queue takes this many bytes before its writer waits.
pub(super) const QUEUE_BYTES: usize = 256 << 10;

/// The queues of one direction, and what is notified of them.
#[derive(Debug)]
pub(in crate::carrier) struct Direction {
    channels: [Channel; LANES],
    pub(in crate::carrier) notifier: Notifier,
}

impl Direction {
    pub(super) fn new() -> Self {
        Self {
            channels: std::array::from_fn(|_| Channel::default()),
            notifier: Notifier::default(),
        }
    }

    /// Wakes every waiting thread and task, which then find that the other side is gone.
    pub(super) fn disconnect(&self) {
        for channel in &self.channels {
            // Under the lock, so that no thread is between reading the flag and waiting.
            let _queue = lock(&channel.queue);
            channel.changed.notify_all();
            channel.space.notify_one();
        }
        self.notifier.wake();
    }

    fn channel(&self, lane: LaneNumber) -> &Channel {
        &self.channels[lane.get()]
    }

    fn queue(&self, lane: LaneNumber) -> MutexGuard<'_, VecDeque<u8>> {
        lock(&self.channel(lane).queue)
    }

    pub(super) fn held(&self, lane: LaneNumber) -> usize {
        self.queue(lane).len()
    }

    /// Takes what fits of `bytes`, and returns how much that was.
    pub(in crate::carrier) fn push(&self, lane: LaneNumber, bytes: &[u8]) -> Result<usize> {
        let queue = self.queue(lane);
        let fits = bytes.len().min(QUEUE_BYTES.saturating_sub(queue.len()));
        self.append(lane, queue, &bytes[..fits])?;
        Ok(fits)
    }

    /// Takes all of `bytes`, even if the queue is full; false if it would be longer than `limit`.
    pub(in crate::carrier) fn push_within(
        &self,
        lane: LaneNumber,
        bytes: &[u8],
        limit: usize,
    ) -> Result<bool> {
        let queue = self.queue(lane);
        let fits = queue.len().saturating_add(bytes.len()) <= limit;
        if fits {
            self.append(lane, queue, bytes)?;
        }
        Ok(fits)
    }

    fn append(
        &self,
        lane: LaneNumber,
        mut queue: MutexGuard<'_, VecDeque<u8>>,
        bytes: &[u8],
    ) -> Result {
        let reserved = queue.try_reserve(bytes.len());
        reserved.map_err(|_| ProtocolError::Memory { bytes: bytes.len() })?;
        queue.extend(bytes);
        drop(queue);
        if !bytes.is_empty() {
            self.channel(lane).changed.notify_all();
            self.notifier.mark_ready(lane);
        }
        Ok(())
    }

    pub(in crate::carrier) fn pull(
        &self,
        lane: LaneNumber,
        limit: usize,
        mut each: impl FnMut(&[u8]),
    ) -> usize {
        let channel = self.channel(lane);
        let mut queue = lock(&channel.queue);
        let count = limit.min(queue.len());
        let (front, back) = queue.as_slices();
        let first = count.min(front.len());
        each(&front[..first]);
        each(&back[..count - first]);
        queue.drain(..count);
        if count > 0 {
            channel.changed.notify_all();
            channel.space.notify_one();
        }
        count
    }

    /// Waits until a queue has space, in a task.
    pub(in crate::carrier) async fn space(&self, lane: LaneNumber) {
        self.channel(lane).space.notified().await;
    }

    pub(super) fn wait(
        &self,
        lane: LaneNumber,
        interest: Interest,
        gone: &AtomicBool,
        idle: &mut dyn Idle,
    ) -> Result {
        let channel = self.channel(lane);
        let is_ready = |queue: &VecDeque<u8>| {
            if interest == Interest::Space {
                queue.len() < QUEUE_BYTES
            } else {
                !queue.is_empty()
            }
        };
        loop {
            // No lock is held while foreign code runs.
            let verdict = idle.check();
            let queue = lock(&channel.queue);
            if is_ready(&queue) {
                return Ok(());
            }
            if gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            if verdict.is_err() {
                return Err(ProtocolError::Interrupted);
            }
            let queue = wait_on(&channel.changed, queue, slice(idle.until()));
            if is_ready(&queue) {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) queue: Mutex<VecDeque<u8>>,
    changed: Condvar,
    space: Notify,
}

/// Notifies the thread or task that serves all lanes of a direction which of them have something.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Notifier {
    pub(super) state: Mutex<Marks>,
    pub(super) changed: Condvar,
    notify: Notify,
}

/// What happened since the marks were taken last.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::carrier) struct Marks {
    /// A bit for each lane that was written to.
    pub(in crate::carrier) ready: u64,
    /// A bit for each lane whose cancel word was set.
    pub(in crate::carrier) cancels: u64,
    pub(super) woken: bool,
}

impl Notifier {
    fn change(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
        self.notify.notify_one();
    }

    pub(in crate::carrier) fn mark_ready(&self, lane: LaneNumber) {
        self.change(|marks| marks.ready |= lane.bit());
    }

    pub(super) fn mark_cancel(&self, lane: LaneNumber) {
        self.change(|marks| marks.cancels |= lane.bit());
    }

    pub(in crate::carrier) fn wake(&self) {
        self.change(|marks| marks.woken = true);
    }

    /// Waits in a task, and takes the marks.
    pub(in crate::carrier) async fn marks(&self) -> Marks {
        loop {
            let marks = std::mem::take(&mut *lock(&self.state));
            if marks.ready | marks.cancels != 0 || marks.woken {
                return marks;
            }
            self.notify.notified().await;
        }
    }
}
