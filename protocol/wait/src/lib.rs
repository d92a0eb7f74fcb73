//! How threads of the client and of the host wait before they park: spinning, yielding, and the CPUs
//! that the two sides run on.
//!
//! - [`AdaptiveSpin`] polls for a bounded time that shrinks while polling finds nothing.
//! - [`YieldBackoff`] yields the CPU between two polls, unless that costs whole time slices.
//! - [`Placement`] detects that client and host share a CPU, and migrates the JS thread.
//!
//! The lanes of `hostd-shm`, an event loop's wait for the host, and the thread pool of `hostd-napi`
//! use them. Every time and threshold is in [`constants`]; [`WaitSwitch`] turns one off for a
//! measurement. Parking itself (futexes, condition variables) stays with its users.

#![forbid(unsafe_code)]

pub mod constants;
mod placement;
mod spin;
mod switch;
mod yield_backoff;

pub use constants::SpinLimits;
pub use placement::{Placement, current_cpu};
pub use spin::AdaptiveSpin;
pub use switch::{VARIABLE, WaitSwitch};
pub use yield_backoff::YieldBackoff;
