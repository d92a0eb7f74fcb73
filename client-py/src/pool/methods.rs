//! The methods of `BufferPool`, and what Python calls when a pool or buffer of another process is unpickled
//! and when this process forks or ends.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use hostd_client::pool::{self, POOL_LOCK_TIMEOUT, PoolAddress, PoolError, SharedPool};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::buffer::PoolBuffer;
use super::errors::{pool_error, released};
use super::layout::{Element, Layout, count, shape};
use super::open::BufferPool;
use super::source::Source;
use crate::call::call;
use crate::errors::raised;
use crate::fallible;

/// From this many bytes on an allocation runs without the interpreter.
const DETACHED_MIN: usize = 1 << 20;

/// Where a pool is found: process, control descriptor, data descriptor, id.
type Address = (u32, i32, i32, u64, u64);

fn address((pid, control, data, high, low): Address) -> PoolAddress {
    PoolAddress {
        pid,
        control,
        data,
        id: [high, low],
    }
}

/// Allocates a buffer with a layout.
fn allocate<'py>(
    pool: &Bound<'py, BufferPool>,
    layout: Layout,
    zero: bool,
) -> PyResult<Bound<'py, PoolBuffer>> {
    let py = pool.py();
    let shared = pool.get().shared()?;
    let length = layout.bytes();
    let wait = || shared.allocate(length, zero, POOL_LOCK_TIMEOUT);
    let made = if length < DETACHED_MIN {
        match shared.allocate(length, zero, Duration::ZERO) {
            Err(PoolError::Busy) => py.detach(wait),
            made => made,
        }
    } else {
        py.detach(wait)
    };
    let reference = made.map_err(pool_error)?;
    let buffer = PoolBuffer::new(pool.clone().unbind(), reference, layout, false);
    Bound::new(py, buffer)
}

fn element(dtype: Option<&Bound<'_, PyAny>>) -> PyResult<Element> {
    dtype.map_or_else(|| Ok(Element::bytes()), Element::of)
}

fn bytes(size: &Bound<'_, PyAny>) -> PyResult<Layout> {
    Layout::contiguous(Element::bytes(), &[count("size", size)?])
}

#[pymethods]
impl BufferPool {
    #[new]
    #[pyo3(signature = (size, *, name=None))]
    fn new_pool(py: Python<'_>, size: &Bound<'_, PyAny>, name: Option<&str>) -> PyResult<Self> {
        let parse = fallible::import(py, "napi_python._sizes", "size_of")?;
        let number = call(&parse, ("size", size))?;
        let size = number.extract::<u64>().map_err(|_| {
            raised::<PyValueError>(format!(
                "size must be from 1 to {} bytes, got {number}",
                pool::POOL_BYTES_MAX
            ))
        })?;
        let made = py.detach(|| SharedPool::create(size, name));
        Ok(Self::new(made.map_err(pool_error)?, true))
    }

    /// Opens the pool with this name, which a process of this user has made.
    ///
    /// Raises `FileNotFoundError` if there is none, or the process that made it has ended.
    #[staticmethod]
    #[pyo3(signature = (name, /))]
    fn open(py: Python<'_>, name: &str) -> PyResult<Self> {
        let opened = py.detach(|| SharedPool::open_named(name));
        Ok(Self::new(opened.map_err(pool_error)?, false))
    }

    /// Returns a buffer of this shape. Its contents are those of earlier buffers of the pool, or zeros.
    ///
    /// Raises `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (shape, dtype=None))]
    fn empty<'py>(
        slf: &Bound<'py, Self>,
        shape: &Bound<'py, PyAny>,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PoolBuffer>> {
        let layout = Layout::contiguous(element(dtype)?, &self::shape(shape)?)?;
        allocate(slf, layout, false)
    }

    /// Returns a buffer of this shape, filled with zeros.
    ///
    /// Raises `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (shape, dtype=None))]
    fn zeros<'py>(
        slf: &Bound<'py, Self>,
        shape: &Bound<'py, PyAny>,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PoolBuffer>> {
        let layout = Layout::contiguous(element(dtype)?, &self::shape(shape)?)?;
        allocate(slf, layout, true)
    }

    /// Returns a buffer of `size` zero bytes.
    ///
    /// Raises `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (size, /))]
    fn bytes<'py>(
        slf: &Bound<'py, Self>,
        size: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PoolBuffer>> {
        allocate(slf, bytes(size)?, true)
    }

    /// Returns a buffer of `size` bytes, a preallocated one if there is one of this size. Its contents are
    /// those of earlier buffers of the pool, or zeros.
    ///
    /// Raises `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (size, /))]
    fn acquire<'py>(
        slf: &Bound<'py, Self>,
        size: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PoolBuffer>> {
        allocate(slf, bytes(size)?, false)
    }

    /// Returns a buffer with the contents of another one, with its element type and shape, in C order.
    ///
    /// Raises `TypeError` if the object has no buffer, `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (buffer, /))]
    fn copy<'py>(
        slf: &Bound<'py, Self>,
        buffer: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PoolBuffer>> {
        let source = Source::of(buffer)?;
        let made = allocate(slf, source.layout()?, false)?;
        let reference = made.get().reference()?;
        source.copy_to(slf.py(), reference.bytes())?;
        Ok(made)
    }

    /// Has `count` buffers of `size` bytes exist, in use or not: later ones of this size are returned in
    /// constant time, without a search and without page faults in the system.
    ///
    /// Raises `MemoryError` if there is no room in the pool.
    #[pyo3(signature = (size, count))]
    fn preallocate(
        &self,
        py: Python<'_>,
        size: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let shared = self.shared()?;
        let size = self::count("size", size)?;
        let count = self::count("count", count)? as u64;
        py.detach(|| shared.preallocate(size, count))
            .map_err(pool_error)
    }

    /// Frees what is preallocated and not in use, and gives free memory back to the system.
    fn trim(&self, py: Python<'_>) -> PyResult<()> {
        let shared = self.shared()?;
        py.detach(|| shared.trim()).map_err(pool_error)
    }

    /// What the pool holds over all processes, in bytes, and how many buffers and processes there are.
    /// Buffers of processes that have ended are reclaimed first.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shared = self.shared()?;
        let stats = py.detach(|| shared.stats()).map_err(pool_error)?;
        let facts = fallible::Facts::new(py)?;
        facts.set("size", stats.size)?;
        facts.set("used", stats.used)?;
        facts.set("free", stats.free)?;
        facts.set("largest_free", stats.largest_free)?;
        facts.set("preallocated", stats.preallocated)?;
        facts.set("resident", stats.resident)?;
        facts.set("buffers", stats.buffers)?;
        facts.set("processes", stats.processes)?;
        facts.set("reclaimed", stats.reclaimed)?;
        Ok(facts.0)
    }

    /// Closes this object: it makes no more buffers, and the name that it gave to the pool is free. Buffers
    /// that exist stay valid, here and in other processes.
    fn close(&self) {
        self.end();
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    /// The size of the pool in bytes.
    #[getter]
    fn size(&self) -> PyResult<u64> {
        Ok(self.shared()?.size())
    }

    /// The name that this process has given to the pool, or None.
    #[getter]
    fn name(&self) -> PyResult<Option<String>> {
        Ok(self.shared()?.name())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (_kind=None, _error=None, _traceback=None))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) {
        self.end();
    }

    fn __eq__(&self, other: &Self) -> bool {
        match (self.shared(), other.shared()) {
            (Ok(own), Ok(other)) => own.id() == other.id(),
            _ => std::ptr::eq(self, other),
        }
    }

    fn __hash__(&self) -> PyResult<u64> {
        Ok(self.shared()?.id()[0])
    }

    fn __repr__(&self) -> String {
        match self.shared() {
            Err(_) => "<BufferPool (closed)>".to_owned(),
            Ok(shared) => {
                let name = shared.name();
                let name = name.map_or_else(String::new, |name| format!(" {name:?}"));
                format!("<BufferPool{name} of {} bytes>", shared.size())
            }
        }
    }

    /// The same pool in another process.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let PoolAddress {
            pid,
            control,
            data,
            id: [high, low],
        } = self.shared()?.address();
        let function = fallible::import(py, "napi_python._native", "_pool_at")?;
        (function, ((pid, control, data, high, low),)).into_pyobject(py)
    }
}

fn opened(py: Python<'_>, from: Address) -> PyResult<Arc<SharedPool>> {
    py.detach(|| SharedPool::open(&address(from)))
        .map_err(pool_error)
}

/// Opens a pool that another process has pickled.
#[pyfunction]
#[pyo3(signature = (address, /))]
pub(crate) fn _pool_at(py: Python<'_>, address: Address) -> PyResult<BufferPool> {
    Ok(BufferPool::new(opened(py, address)?, false))
}

/// Opens a buffer that another process has pickled.
#[pyfunction]
#[pyo3(signature = (address, key, element, itemsize, shape, strides, offset, readonly, /))]
#[expect(
    clippy::too_many_arguments,
    reason = "what a pickle holds, from one place"
)]
pub(crate) fn _pool_buffer_at<'py>(
    py: Python<'py>,
    address: Address,
    key: (usize, u64, usize),
    element: &[u8],
    itemsize: usize,
    shape: Vec<isize>,
    strides: Vec<isize>,
    offset: usize,
    readonly: bool,
) -> PyResult<Bound<'py, PoolBuffer>> {
    let shared = opened(py, address)?;
    let (node, generation, length) = key;
    let format = CString::new(element)?;
    let element = Element::of_format(&format, itemsize)?;
    let layout = Layout::checked(element, shape, strides, offset, length).ok_or_else(released)?;
    let reference = py
        .detach(|| shared.attach((node, generation), length))
        .map_err(pool_error)?;
    let pool = Py::new(py, BufferPool::new(shared, false))?;
    Bound::new(py, PoolBuffer::new(pool, reference, layout, readonly))
}

/// Before a fork.
#[pyfunction]
pub(crate) fn _pools_before_fork() {
    pool::pools_before_fork();
}

/// In the parent, after a fork.
#[pyfunction]
pub(crate) fn _pools_after_fork_in_parent() {
    pool::pools_after_fork_in_parent();
}

/// In a forked child.
#[pyfunction]
pub(crate) fn _pools_after_fork_in_child() {
    pool::pools_after_fork_in_child();
}

/// The interpreter ends: a name would outlive the process.
#[pyfunction]
pub(crate) fn _remove_pool_names() {
    pool::remove_pool_names();
}
