//! Shared-memory lanes between a client and its host process.
//!
//! A [`Segment`] is one sealed memfd, made by the client and opened by the host. It holds
//! [`LANES`] lanes; a lane is a pair of single-producer single-consumer byte rings with the words
//! on which its two ends park. The client works through [`SegmentClient`], which leases the
//! [`ClientRings`] of a lane to one thread at a time; the host's JS thread works through
//! [`SegmentHost`], which has the [`HostRings`] of all lanes and one [`HostWaiter`] for them.
//!
//! For bulk data there are memory files ([`SharedMemory`]) in which the process that owns a part
//! allocates blocks ([`Arena`]); what lies where travels in frames.
//!
//! This crate moves bytes; frames and messages are `hostd-protocol`'s. It takes a description of how
//! long to spin from `hostd-wait`.
//!
//! # Writing, reading, notifying
//!
//! `write` and `read` never block: they move what fits and return how much. They also wake no thread:
//! `notify` does, and every wait calls it first. So a request followed by a wait for the reply costs
//! one fence, and no thread parks before it has notified the other end. After the last write or read
//! that no wait follows, the caller calls `notify`.
//!
//! # Parking
//!
//! A thread that parks announces what it waits for, polls its rings once more, and waits on a futex
//! word as it was before. The other end writes its ring, passes a sequentially consistent fence, and
//! bumps and wakes the word if it finds an announcement. Both ends spin before they park, unless
//! there is one CPU only or spinning has not succeeded of late. A [`LaneWaiter`] parks on the words of
//! many hosts' home lanes in the same way. `tests/loom.rs` checks the protocol
//! by model checking, with and without deliberate faults.
//!
//! # Invariants of this unsafe island
//!
//! SAFETY comments cite them by letter.
//!
//! - **M, mapping.** An `Area` points to a live, page-aligned, readable and writable mapping of
//!   exactly `SEGMENT_LEN` bytes until it is dropped, and every user of the mapping holds the area.
//!   A `SealedMapping` points to a readable one of the length that it knows.
//!   The object behind it is a memfd sealed against shrinking and growing, so no peer can make an
//!   access fault.
//! - **W, control words.** The header and the lane controls consist of atomics only, are valid for
//!   every bit pattern, and lie inside the mapping at addresses aligned for them (checked in
//!   `layout.rs` at compile time). So shared references to them may be formed, whatever a peer
//!   writes at the same time.
//! - **R, ring bytes.** No reference to ring bytes is ever formed; they are copied through raw
//!   pointers, at offsets masked to the ring, between the ring and private memory. Only the private
//!   copy is read, and the compiler is kept from reading the ring again in its place. A peer that
//!   breaks the index protocol can corrupt the bytes it sends, nothing else.
//! - **S, shared bytes.** A `SharedBytes` holds its `SharedMemory` and lies inside of its mapping. No
//!   reference to its bytes is formed: they are copied through raw pointers, and the address is given
//!   out as a number. A peer may change them at any time; what is read is data, never trusted. A word
//!   of a `SharedMemory` is an aligned atomic inside of the mapping.
//! - **P, memory of this process.** A range of `SharedMemory::of_process` is memory of Python's, which the
//!   client keeps while it is lent, or of the engine's; the caller of that function answers for it.
//! - **L, exclusive lanes.** The private end of a lane is reached through its [`Lease`] only; the
//!   free list gives an index to one lease at a time, and only the lease's drop returns it.
//! - **K, structures of the kernel.** An ioctl is given an exclusive reference to the structure that
//!   its opcode names, of that size and valid for every bit pattern.
//! - **U, uninitialised memory.** A reader initialises as many bytes of its target as it returns, and
//!   never writes uninitialised bytes.

mod area;
#[cfg(not(loom))]
mod arena;
mod client;
mod error;
mod host;
mod lane;
mod layout;
mod lease;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod memory;
mod parker;
#[cfg(not(loom))]
mod pidfd;
#[cfg(not(loom))]
mod piece_hash;
mod ready;
mod ring;
mod segment;
mod streamed;
mod sync;
mod top;
mod turn;
mod uninit;
mod wake_pipe;

#[cfg(not(loom))]
pub use arena::{Arena, ArenaUsage, Block};
pub use client::{ClientRings, Lease, SegmentClient, Waited};
#[cfg(not(loom))]
pub use client::{LaneWaiter, LaneWaiterWaker, WAIT_LANES_MAX, can_wait_for_lanes};
pub use error::{SegmentError, Violation};
pub use host::{
    CancelWord, FutexWaker, HostRings, HostWait, HostWaiter, Ready, SegmentHost, Switch, WaitLimit,
};
pub use lane::{HOME_LANE, Interest, LANES, LaneNumber, RING_CAPACITY};
pub use layout::SEGMENT_LEN;
pub use lease::Leases;
#[cfg(not(loom))]
pub use mapping::SealedMapping;
#[cfg(not(loom))]
pub use memory::{PAGE, SharedBytes, SharedMemory};
#[cfg(not(loom))]
pub use pidfd::exit_status;
#[cfg(not(loom))]
pub use piece_hash::hash_piece;
pub use ready::ReadyBitmap;
pub use segment::Segment;
pub use top::{HostTop, Top, TopState};
pub use turn::{MaybeOwned, TurnClaim, TurnOwner};
pub use wake_pipe::{ClientPipeWord, HostPipeWord, IdleSpin};

#[cfg(loom)]
pub use sync::{Fault, with_fault};
