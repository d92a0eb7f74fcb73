//! The host process: its phases, output, and the commands of its program.
//!
//! `main` parses the command line and calls [`process`] (one session of a client), [`serve`],
//! [`audit`], [`inspect`], [`locate`] or [`doctor`]. The session itself is `hostd-session`, its control connection
//! `hostd-control`.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
mod client_process;
mod confine;
mod denials;
pub mod doctor;
mod hooks;
pub mod inspect;
pub mod locate;
pub mod process;
pub mod serve;
