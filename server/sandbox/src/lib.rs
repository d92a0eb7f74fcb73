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

#![expect(
    unsafe_code,
    reason = "island 4: system calls without a safe wrapper; see the invariants above"
)]

mod descriptor;
mod dump;
mod error;
mod parent;
mod session;
mod signal;
mod stack;
mod thread;

pub use descriptor::{adopt_descriptor, close_other_descriptors};
pub use dump::no_core_dumps;
pub use error::StepError;
pub use parent::die_with_parent;
pub use session::own_session;
pub use signal::reset_signals;
pub use stack::{MainStack, main_stack, stack_bytes};
pub use thread::{SingleThreaded, single_threaded};
