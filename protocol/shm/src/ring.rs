//! One byte ring: the private ends of its producer and its consumer.
//!
//! Indices wrap at the end of `u32`; their difference is what the ring holds. Each end keeps its own
//! index in private memory and checks the peer's before it uses it.

use std::mem::MaybeUninit;

use crate::area::{Area, Bytes};
use crate::error::Violation;
use crate::lane::{Direction, LaneNumber, RING_CAPACITY};
use crate::layout::RingControl;
use crate::sync::{Acquire, Release};

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked in lane.rs to be at most 2^30"
)]
const CAPACITY: u32 = RING_CAPACITY as u32;

/// One end's view of a ring: the indices, the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingView<'a> {
    pub(crate) control: &'a RingControl,
    pub(crate) bytes: Bytes<'a>,
}

impl Area {
    /// The view of one ring of a lane.
    #[inline]
    pub(crate) fn ring(&self, lane: LaneNumber, direction: Direction) -> RingView<'_> {
        let control = self.lane(lane);
        let control = match direction {
            Direction::ToHost => &control.to_host,
            Direction::ToClient => &control.to_client,
        };
        RingView {
            control,
            bytes: self.bytes(lane, direction),
        }
    }
}

/// How far `ahead` is before `behind`, if that is possible.
#[inline]
fn distance(ahead: u32, behind: u32) -> Result<u32, Violation> {
    let claimed = ahead.wrapping_sub(behind);
    if claimed <= CAPACITY {
        Ok(claimed)
    } else {
        Err(Violation)
    }
}

/// The private side of the writer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Producer {
    tail: u32,
    /// The reader's index as last read and checked.
    head: u32,
}

impl Producer {
    /// How many bytes can be written now.
    #[inline]
    pub(crate) fn writable(&mut self, ring: RingView<'_>) -> Result<usize, Violation> {
        let read = ring.control.head.0.load(Acquire);
        let held = distance(self.tail, read)?;
        self.head = read;
        Ok((CAPACITY - held) as usize)
    }

    /// Writes what fits and returns how much that was.
    #[inline]
    pub(crate) fn write(&mut self, ring: RingView<'_>, source: &[u8]) -> Result<usize, Violation> {
        let mut room = (CAPACITY - self.tail.wrapping_sub(self.head)) as usize;
        if room < source.len() {
            room = self.writable(ring)?;
        }
        let (source, _) = source.split_at(room.min(source.len()));
        let written = ring.bytes.put(self.tail, source);
        self.tail = advanced(self.tail, written);
        ring.control.tail.0.store(self.tail, Release);
        Ok(written)
    }
}

/// The private side of the reader.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Consumer {
    head: u32,
    /// The writer's index as last read and checked.
    tail: u32,
    /// Bytes read since the writer was notified of space.
    unnotified: u32,
}

/// Bytes to be read before the writer is notified. It parks on a full ring only, so it is notified
/// before the ring is empty; and a conversation of short frames needs no fence for it.
const NOTIFY_BYTES: u32 = CAPACITY / 2;

impl Consumer {
    /// How many bytes can be read now.
    #[inline]
    pub(crate) fn readable(&mut self, ring: RingView<'_>) -> Result<usize, Violation> {
        let tail = ring.control.tail.0.load(Acquire);
        let held = distance(tail, self.head)?;
        self.tail = tail;
        if held == 0 {
            ring.bytes.prefetch(self.head);
        }
        Ok(held as usize)
    }

    /// Reads what is there, initialises that much of `target`, and returns how much it was.
    #[inline]
    pub(crate) fn read(
        &mut self,
        ring: RingView<'_>,
        target: &mut [MaybeUninit<u8>],
    ) -> Result<usize, Violation> {
        let mut held = self.tail.wrapping_sub(self.head) as usize;
        if held < target.len() {
            held = self.readable(ring)?;
        }
        let (target, _) = target.split_at_mut(held.min(target.len()));
        let read = ring.bytes.take(self.head, target);
        self.head = advanced(self.head, read);
        self.unnotified = advanced(self.unnotified, read);
        ring.control.head.0.store(self.head, Release);
        Ok(read)
    }

    /// Whether the writer has to be notified of space now; it counts as notified then.
    #[inline]
    pub(crate) fn take_unnotified(&mut self) -> bool {
        let is_notifying = self.unnotified >= NOTIFY_BYTES;
        if is_notifying {
            self.unnotified = 0;
        }
        is_notifying
    }
}

/// `index` after `count` more bytes, which never are more than the capacity.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most the capacity, which is a u32"
)]
fn advanced(index: u32, count: usize) -> u32 {
    index.wrapping_add(count as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::lane::{Interest, RING_CAPACITY};
    use crate::sync::Relaxed;
    use crate::{Segment, Violation};

    /// What a hostile peer can do: the control words of the first lane for calls.
    #[test]
    fn an_impossible_index_of_the_host_is_a_violation() {
        let (segment, _fd) = Segment::create().unwrap();
        let area = segment.area.clone();
        let client = segment.into_client();
        let mut lease = client.try_lease(None).unwrap();
        let index = lease.index();
        let tail = &area.lane(index).to_client.tail.0;
        tail.store(super::CAPACITY, Relaxed);
        assert_eq!(lease.readable(), Ok(RING_CAPACITY));
        tail.store(super::CAPACITY + 1, Relaxed);
        assert_eq!(lease.readable(), Err(Violation));
        // Backwards is too far forwards.
        tail.store(u32::MAX, Relaxed);
        assert_eq!(lease.readable(), Err(Violation));
        // More than was believed to be there before.
        assert_eq!(lease.read(&mut vec![0; RING_CAPACITY + 1]), Err(Violation));
        assert_eq!(lease.read_onto(&mut Vec::new(), 9), Err(Violation));
        let mut go_on = || std::ops::ControlFlow::Continue(());
        assert_eq!(lease.wait(Interest::Data, &mut go_on), Err(Violation));

        // The host claims to have read what was never written.
        let head = &area.lane(index).to_host.head.0;
        head.store(1, Relaxed);
        assert_eq!(lease.writable(), Err(Violation));
        assert_eq!(lease.wait(Interest::Space, &mut go_on), Err(Violation));
        assert_eq!(lease.write(&vec![0; RING_CAPACITY + 1]), Err(Violation));
    }

    #[test]
    fn an_impossible_index_of_the_client_is_a_violation() {
        let (segment, _fd) = Segment::create().unwrap();
        let area = segment.area.clone();
        let mut host = segment.into_host();
        let index = host.lanes[5].index();
        area.lane(index)
            .to_host
            .tail
            .0
            .store(super::CAPACITY + 7, Relaxed);
        area.header().host.0.ready.store(index.bit(), Relaxed);
        assert_eq!(host.waiter.wait(None), Err(Violation));
        assert_eq!(host.lanes[5].read(&mut [0; 8]), Err(Violation));
        area.lane(index).to_client.head.0.store(1, Relaxed);
        assert!(host.lanes[5].writable().is_err());
    }

    #[test]
    fn an_index_that_goes_back_within_reason_gives_garbage_at_most() {
        let (segment, _fd) = Segment::create().unwrap();
        let area = segment.area.clone();
        let mut lease = segment.into_client().try_lease(None).unwrap();
        let tail = &area.lane(lease.index()).to_client.tail.0;
        tail.store(10, Relaxed);
        assert_eq!(lease.readable(), Ok(10));
        tail.store(3, Relaxed);
        assert_eq!(lease.read(&mut [0; 20]), Ok(3));
        assert_eq!(lease.read(&mut [0; 20]), Ok(0));
    }

    #[test]
    fn indices_wrap_around_u32() {
        let (segment, _fd) = Segment::create().unwrap();
        let area = segment.area;
        let lane = crate::LaneNumber::new(1).unwrap();
        let near = u32::MAX - 99;
        let ring = area.ring(lane, crate::lane::Direction::ToHost);
        ring.control.head.0.store(near, Relaxed);
        ring.control.tail.0.store(near, Relaxed);
        let mut writer = super::Producer {
            tail: near,
            head: near,
        };
        let mut reader = super::Consumer {
            head: near,
            tail: near,
            unnotified: 0,
        };
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(RING_CAPACITY).collect();
        assert_eq!(writer.write(ring, &sent), Ok(RING_CAPACITY));
        assert_eq!(writer.writable(ring), Ok(0));
        let mut got = vec![0; RING_CAPACITY];
        assert_eq!(
            reader.read(ring, crate::uninit::as_uninit(&mut got)),
            Ok(RING_CAPACITY)
        );
        assert_eq!(got, sent);
        assert_eq!(writer.writable(ring), Ok(RING_CAPACITY));
    }
}
