//! Bytes in order, kept in blocks that are moved from thread to thread instead of copied.

use std::collections::VecDeque;
use std::ops::Range;

use crate::control::{DATA_BYTES, PACKET_BYTES};
use crate::error::{ProtocolError, Result};

/// Bytes that are put into one block: what one packet holds. A packet that was received has the
/// number of its lane in its block too.
pub(super) const BLOCK_BYTES: usize = DATA_BYTES;

/// Blocks that a queue keeps for later bytes.
const FREE_BLOCKS: usize = 4;

/// A piece of memory with bytes that were not read yet.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Block {
    /// What was ever used of the memory, so that it is cleared once only.
    memory: Vec<u8>,
    unread: Range<usize>,
}

impl Block {
    /// The bytes that were not read yet.
    pub(in crate::carrier) fn unread(&self) -> &[u8] {
        &self.memory[self.unread.clone()]
    }

    /// Memory for `length` new bytes, which replace what it holds; at most [`PACKET_BYTES`].
    pub(in crate::carrier) fn refill(&mut self, length: usize) -> Result<&mut [u8]> {
        self.unread = 0..0;
        self.grow(length)
    }

    /// Makes room for `length` more bytes and counts them as unread.
    fn grow(&mut self, length: usize) -> Result<&mut [u8]> {
        let new = self.unread.end..self.unread.end + length;
        if self.memory.len() < new.end {
            let missing = PACKET_BYTES.max(new.end) - self.memory.len();
            let reserved = self.memory.try_reserve_exact(missing);
            reserved.map_err(|_| ProtocolError::Memory { bytes: missing })?;
            self.memory.resize(new.end, 0);
        }
        self.unread.end = new.end;
        Ok(&mut self.memory[new])
    }

    /// Skips bytes, which count as read.
    pub(in crate::carrier) fn skip(&mut self, count: usize) {
        self.unread.start += count.min(self.unread.len());
    }

    fn room(&self) -> usize {
        BLOCK_BYTES.saturating_sub(self.unread.end)
    }
}

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// None of them is empty.
    filled: VecDeque<Block>,
    held: usize,
    free: Vec<Block>,
}

impl Blocks {
    /// How many bytes were not read yet.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Appends what the block holds, and returns one to use in its place. Small pieces share a block,
    /// so that memory is bounded by the bytes, however they were cut.
    pub(super) fn push(&mut self, mut block: Block) -> Result<Block> {
        let length = block.unread().len();
        if length == 0 {
            return Ok(block);
        }
        match self.filled.back_mut() {
            Some(last) if last.room() >= length => {
                last.grow(length)?.copy_from_slice(block.unread());
                block.unread = 0..0;
            }
            _ => {
                self.filled.push_back(block);
                block = self.take_free();
            }
        }
        self.held += length;
        Ok(block)
    }

    /// Takes the first block if it holds at most `limit` bytes.
    pub(super) fn pop(&mut self, limit: usize) -> Option<Block> {
        let first = self.filled.front()?;
        if first.unread.len() > limit {
            return None;
        }
        let block = self.filled.pop_front()?;
        self.held -= block.unread.len();
        Some(block)
    }

    /// Reads at most `limit` bytes of the first block, which holds more than that.
    pub(super) fn read_part(&mut self, limit: usize, each: &mut impl FnMut(&[u8])) -> usize {
        let Some(first) = self.filled.front_mut() else {
            return 0;
        };
        let count = limit.min(first.unread.len().saturating_sub(1));
        each(&first.unread()[..count]);
        first.skip(count);
        self.held -= count;
        count
    }

    /// An empty block.
    pub(super) fn take_free(&mut self) -> Block {
        self.free.pop().unwrap_or_default()
    }

    /// Keeps the memory of a block that was read.
    pub(super) fn give_back(&mut self, mut block: Block) {
        if self.free.len() < FREE_BLOCKS {
            block.unread = 0..0;
            self.free.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: &[u8]) -> Block {
        let mut block = Block::default();
        block.refill(bytes.len()).unwrap().copy_from_slice(bytes);
        block
    }

    #[test]
    fn bytes_come_out_in_order_however_they_were_cut() {
        let sent: Vec<u8> = (0..300_000).map(|at: u32| (at % 251) as u8).collect();
        for (pushed, pulled) in [
            (1, 7),
            (16, 16),
            (40_000, 65_536),
            (65_536, 10),
            (999, 100_000),
        ] {
            let mut blocks = Blocks::default();
            for piece in sent.chunks(pushed) {
                blocks.push(block(piece)).unwrap();
            }
            assert_eq!(blocks.held(), sent.len());
            let mut received = Vec::new();
            while blocks.held() > 0 {
                if let Some(block) = blocks.pop(pulled) {
                    received.extend_from_slice(block.unread());
                    blocks.give_back(block);
                } else {
                    let mut append = |bytes: &[u8]| received.extend_from_slice(bytes);
                    assert_eq!(blocks.read_part(pulled, &mut append), pulled);
                }
            }
            assert!(received == sent, "pushed by {pushed}, pulled by {pulled}");
            assert!(blocks.pop(usize::MAX).is_none());
        }
    }

    #[test]
    fn single_bytes_take_no_block_each() {
        let mut blocks = Blocks::default();
        let mut one = Block::default();
        for _ in 0..3 * BLOCK_BYTES {
            one.refill(1).unwrap()[0] = 7;
            one = blocks.push(one).unwrap();
        }
        assert_eq!(blocks.held(), 3 * BLOCK_BYTES);
        assert_eq!(blocks.filled.len(), 3);
    }

    #[test]
    fn few_blocks_are_kept() {
        let mut blocks = Blocks::default();
        for _ in 0..20 {
            blocks.push(block(&vec![1; BLOCK_BYTES])).unwrap();
        }
        while let Some(block) = blocks.pop(usize::MAX) {
            blocks.give_back(block);
        }
        assert_eq!((blocks.held(), blocks.free.len()), (0, FREE_BLOCKS));
        let unused = blocks.push(block(&vec![1; BLOCK_BYTES])).unwrap();
        assert!(unused.unread().is_empty(), "what was read comes back");
    }
}
