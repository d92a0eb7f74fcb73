//! The control connection of a session: its handshake, what the session is made from, its messages, and
//! the log. The program `napi-hostd` serves one session with it, the library for in-process use several.
#![forbid(unsafe_code)]

mod connection;
pub mod logs;
mod opening;

pub use connection::Running;
pub use opening::{Opened, Surroundings, handshake, open};
