//! The queues of one direction, and the notifier of the thread or task that serves them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use hostd_shm::{Interest, LANES};
use tokio::sync::Notify;

use super::blocks::{BLOCK_BYTES, Block, Blocks};
use super::sync::{lock, wait_on};
use crate::carrier::waiting::{Idle, slice};
use crate::error::{ProtocolError, Result};
use crate::ids::LaneNumber;

/// A queue takes this many bytes before its writer waits.
pub(in crate::carrier) const QUEUE_BYTES: usize = 512 << 10;

/// The queues of one direction, and what is notified of them.
#[derive(Debug)]
pub(in crate::carrier) struct Direction {
    channels: [Channel; LANES],
    pub(in crate::carrier) notifier: Notifier,
    /// Threads that wait for bytes of one lane, which may be behind those of another one.
    starved: AtomicU32,
    has_starved: Notify,
}

impl Direction {
    pub(super) fn new() -> Self {
        Self {
            channels: std::array::from_fn(|_| Channel::default()),
            notifier: Notifier::default(),
            starved: AtomicU32::new(0),
            has_starved: Notify::new(),
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

    fn queue(&self, lane: LaneNumber) -> MutexGuard<'_, Queue> {
        lock(&self.channel(lane).queue)
    }

    pub(in crate::carrier) fn held(&self, lane: LaneNumber) -> usize {
        self.queue(lane).blocks.held()
    }

    /// Takes what fits of `bytes`, and returns how much that was.
    pub(in crate::carrier) fn push(&self, lane: LaneNumber, bytes: &[u8]) -> Result<usize> {
        let mut taken = 0;
        loop {
            let mut queue = self.queue(lane);
            let space = QUEUE_BYTES.saturating_sub(queue.blocks.held());
            let piece = (bytes.len() - taken).min(space).min(BLOCK_BYTES);
            if piece == 0 {
                return Ok(taken);
            }
            let mut block = queue.blocks.take_free();
            // Not copied under the lock, which the connection needs for the block before.
            drop(queue);
            let part = &bytes[taken..taken + piece];
            block.refill(piece)?.copy_from_slice(part);
            let unused = self.append(lane, block)?;
            self.give_back(lane, unused);
            taken += piece;
        }
    }

    /// Appends all that a block holds if the queue has space for anything; the block is empty then.
    pub(in crate::carrier) fn push_block(&self, lane: LaneNumber, block: &mut Block) -> Result {
        if self.held(lane) < QUEUE_BYTES {
            *block = self.append(lane, std::mem::take(block))?;
        }
        Ok(())
    }

    /// Appends all that a block holds, even if the queue is full; false if it would be longer than
    /// `limit`.
    pub(in crate::carrier) fn push_within(
        &self,
        lane: LaneNumber,
        block: &mut Block,
        limit: usize,
    ) -> Result<bool> {
        let fits = self.held(lane).saturating_add(block.unread().len()) <= limit;
        if fits {
            *block = self.append(lane, std::mem::take(block))?;
        }
        Ok(fits)
    }

    /// Returns a block to use in place of this one.
    fn append(&self, lane: LaneNumber, block: Block) -> Result<Block> {
        let mut queue = self.queue(lane);
        let unused = queue.blocks.push(block)?;
        let is_awaited = queue.waiting > 0;
        drop(queue);
        if is_awaited {
            self.channel(lane).changed.notify_all();
        }
        self.notifier.mark_ready(lane);
        Ok(unused)
    }

    /// Takes the first block, if there is one.
    pub(in crate::carrier) fn pop(&self, lane: LaneNumber) -> Option<Block> {
        let mut queue = self.queue(lane);
        let block = queue.blocks.pop(usize::MAX);
        self.took(lane, queue);
        block
    }

    /// Keeps the memory of a block that was read.
    pub(in crate::carrier) fn give_back(&self, lane: LaneNumber, block: Block) {
        self.queue(lane).blocks.give_back(block);
    }

    /// Notifies the writer once half of the queue is free: for each piece it would take a wake-up.
    fn took(&self, lane: LaneNumber, queue: MutexGuard<'_, Queue>) {
        let is_awaited = queue.waiting > 0;
        if queue.blocks.held() <= QUEUE_BYTES / 2 {
            drop(queue);
            let channel = self.channel(lane);
            if is_awaited {
                channel.changed.notify_all();
            }
            channel.space.notify_one();
        }
    }

    pub(in crate::carrier) fn pull(
        &self,
        lane: LaneNumber,
        limit: usize,
        mut each: impl FnMut(&[u8]),
    ) -> usize {
        let mut count = 0;
        loop {
            let mut queue = self.queue(lane);
            let Some(block) = queue.blocks.pop(limit - count) else {
                count += queue.blocks.read_part(limit - count, &mut each);
                self.took(lane, queue);
                return count;
            };
            self.took(lane, queue);
            // Not copied under the lock, which the connection needs for the block behind.
            each(block.unread());
            count += block.unread().len();
            self.give_back(lane, block);
        }
    }

    /// Waits in a task until a queue has space, or a thread waits for the bytes of a lane.
    pub(in crate::carrier) async fn space_or_starved(&self, lane: LaneNumber) {
        tokio::select! {
            () = self.channel(lane).space.notified() => {}
            () = self.has_starved.notified() => {}
        }
    }

    /// Whether a thread waits for bytes of one lane: it takes none of another one until they come.
    pub(in crate::carrier) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Acquire) > 0
    }

    pub(super) fn wait(
        &self,
        lane: LaneNumber,
        interest: Interest,
        gone: &AtomicBool,
        idle: &mut dyn Idle,
    ) -> Result {
        let channel = self.channel(lane);
        let is_ready = |queue: &Queue| {
            if interest == Interest::Space {
                queue.blocks.held() <= QUEUE_BYTES / 2
            } else {
                queue.blocks.held() > 0
            }
        };
        loop {
            // No lock is held while foreign code runs.
            let verdict = idle.check();
            let mut queue = lock(&channel.queue);
            if is_ready(&queue) {
                return Ok(());
            }
            if gone.load(Ordering::Acquire) {
                return Err(ProtocolError::Disconnected);
            }
            if verdict.is_err() {
                return Err(ProtocolError::Interrupted);
            }
            let is_starved = interest != Interest::Space;
            if is_starved {
                self.starved.fetch_add(1, Ordering::AcqRel);
                self.has_starved.notify_one();
            }
            queue.waiting += 1;
            queue = wait_on(&channel.changed, queue, slice(idle.until()));
            queue.waiting -= 1;
            if is_starved {
                self.starved.fetch_sub(1, Ordering::AcqRel);
            }
            if is_ready(&queue) {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, Default)]
struct Channel {
    queue: Mutex<Queue>,
    changed: Condvar,
    space: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    blocks: Blocks,
    /// Threads that wait for a change: without one there is no wake-up, which is a system call.
    waiting: u32,
}

/// Notifies the thread or task that serves all lanes of a direction which of them have something.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Notifier {
    state: Mutex<State>,
    changed: Condvar,
    notify: Notify,
}

#[derive(Debug, Default)]
struct State {
    marks: Marks,
    /// Threads that wait for a mark.
    waiting: u32,
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

impl Marks {
    fn is_none(self) -> bool {
        self.ready | self.cancels == 0 && !self.woken
    }
}

impl Notifier {
    fn change(&self, change: impl FnOnce(&mut Marks)) {
        let mut state = lock(&self.state);
        change(&mut state.marks);
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
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

    /// Waits in a thread for a mark, at most for `timeout`, and takes the marks.
    pub(super) fn wait(&self, timeout: Duration) -> Marks {
        let mut state = lock(&self.state);
        if state.marks.is_none() && !timeout.is_zero() {
            state.waiting += 1;
            state = wait_on(&self.changed, state, timeout);
            state.waiting -= 1;
        }
        std::mem::take(&mut state.marks)
    }

    /// Waits in a task, and takes the marks.
    pub(in crate::carrier) async fn marks(&self) -> Marks {
        loop {
            let marks = self.wait(Duration::ZERO);
            if !marks.is_none() {
                return marks;
            }
            self.notify.notified().await;
        }
    }
}
