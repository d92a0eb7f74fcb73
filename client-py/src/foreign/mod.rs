//! Interfaces in C that others define: the CUDA driver API and DLPack.

pub(crate) mod dlpack;
pub(crate) mod driver;
