//! Starts `napi-hostd` processes, talks to them over lanes, notices at once when one dies and
//! starts the next. Knows no Python: a Rust program can use it.
//!
//! A [`Client`] stands for one addon's host, whichever process that is at the moment. A thread
//! that wants to say something leases a [`Conversation`]; if no host runs, that starts one. All
//! hosts of the process are spawned and watched by one thread, which lives as long as the process:
//! the signal that ends a host with its parent follows the thread that spawned it.
//!
//! Between leasing a conversation and its reply, nothing here takes a lock, allocates or enters
//! the kernel, unless a thread has to wait.
#![forbid(unsafe_code)]

mod attest;
mod bounds;
mod cache;
mod client;
mod conversation;
mod cord;
mod crash;
mod door;
mod error;
mod folder;
mod fork;
mod host;
mod launch;
mod ledger;
mod memory;
mod options;
mod output;
mod reap;
mod remove;
mod report;
mod scratch;
mod session;
mod supervise;
mod tree;
mod watchdog;

pub use bounds::Limit;
pub use cache::clear_cache;
pub use client::{Client, ClientStats, Closing};
pub use conversation::Conversation;
pub use cord::Cord;
pub use error::{ClientError, SpawnError};
pub use fork::forked;
pub use hostd_protocol::carrier::{Idle, Interrupted, Patient, Rest};
pub use options::{Carrier, Events, HostOptions, OnStart, RestartMode, Stream};
pub use report::{ExitReport, Frame, Usage};
