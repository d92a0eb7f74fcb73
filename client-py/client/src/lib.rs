//! Starts `napi-hostd` processes, exchanges frames with them, detects their exit and starts the next.
//! Does not depend on Python: a Rust program can use it.
//!
//! A [`Client`] is the handle of one addon's host, whichever process that is at the moment. A thread
//! leases a [`Conversation`] to make a call; if no host runs, that starts one. One thread spawns and
//! watches all hosts (`supervise`). It never ends, because the parent-death signal of a host is bound to
//! the thread that spawned it.
//!
//! From the lease of a conversation to its reply, nothing here takes a lock, allocates or makes a system
//! call, unless the thread has to wait.
#![forbid(unsafe_code)]

#[cfg(not(target_arch = "x86_64"))]
compile_error!("hosts run on x86-64 only: see docs/sandbox.md");

mod attach;
mod attest;
mod background;
mod bulk;
mod cache;
mod caller_thread;
mod cause;
mod classify;
mod client;
mod conversation;
mod copy;
mod core_file;
mod crash;
mod crash_budget;
pub mod deadline;
mod describe;
mod error;
mod events;
pub mod flood;
mod folder;
mod fork;
mod greeting;
mod in_process;
mod instance;
pub mod jobs;
mod kernel;
mod launch;
mod library;
mod limits;
mod loop_signal;
mod memory;
mod options;
mod output;
mod poller;
pub mod pool;
mod posix_session;
mod reap;
pub mod record;
mod recording;
mod remove;
pub mod replay;
mod report;
mod runner;
mod scratch;
mod supervise;
mod turn_scheduler;
mod wake_pipe;
mod watchdog;
mod watched;

pub use background::start_thread;
pub use bulk::{HostBytes, LentMemory};
pub use cache::clear_cache;
pub use cause::{Cause, Kill};
pub use client::{Client, Closing, forked};
pub use conversation::{Conversation, HostRef, Incoming};
pub use error::{ClientError, SpawnError};
pub use events::{HostEvents, OutputStream, SpawnThread};
pub use hostd_protocol::carrier::{Idle, Interrupted, ParkedWait, Uninterruptible};
pub use kernel::{KernelTooOld, check_kernel};
pub use library::{Resumed, SessionEnd, SessionLibrary, SharedSession, WaitLimit, WakeTarget};
pub use limits::SandboxLimit;
pub use loop_signal::{LoopSignal, PipeWatch};
pub use options::{Carrier, HostConfig, OnStart, RestartMode};
pub use poller::{Attention, end_polling, hand_over};
pub use report::{ExitReport, ForbiddenCall, LoadedFile, StackFrame, Usage};
pub use turn_scheduler::{TurnAction, TurnActions, TurnEvent, TurnScheduler};
pub use wake_pipe::WakePipe;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic of another holder leaves no state half-changed.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
