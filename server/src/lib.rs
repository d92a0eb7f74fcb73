//! The host process: its phases, control connection, output, and the commands of its program.
//!
//! `main` parses the command line and calls [`process`] (one session of a client), [`serve`],
//! [`audit`] or [`doctor`]. The session itself is `hostd-session`.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
mod confine;
pub mod control;
mod denials;
pub mod doctor;
mod hooks;
pub mod logs;
pub mod process;
pub mod serve;
