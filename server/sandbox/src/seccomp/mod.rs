//! The system-call filter: a table of rules, the BPF program made from it, and an interpreter of
//! that program, by which tests compare it with a table in the repository.
//!
//! Denied calls fail with EPERM, unknown ones with ENOSYS, for which the C library has fallbacks.
//! Calls by another architecture's numbers go to a handler that cannot be replaced: it records them
//! and ends the process.

mod emit;
mod evaluate;
mod install;
mod loaded;
mod rules;

pub use emit::{Instruction, emit, emit_over, emit_with_gate};
pub use evaluate::{Answer, Call, evaluate};
pub use install::{install, install_everywhere};
pub use loaded::after_loading;
pub use rules::{Allowed, Clause, Half, Paths, Rule, Test, Verdict, answer, table};
pub(crate) use rules::{blocks_signals, ends_process};
pub use rules::{name_of, path_of};
