//! What another process needs to open a CUDA buffer.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};

use crate::errors;
use crate::fallible::{self, Arguments as _};
use crate::foreign::driver::IPC_HANDLE_BYTES;

/// Names a CUDA buffer for other processes of this user, which open it by `CudaBuffer.open()`.
///
/// It can be pickled. `handle` is the driver's IPC handle of the allocation, in which the buffer's
/// `size` bytes begin at `offset`; `device` is the number of the device in the process that made it.
#[pyclass(frozen, eq, hash, module = "napi_python")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct CudaHandle {
    pub(super) handle: [u8; IPC_HANDLE_BYTES],
    #[pyo3(get)]
    pub(super) size: u64,
    #[pyo3(get)]
    pub(super) device: i32,
    #[pyo3(get)]
    pub(super) offset: u64,
}

#[pymethods]
impl CudaHandle {
    #[new]
    #[pyo3(signature = (handle, size, device, offset=0))]
    fn new(handle: &[u8], size: u64, device: i32, offset: u64) -> PyResult<Self> {
        let Ok(handle) = handle.try_into() else {
            return Err(errors::raised::<PyValueError>(format!(
                "handle must be {IPC_HANDLE_BYTES} bytes, got {}",
                handle.len()
            )));
        };
        Ok(Self {
            handle,
            size,
            device,
            offset,
        })
    }

    #[getter]
    fn handle<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        fallible::bytes(py, &self.handle)
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let (py, this) = (slf.py(), slf.get());
        let handle = this.handle(py)?;
        let arguments = (handle, this.size, this.device, this.offset).tuple(py)?;
        Ok((slf.get_type(), arguments))
    }

    fn __repr__(&self) -> String {
        let Self { size, device, .. } = self;
        format!("<CudaHandle of {size} bytes on device {device}>")
    }
}
