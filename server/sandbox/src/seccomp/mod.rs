//! The filter for system calls: a table of rules, the program that carries it out, and a reading of
//! that program that tests compare with a table in the repository.
//!
//! What the kernel may not be asked at all answers EPERM, what nobody knows ENOSYS (the C library
//! falls back on what it does know), and calls by a foreign table of numbers are sent to a handler that nobody may replace: it writes
//! them down and ends the process.

mod emit;
mod evaluate;
mod install;
mod loaded;
mod numbers;
mod rules;

pub use emit::{Instruction, emit, emit_over, emit_with_gate};
pub use evaluate::{Answer, Call, evaluate};
pub use install::{install, install_everywhere};
pub use loaded::after_loading;
pub use rules::{Allowed, Clause, Half, Paths, Rule, Test, Verdict, answer, table};
pub(crate) use rules::{blocks_signals, ends_process};
pub use rules::{name_of, path_of};
