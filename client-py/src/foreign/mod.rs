//! Interfaces in C: the CUDA driver API, DLPack, the interpreter, and the library for sessions in this process.

pub(crate) mod dlpack;
pub(crate) mod driver;
pub(crate) mod interpreter;
pub(crate) mod library;
