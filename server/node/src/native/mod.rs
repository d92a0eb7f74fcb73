//! The native functions under the scripts of the globals.

pub(crate) mod bytes;
mod encoding;
pub(crate) mod environment;
pub(crate) mod text;
pub(crate) mod timers;
