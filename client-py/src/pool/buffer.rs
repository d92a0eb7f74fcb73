//! `PoolBuffer`: bytes of a pool as a Python object with the buffer protocol.
#![expect(unsafe_code, reason = "the functions that Python exports a buffer by")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hostd_client::lock;
use hostd_client::pool::PoolReference;
use pyo3::exceptions::{PyBufferError, PyImportError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyTuple};

use super::errors::{pool_error, released};
use super::export::Exporter;
use super::guard::PoolGuard;
use super::handle::{Handle, check_exports};
use super::layout::{Element, Layout, shape};
use super::open::BufferPool;
use super::source;
use crate::call::method;
use crate::errors::raised;
use crate::exporter::Exported;
use crate::fallible;
use crate::foreign::dlpack::{self, Wish};

/// Bytes of a pool: a writable buffer that other Python processes of this user can use at the same time,
/// compatible with numpy. Pickled, it is the same memory in another process.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct PoolBuffer {
    pool: Py<BufferPool>,
    /// None once this object was released.
    handle: Mutex<Option<Arc<Handle>>>,
    /// How many views of other objects were made of this one.
    exports: AtomicUsize,
    layout: Layout,
    is_readonly: bool,
}

impl PoolBuffer {
    /// A buffer with a layout that was made for the bytes of its reference, or checked against them.
    pub(crate) fn new(
        pool: Py<BufferPool>,
        reference: PoolReference,
        layout: Layout,
        is_readonly: bool,
    ) -> Self {
        Self {
            pool,
            handle: Mutex::new(Some(Arc::new(Handle::new(reference)))),
            exports: AtomicUsize::new(0),
            layout,
            is_readonly,
        }
    }

    fn handle(&self) -> PyResult<Arc<Handle>> {
        lock(&self.handle).clone().ok_or_else(released)
    }

    pub(crate) fn reference(&self) -> PyResult<Arc<PoolReference>> {
        self.handle()?.reference()
    }

    /// Another view of the same buffer.
    fn view(&self, py: Python<'_>, layout: Layout, is_readonly: bool) -> PyResult<Self> {
        let handle = self.handle()?;
        handle.reference()?;
        Ok(Self {
            pool: self.pool.clone_ref(py),
            handle: Mutex::new(Some(handle)),
            exports: AtomicUsize::new(0),
            layout,
            is_readonly,
        })
    }

    /// One element as an array of one, which Python's memoryview reads and writes.
    fn one<'py>(&self, py: Python<'py>, mut layout: Layout) -> PyResult<Bound<'py, PyAny>> {
        layout.shape.push(1);
        layout.strides.push(layout.element.size.cast_signed());
        let one = Bound::new(py, self.view(py, layout, self.is_readonly)?)?;
        Ok(PyMemoryView::from(one.as_any())?.into_any())
    }

    fn tuple<'py>(py: Python<'py>, numbers: &[isize]) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, numbers)
    }
}

#[pymethods]
impl PoolBuffer {
    /// How many bytes its elements have.
    #[getter]
    fn nbytes(&self) -> usize {
        self.layout.bytes()
    }

    /// How many elements there are in each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        Self::tuple(py, &self.layout.shape)
    }

    /// How many bytes lie between two elements of each dimension.
    #[getter]
    fn strides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        Self::tuple(py, &self.layout.strides)
    }

    /// How many dimensions there are.
    #[getter]
    fn ndim(&self) -> usize {
        self.layout.shape.len()
    }

    /// How many bytes an element has.
    #[getter]
    fn itemsize(&self) -> usize {
        self.layout.element.size
    }

    /// The element type, by numpy's name.
    #[getter]
    fn dtype(&self) -> String {
        self.layout.element.name()
    }

    /// The element type, as the struct module writes it.
    #[getter]
    fn format(&self) -> String {
        self.layout.element.format.to_string_lossy().into_owned()
    }

    /// Whether it refuses to be written to.
    #[getter]
    fn readonly(&self) -> bool {
        self.is_readonly
    }

    /// Whether it was released or forgotten.
    #[getter]
    fn released(&self) -> bool {
        self.reference().is_err()
    }

    /// The pool that it belongs to.
    #[getter]
    fn pool(&self, py: Python<'_>) -> Py<BufferPool> {
        self.pool.clone_ref(py)
    }

    /// How many references there are to the memory, over all processes. Slices share one.
    #[getter]
    fn refcount(&self, py: Python<'_>) -> PyResult<u64> {
        let reference = self.reference()?;
        py.detach(|| reference.count()).map_err(pool_error)
    }

    /// Releases this object, as `memoryview.release` does: it cannot be used any more. The memory is free
    /// when all objects and processes that refer to it have released it.
    ///
    /// Raises `BufferError` while memoryviews or arrays of this object exist.
    fn release(&self) -> PyResult<()> {
        let mut handle = lock(&self.handle);
        check_exports(self.exports.load(Ordering::Relaxed))?;
        let found = handle.take();
        drop(handle);
        drop(found);
        Ok(())
    }

    /// Drops the reference to the memory now, and releases all objects that share it: this one, what it
    /// was cut from, and what was cut from that. Other processes keep theirs.
    ///
    /// Raises `BufferError` while memoryviews or arrays of one of them exist.
    fn forget(&self) -> PyResult<()> {
        let handle = lock(&self.handle).clone();
        match handle {
            Some(handle) => handle.forget(),
            None => Ok(()),
        }
    }

    /// Returns a context manager that gives a read-only memoryview. Meanwhile no guard that writes is
    /// entered, in any process; until then it waits for up to `timeout` seconds, None means no limit.
    #[pyo3(signature = (*, timeout=Some(0.0)), text_signature = "($self, *, timeout=0.0)")]
    fn read(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<PoolGuard> {
        let view = Bound::new(py, self.view(py, self.layout.clone(), true)?)?;
        PoolGuard::new(view.into_any(), self.reference()?, false, timeout)
    }

    /// Returns a context manager that gives a writable memoryview. Meanwhile no other guard is entered, in
    /// any process; until then it waits for up to `timeout` seconds, None means no limit.
    #[pyo3(signature = (*, timeout=Some(0.0)), text_signature = "($self, *, timeout=0.0)")]
    fn write(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<PoolGuard> {
        if self.is_readonly {
            return Err(raised::<PyTypeError>(
                "the pool buffer is read-only; use the buffer that toreadonly() was called on",
            ));
        }
        let view = Bound::new(py, self.view(py, self.layout.clone(), false)?)?;
        PoolGuard::new(view.into_any(), self.reference()?, true, timeout)
    }

    /// The same memory, read-only.
    fn toreadonly(&self, py: Python<'_>) -> PyResult<Self> {
        self.view(py, self.layout.clone(), true)
    }

    /// The same bytes with another element type and shape.
    #[pyo3(signature = (dtype, shape=None))]
    fn cast(
        &self,
        py: Python<'_>,
        dtype: &Bound<'_, PyAny>,
        shape: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let shape = shape.map(self::shape).transpose()?;
        let layout = self.layout.cast(Element::of(dtype)?, shape)?;
        self.view(py, layout, self.is_readonly)
    }

    /// A numpy array of the same memory.
    fn numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().reference()?;
        let function = fallible::import(py, "numpy", "asarray").map_err(|error| {
            if error.is_instance_of::<PyImportError>(py) {
                raised::<PyImportError>(
                    "numpy() needs numpy; install it, or use memoryview(buffer)",
                )
            } else {
                error
            }
        })?;
        crate::call::call(&function, (slf,))
    }

    /// The bytes of its elements in C order.
    fn tobytes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyBytes>> {
        let py = slf.py();
        let view = Exported::of(slf.as_any(), ffi::PyBUF_FULL_RO)?;
        let length = view.length();
        // Another thread can see the bytes while they are copied, but none has a reference to them.
        PyBytes::new_with(py, length, |target| view.copy_to(py, target.as_mut_ptr()))
    }

    fn __bytes__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyBytes>> {
        Self::tobytes(slf)
    }

    /// Its elements as lists of numbers.
    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let view = PyMemoryView::from(slf.as_any())?;
        method(view.as_any(), intern!(slf.py(), "tolist"), ())
    }

    /// The bytes in hexadecimal, as of `bytes.hex`.
    #[pyo3(signature = (sep=None, bytes_per_sep=1))]
    fn hex<'py>(
        slf: &Bound<'py, Self>,
        sep: Option<&Bound<'py, PyAny>>,
        bytes_per_sep: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = Self::tobytes(slf)?;
        let name = intern!(slf.py(), "hex");
        match sep {
            None => method(bytes.as_any(), name, ()),
            Some(sep) => method(bytes.as_any(), name, (sep, bytes_per_sep)),
        }
    }

    /// The bytes as text, as of `bytes.decode`.
    #[pyo3(signature = (encoding="utf-8", errors="strict"))]
    fn decode<'py>(
        slf: &Bound<'py, Self>,
        encoding: &str,
        errors: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = Self::tobytes(slf)?;
        let name = intern!(slf.py(), "decode");
        method(bytes.as_any(), name, (encoding, errors))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.reference()?;
        let first = self.layout.shape.first();
        first
            .map(|extent| extent.unsigned_abs())
            .ok_or_else(|| raised::<PyTypeError>("a pool buffer without dimensions has no length"))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let layout = self.layout.select(key)?;
        if layout.shape.is_empty() {
            return self.one(py, layout)?.get_item(0);
        }
        Ok(Bound::new(py, self.view(py, layout, self.is_readonly)?)?.into_any())
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = key.py();
        let layout = self.layout.select(key)?;
        if self.is_readonly {
            return Err(raised::<PyTypeError>(
                "cannot write to a read-only pool buffer",
            ));
        }
        if layout.shape.is_empty() {
            return self.one(py, layout)?.set_item(0, value);
        }
        let target = Bound::new(py, self.view(py, layout, false)?)?;
        source::assign(target.as_any(), value)
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        if this.layout.shape.len() == 1 {
            return Ok(PyMemoryView::from(slf.as_any())?.try_iter()?.into_any());
        }
        let items = PyList::empty(py);
        for at in 0..this.__len__()? {
            items.append(this.__getitem__(&at.into_pyobject(py)?.into_any())?)?;
        }
        Ok(items.try_iter()?.into_any())
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if slf.is(other) {
            return Ok(true.into_pyobject(py)?.to_owned().into_any().unbind());
        }
        slf.get().reference()?;
        let Ok(other) = PyMemoryView::from(other) else {
            return Ok(py.NotImplemented());
        };
        let same = PyMemoryView::from(slf.as_any())?.eq(other)?;
        Ok(same.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self) -> String {
        let state = if self.reference().is_err() {
            " (released)"
        } else if self.is_readonly {
            " (read-only)"
        } else {
            ""
        };
        let shape = &self.layout.shape;
        format!(
            "<PoolBuffer {} {shape:?}{state}>",
            self.layout.element.name()
        )
    }

    /// Returns a DLPack capsule of the memory, read-only if the buffer is, or of a copy in C order.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.get().reference()?;
        let element = &slf.get().layout.element;
        let known = element.known().ok_or_else(|| {
            raised::<PyBufferError>(format!(
                "cannot export elements of the format {:?}: DLPack has no such type; use \
                 memoryview(buffer)",
                element.format
            ))
        })?;
        let wish = Wish {
            max_version,
            dl_device,
            copy,
        };
        dlpack::of_host(slf.as_any(), known.dlpack, stream, &wish)
    }

    #[staticmethod]
    fn __dlpack_device__() -> (i32, i32) {
        (dlpack::HOST.kind, dlpack::HOST.number)
    }

    /// The same memory in another process, which it is referred to in from then on.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let this = slf.get();
        let reference = this.reference()?;
        let address = reference.pool().address();
        let (node, generation) = reference.key();
        let arguments = (
            (
                address.pid,
                address.control,
                address.data,
                address.id[0],
                address.id[1],
            ),
            (node, generation, reference.bytes().len()),
            this.layout.element.format.to_bytes(),
            this.layout.element.size,
            Self::tuple(py, &this.layout.shape)?,
            Self::tuple(py, &this.layout.strides)?,
            this.layout.offset,
            this.is_readonly,
        );
        let function = fallible::import(py, "napi_python._native", "_pool_buffer_at")?;
        (function, arguments).into_pyobject(py)
    }

    /// A copy in the same pool.
    fn __deepcopy__<'py>(
        slf: &Bound<'py, Self>,
        _memo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pool = slf.get().pool.bind(slf.py()).as_any().clone();
        method(&pool, intern!(slf.py(), "copy"), (slf,))
    }

    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let handle = this.handle()?;
        let exporter = Exporter {
            owner: slf.as_any(),
            handle: &handle,
            layout: &this.layout,
            is_readonly: this.is_readonly,
        };
        // SAFETY: Python passes a view to be filled. The layout is in `slf`, which is frozen.
        unsafe { exporter.fill(view, flags)? };
        this.exports.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
        // A buffer with exports is not released, so the handle is there.
        if let Some(handle) = lock(&self.handle).as_ref() {
            handle.end_export();
        }
    }
}
