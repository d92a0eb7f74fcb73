//! What the host does to its own process before it maps an addon: one function per step.
//!
//! The steps run while the process has one thread. The caller decides which steps run and in which
//! order; each error names the step that failed. Linux only.
//!
//! This crate is one of the islands where `unsafe` is allowed. Its invariants:
//!
//! - **C1** — a descriptor is closed by its number only if nothing in the process owns it.
//! - **C2** — steps that affect other threads take a [`SingleThreaded`] proof, so that no other
//!   thread can hold a descriptor, a signal handler or a mask that they change.
//! - **C3** — structures passed to the kernel or the C library are plain data, fully initialised,
//!   and outlive the call.
//! - **C4** — the crash page is mapped once, whole, shared and never unmapped, from a file of
//!   exactly [`crash::FILE_BYTES`] whose size the client has sealed. Both processes access it by
//!   atomic words, or at the offsets of [`crash::Layout`] within the lengths stated there.
//! - **C5** — code in a signal handler calls async-signal-safe functions only, allocates nothing,
//!   takes no lock and cannot panic.
//! - **C6** — what the kernel passes to a handler is valid until the handler returns.
//! - **C7** — a stack for the handler outlives its use. Other memory that the handler reads was
//!   found readable first; a fault there enters the handler again, which then ends the process.
//! - **C8** — a function exported under a name of the C library (`pthread_create`, `own_thread`,
//!   `denied`) keeps that function's contract, towards its caller and towards the C library.
//! - **C9** — only a host under diagnosis unwinds its stack in a handler. The unwinder takes no
//!   lock that the interrupted code of this thread can hold (system calls are made outside of the
//!   unwinder's own locks) and allocates nothing; images are never unloaded.

#![expect(
    unsafe_code,
    reason = "island 4: system calls without a safe wrapper; see the invariants above"
)]

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the host runs on x86-64 only: see docs/sandbox.md");

pub mod advice;
mod confine;
pub mod core_file;
pub mod crash;
pub mod denied;
mod descriptor;
pub mod diagnose;
mod error;
mod frames;
mod gate;
mod granted;
mod jail;
mod landlock;
mod limits;
mod namespaces;
mod next;
mod overridden;
mod own_thread;
pub mod policy;
mod process;
pub mod report;
mod rights;
pub mod seccomp;
mod selftest;
mod signal;
mod stack;
mod thread;
mod tighten;
mod trap;

pub use confine::confine;
pub use descriptor::{close_other_descriptors, take_control_socket};
pub use error::StepError;
pub use landlock::version as landlock_version;
pub use limits::files_within;
pub use overridden::OVERRIDDEN;
pub use process::{at_exit, die_with_parent, keep_freed_memory, own_session};
pub use report::ResourceLimits;
pub use signal::reset_signals;
pub use stack::stack_bytes;
pub use thread::{SingleThreaded, single_threaded};
pub use tighten::Tightening;
