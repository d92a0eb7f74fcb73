//! Shared-memory lanes between a client and its host process.
//!
//! A [`Segment`] is one sealed memfd, made by the client and opened by the host. It holds
//! [`LANES`] lanes; a lane is a pair of single-producer single-consumer byte rings with the words
//! that put its two ends to sleep and wake them. The client works through [`Client`], which leases
//! a [`ClientLane`] to one thread at a time; the host's JS thread works through [`Host`], which has
//! all [`HostLane`]s and one [`HostWaiter`] for the lot.
//!
//! This crate moves bytes. It knows neither frames nor messages.
//!
//! # Writing, reading, notifying
//!
//! `write` and `read` never block: they move what fits and return how much. They also wake nobody:
//! what they owe the other end is paid by `notify`, and by every wait before it waits. So a
//! request followed by a wait for the reply costs one fence, and a thread can't go to sleep on an
//! unpaid debt. Whoever writes and then does something else than wait calls `notify`.
//!
//! # Sleeping
//!
//! The sleeper announces itself (`sleeping`), looks at its rings once more, and sleeps on the wake
//! word as it was before. The waker writes its ring, passes a sequentially consistent fence, and
//! where it finds the announcement it bumps the word and wakes. Both ends spin for a short time
//! before they sleep, unless there is one CPU only or it has not paid of late. `tests/loom.rs`
//! checks the protocol by model checking, with and without deliberate faults.
//!
//! # Invariants of this unsafe island
//!
//! 1. **Mapping.** An `Area` points to a live, page-aligned, readable and writable
//!    mapping of exactly `SEGMENT_LEN` bytes until it is dropped, and whoever uses the mapping
//!    holds the area. The object behind it is a memfd sealed against shrinking and growing, so no
//!    peer can make an access fault.
//! 2. **Control words.** The header and the lane controls consist of atomics only, are valid for
//!    every bit pattern, and lie inside the mapping at addresses aligned for them (checked in
//!    `layout.rs` at compile time). So shared references to them may be formed, whatever a peer
//!    writes at the same time.
//! 3. **Ring bytes.** No reference to ring bytes is ever formed; they are copied through raw
//!    pointers, at offsets masked to the ring, between the ring and memory that is private.
//!    Private copies are all that is ever looked at, and the compiler is kept from reading the
//!    ring again in place of the copy. A peer that breaks the index protocol can spoil the bytes
//!    it sends, nothing else.
//! 4. **Exclusive lanes.** The private end of a lane is reached through its [`Lease`] only, and the
//!    free list hands an index out to one lease at a time; only the lease's drop gives it back.

mod area;
mod bell;
mod client;
mod cord;
mod error;
mod host;
mod layout;
mod lease;
mod ready;
mod ring;
mod seat;
mod segment;
mod spin;
mod sync;
mod top;
mod turn;
mod uninit;

pub use client::{Client, ClientLane, LaneHandle, Lease, Verdict, Waited};
pub use cord::{ClientCord, HostCord, Lookout};
pub use error::{SegmentError, Stopped, Violation};
pub use host::{CancelFlag, Host, HostLane, HostWait, HostWaiter, HostWaker, Ready};
pub use layout::{
    HOME_LANE, Interest, LANES, LaneIndex, RING_CAPACITY, SEGMENT_LEN, SLICE, SPIN_TIME,
};
pub use ready::ReadyBitmap;
pub use segment::Segment;
pub use top::{ClientTop, HostTop, Top, TopState};
pub use turn::{TurnClaim, TurnOwner};

#[cfg(loom)]
pub use sync::{Fault, with_fault};
