//! The system-call filter: a table of rules, and the BPF program made from it.
//!
//! Denied calls fail with EPERM, unknown ones with ENOSYS, for which the C library has fallbacks.
//! Calls by another architecture's numbers go to a handler that cannot be replaced: it records them
//! and ends the process.

mod calls;
mod emit;
mod install;
mod loaded;
mod paths;
mod rule;
mod rules;

pub use calls::name_of;
pub(crate) use calls::{blocks_signals, ends_process};
pub use emit::{emit, emit_over, emit_with_gate};
pub use install::{install, install_everywhere};
pub use loaded::after_loading;
pub use paths::{Paths, path_of};
pub use rule::{Clause, Half, Rule, Test, Verdict};
pub use rules::{Allowed, answer, table};
