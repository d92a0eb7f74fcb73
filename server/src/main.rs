//! The host process.
#![forbid(unsafe_code)]
fn main() {}
