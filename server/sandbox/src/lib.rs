//! What the host does to its own process before any addon is mapped: one function per step.
//!
//! The steps belong to the single-threaded beginning of `main`. They name no other crate of
//! ours, decide nothing by themselves (which steps run, and in which order, is the caller's
//! policy), and report what failed by name. Linux only.
//!
//! This crate is one of the islands where `unsafe` is allowed. Its invariants:
//!
//! - **C1** — a descriptor number becomes an owned descriptor at most once per process
//!   ([`adopt_descriptor`] keeps the list), and only while nothing else in the process can own it.
//! - **C2** — steps that would be felt by other threads take a [`SingleThreaded`] proof, so that
//!   no other thread can hold a descriptor, a signal handler or a mask that they change.
//! - **C3** — structures handed to the kernel are plain data, fully initialised, and outlive the
//!   call.
//! - **C4** — the crash page is mapped once, whole, shared and for good, from a file of exactly
//!   [`crash::FILE_BYTES`]; its size is sealed by the client. Both sides write and read it by
//!   atomic words, or behind the offsets of [`crash::Layout`], within the lengths stated there.
//! - **C5** — what runs in a signal handler calls only what may be called there, allocates
//!   nothing, takes no lock and cannot panic.
//! - **C6** — what the kernel passes to a handler is valid until the handler returns.
//! - **C7** — a stack for the handler outlives its use; other memory that the handler reads was
//!   found readable first, and a fault there is survived by the handler being entered again.
//! - **C9** — only a host that is diagnosed follows its stack in a handler: what is called there
//!   takes no lock that the interrupted code of this thread could hold (system calls are made
//!   outside of the unwinder's own locks) and allocates nothing; an image stays once it is loaded.
//! - **C8** — what is exported under a name of the C library's (`pthread_create`, `own_thread`,
//!   `denied`) keeps the contract of the C library's, on both of its sides.

#![expect(
    unsafe_code,
    reason = "island 4: system calls without a safe wrapper; see the invariants above"
)]

pub mod advice;
mod confine;
pub mod crash;
pub mod denied;
mod descriptor;
pub mod diagnose;
mod dump;
mod error;
mod frames;
mod gate;
mod granted;
mod heap;
mod jail;
mod landlock;
mod limits;
mod namespaces;
mod next;
mod overridden;
mod own_thread;
mod parent;
pub mod policy;
pub mod report;
mod rights;
pub mod seccomp;
mod selftest;
mod session;
mod signal;
mod stack;
mod thread;
mod tighten;
mod trap;

pub use confine::confine;
pub use descriptor::{adopt_descriptor, close_other_descriptors};
pub use dump::no_core_dumps;
pub use error::StepError;
pub use heap::keep_freed_memory;
pub use landlock::version as landlock_version;
pub use limits::Bounds;
pub use overridden::OVERRIDDEN;
pub use parent::die_with_parent;
pub use session::own_session;
pub use signal::reset_signals;
pub use stack::{MainStack, main_stack, stack_bytes};
pub use thread::{SingleThreaded, single_threaded};
pub use tighten::Tightening;
