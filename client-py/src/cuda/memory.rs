//! One piece of device memory: freed, closed or kept for reuse when its last user lets it go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::runtime::{Kind, Runtime, runtime, usable};
use crate::errors;
use crate::fallible;
use crate::foreign::driver::{Allocation, DriverStatus, IPC_HANDLE_BYTES};

/// The error of a buffer that was released.
#[cold]
pub(super) fn released() -> PyErr {
    errors::raised::<PyValueError>(
        "the CudaBuffer cannot be used: it was released; acquire a new one",
    )
}

/// Device memory in use. It belongs to the runtime of the process that made it.
pub(super) struct Memory {
    device: i32,
    /// None once it was let go.
    allocation: Option<Allocation>,
    /// It is an allocation of another process.
    is_opened: bool,
    /// Another process may have opened it.
    is_shared: AtomicBool,
}

impl Memory {
    const fn new(device: i32, allocation: Allocation, is_opened: bool) -> Self {
        Self {
            device,
            allocation: Some(allocation),
            is_opened,
            is_shared: AtomicBool::new(false),
        }
    }

    /// Memory of a device, idle memory if there is some.
    pub(super) fn acquire(py: Python<'_>, kind: Kind) -> PyResult<Self> {
        match runtime(py)?.take_idle(kind) {
            Some(allocation) => Ok(Self::new(kind.device, allocation, false)),
            None => Self::allocate(py, kind),
        }
    }

    fn allocate(py: Python<'_>, kind: Kind) -> PyResult<Self> {
        let Kind { device, size } = kind;
        let what = || format!("cannot allocate {size} bytes on CUDA device {device}");
        let allocation = runtime(py)?.run(py, device, what, |context| context.allocate(size))?;
        Ok(Self::new(device, allocation, false))
    }

    /// Opens `size` bytes of memory of another process.
    pub(super) fn open(
        py: Python<'_>,
        kind: Kind,
        handle: [u8; IPC_HANDLE_BYTES],
    ) -> PyResult<Self> {
        let Kind { device, size } = kind;
        let what =
            || format!("cannot open {size} bytes of another process on CUDA device {device}");
        let allocation =
            runtime(py)?.run(py, device, what, |context| context.open(handle, size))?;
        Ok(Self::new(device, allocation, true))
    }

    /// Sees to it that `count` allocations are idle, and that so many are kept from now on.
    pub(super) fn preallocate(py: Python<'_>, kind: Kind, count: usize) -> PyResult<()> {
        let runtime = runtime(py)?;
        let mut fresh = Vec::new();
        // What was allocated is freed if an error ends the loop.
        while runtime.count_idle(kind) + fresh.len() < count {
            fallible::push(&mut fresh, Self::allocate(py, kind)?)?;
            py.check_signals()?;
        }
        let surplus = runtime.set_idle_max(kind, count)?;
        for mut memory in fresh {
            if let Some(allocation) = memory.allocation.take()
                && let Err(allocation) = runtime.keep(kind, allocation)
            {
                // Another thread has filled the list meanwhile.
                memory.allocation = Some(allocation);
            }
        }
        if surplus.is_empty() {
            return Ok(());
        }
        let freed = py.detach(|| {
            runtime.within(kind.device, |context| {
                surplus
                    .into_iter()
                    .map(|allocation| context.free(allocation))
                    .fold(Ok(()), Result::and)
            })
        });
        freed.map_err(|status| runtime.error("cannot free preallocated buffers", status))
    }

    pub(super) const fn device(&self) -> i32 {
        self.device
    }

    /// The allocation, with the runtime that it belongs to. Raises in a forked child.
    pub(super) fn get(&self, py: Python<'_>) -> PyResult<(&'static Runtime, &Allocation)> {
        let allocation = self.allocation.as_ref().ok_or_else(released)?;
        Ok((runtime(py)?, allocation))
    }

    /// The handle by which another process opens it. From then on it is not reused for other buffers.
    pub(super) fn export(&self, py: Python<'_>) -> PyResult<[u8; IPC_HANDLE_BYTES]> {
        let (runtime, allocation) = self.get(py)?;
        let what = || "cannot make an IPC handle".to_owned();
        self.is_shared.store(true, Ordering::Release);
        runtime.run(py, self.device, what, |context| context.export(allocation))
    }

    /// Lets the memory go, and says what the driver answered. The caller does not hold the
    /// interpreter: freeing waits for the device.
    pub(super) fn release(mut self) -> Result<(), DriverStatus> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<(), DriverStatus> {
        // In a forked child the memory is the parent's.
        let (Some(allocation), Some(runtime)) = (self.allocation.take(), usable()) else {
            return Ok(());
        };
        if self.is_opened {
            return runtime.within(self.device, |context| context.close(allocation));
        }
        let kind = Kind {
            device: self.device,
            size: allocation.size(),
        };
        let is_kept = !*self.is_shared.get_mut() && runtime.keeps_another(kind);
        runtime.within(self.device, |context| {
            if !is_kept {
                return context.free(allocation);
            }
            // Its next user must not meet work that the last one has queued.
            if let Err(status) = context.synchronize() {
                return context.free(allocation).and(Err(status));
            }
            match runtime.keep(kind, allocation) {
                Ok(()) => Ok(()),
                Err(allocation) => context.free(allocation),
            }
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // An error is that of earlier work on the device, or the process is exiting.
        let _ = self.let_go();
    }
}

/// Keeps memory for Python code. The last one lets it go without the interpreter, since freeing waits
/// for the device, and what runs there may wait for Python.
#[derive(Clone)]
pub(super) struct Hold(Option<Arc<Memory>>);

impl Hold {
    pub(super) fn new(memory: Memory) -> Self {
        Self(Some(Arc::new(memory)))
    }

    pub(super) fn get(&self) -> PyResult<&Memory> {
        self.0.as_deref().ok_or_else(released)
    }

    /// What keeps the memory without Python.
    pub(super) fn share(&self) -> Option<Arc<Memory>> {
        self.0.clone()
    }

    /// The memory, if nothing else keeps it.
    pub(super) fn into_last(mut self) -> Option<Memory> {
        Arc::into_inner(self.0.take()?)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut last = self.0.take().and_then(Arc::into_inner);
        if last.is_some() {
            // At the end of the interpreter it is dropped below.
            Python::try_attach(|py| py.detach(|| drop(last.take())));
        }
    }
}
