//! The native functions under the scripts of the globals.

pub(crate) mod binding;
pub(crate) mod builtins;
pub(crate) mod bytes;
mod crypto;
mod encoding;
pub(crate) mod environment;
mod fs;
mod os;
mod script;
mod string_decoder;
mod subprocess;
pub(crate) mod text;
pub(crate) mod timers;
mod url;
mod uv;
mod value;
mod zlib;

#[cfg(test)]
pub(crate) use fs::operations as fs_operations;
