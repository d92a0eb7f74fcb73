//! CUDA device memory in Python. Nothing is loaded before it is used for the first time.

mod arguments;
mod buffer;
mod element;
mod handle;
mod memory;
mod runtime;

pub(crate) use buffer::{CudaBuffer, acquire_cuda, preallocate_cuda};
pub(crate) use handle::CudaHandle;
