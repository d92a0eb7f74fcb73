//! Interfaces in C: the CUDA driver API, DLPack, and the library for sessions in this process.

pub(crate) mod dlpack;
pub(crate) mod driver;
pub(crate) mod library;
