//! Loads addons: reads the file first, opens it, finds its entry point, and runs it.
//!
//! What can be refused by reading is refused before the system's loader runs any code of the file.

mod elf;
mod error;
mod file;
mod libraries;
pub mod preflight;

pub use error::{LoadError, Platform};
