//! `PoolBuffer`: bytes of a pool as a Python object with the buffer protocol, and copies into it.
//!
//! It has unsafe code, for the buffer protocol. Invariants:
//! P1. A `Handle` keeps its reference, and with that the mapping and the range of the buffer, while
//!     its count of exports is above 0. What exports memory raises the count before it gives out an
//!     address, and lowers it when the view or region ends.
//! P2. A layout lies inside the bytes of its reference: it was made for their length, checked against
//!     it, or selects a part of such a layout.
//! P3. No reference to bytes of a pool is formed: they are copied through raw pointers. Other threads
//!     and processes can write them at any time, which tears a copy and nothing else.
//! P4. A `Py_buffer` that was filled by `PyObject_GetBuffer` is released once, by its owner, and
//!     describes memory that stays in place until then.
//! P5. A view that is filled for `__getbuffer__` points to arrays of the `PoolBuffer`, which is frozen
//!     and held by the view.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{ptr, slice};

use hostd_client::lock;
use hostd_client::pool::PoolReference;
use hostd_protocol::memory::SharedBytes;
use pyo3::exceptions::{PyBufferError, PyImportError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyTuple};

use super::errors::{pool_error, released};
use super::guard::PoolGuard;
use super::layout::{Element, Layout, shape};
use super::open::BufferPool;
use crate::call::method;
use crate::errors::raised;
use crate::fallible;

/// From this many bytes on a copy runs without the interpreter.
const DETACHED_MIN: usize = 1 << 20;

/// One reference to a buffer, which all views that were cut from it share.
#[derive(Debug)]
pub(crate) struct Handle {
    /// None once it was forgotten.
    reference: Mutex<Option<Arc<PoolReference>>>,
    /// How many views of other objects, and regions, use the memory.
    exports: AtomicUsize,
}

impl Handle {
    fn reference(&self) -> PyResult<Arc<PoolReference>> {
        lock(&self.reference).clone().ok_or_else(released)
    }

    /// Begins an export. The reference stays until [`Self::end_export`].
    fn export(&self) -> PyResult<Arc<PoolReference>> {
        let reference = lock(&self.reference);
        let found = reference.clone().ok_or_else(released)?;
        self.exports.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    fn end_export(&self) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
    }

    /// Drops the reference.
    fn forget(&self) -> PyResult<()> {
        let mut reference = lock(&self.reference);
        check_exports(self.exports.load(Ordering::Relaxed))?;
        let found = reference.take();
        drop(reference);
        drop(found);
        Ok(())
    }
}

fn check_exports(exports: usize) -> PyResult<()> {
    if exports == 0 {
        return Ok(());
    }
    Err(raised::<PyBufferError>(format!(
        "the pool buffer cannot be released: {exports} memoryviews, arrays, guards or addons use its \
         memory; release them first"
    )))
}

/// A buffer of an object, in any layout.
struct Exported(Box<ffi::Py_buffer>);

impl Exported {
    fn of(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: P4; the view is ours alone, and the interpreter is held.
        let done = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if done != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self(view))
    }

    fn length(&self) -> usize {
        self.0.len.unsigned_abs()
    }

    fn element(&self) -> PyResult<Element> {
        let format = if self.0.format.is_null() {
            c"B"
        } else {
            // SAFETY: P4; a format is a C string that lives as long as the view.
            unsafe { CStr::from_ptr(self.0.format) }
        };
        Element::of_format(format, self.0.itemsize.unsigned_abs())
    }

    fn shape(&self) -> Vec<usize> {
        let count = usize::try_from(self.0.ndim).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        if self.0.shape.is_null() {
            return vec![self.length() / self.0.itemsize.unsigned_abs().max(1)];
        }
        // SAFETY: P4; a view has as many extents as dimensions.
        let extents = unsafe { slice::from_raw_parts(self.0.shape, count) };
        extents.iter().map(|extent| extent.unsigned_abs()).collect()
    }

    fn is_contiguous(&self) -> bool {
        // SAFETY: P4.
        unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.0, b'C'.cast_signed()) != 0 }
    }

    /// Copies its elements to `target` in C order; it has room for them.
    fn copy_to(&self, py: Python<'_>, target: *mut u8) -> PyResult<()> {
        let length = self.length();
        if self.is_contiguous() {
            let from = self.0.buf.expose_provenance();
            let to = target.expose_provenance();
            let copy = move || {
                let from = ptr::with_exposed_provenance::<u8>(from);
                let to = ptr::with_exposed_provenance_mut::<u8>(to);
                // SAFETY: P3, P4; both have this many bytes until the caller returns. The two can
                // overlap.
                unsafe { ptr::copy(from, to, length) };
            };
            if length < DETACHED_MIN {
                copy();
            } else {
                py.detach(copy);
            }
            return Ok(());
        }
        // SAFETY: P3, P4; the target has this many bytes, as the caller knows.
        let done = unsafe {
            ffi::PyBuffer_ToContiguous(
                target.cast(),
                &raw const *self.0,
                self.0.len,
                b'C'.cast_signed(),
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(py))
        }
    }

    /// Copies elements in C order, as many as it has, into it.
    fn copy_from(&self, py: Python<'_>, source: &[u8]) -> PyResult<()> {
        if source.len() != self.length() {
            return Err(PyErr::new::<PyValueError, _>("the lengths differ"));
        }
        // SAFETY: P3, P4; the source has as many bytes as the view, which is writable.
        let done = unsafe {
            ffi::PyBuffer_FromContiguous(
                &raw const *self.0,
                source.as_ptr().cast(),
                self.0.len,
                b'C'.cast_signed(),
            )
        };
        if done == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(py))
        }
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: P4; the interpreter is held, as it was when the view was made.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
    }
}

/// An object whose buffer is copied into a pool.
pub(crate) struct Source(Exported);

impl Source {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Exported::of(object, ffi::PyBUF_FULL_RO).map(Self)
    }

    /// The layout of its copy.
    pub(crate) fn layout(&self) -> PyResult<Layout> {
        Layout::contiguous(self.0.element()?, &self.0.shape())
    }

    /// Copies its bytes into a buffer that was allocated for its layout.
    pub(crate) fn copy_to(&self, py: Python<'_>, target: &SharedBytes) -> PyResult<()> {
        if self.0.length() > target.len() {
            return Err(raised::<PyBufferError>(
                "the buffer cannot be copied: its length is not that of its shape; convert it first",
            ));
        }
        self.0
            .copy_to(py, ptr::with_exposed_provenance_mut(target.address()))
    }
}

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
        let handle = Handle {
            reference: Mutex::new(Some(Arc::new(reference))),
            exports: AtomicUsize::new(0),
        };
        Self {
            pool,
            handle: Mutex::new(Some(Arc::new(handle))),
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
        let target = Exported::of(target.as_any(), ffi::PyBUF_FULL)?;
        let source = Exported::of(value, ffi::PyBUF_FULL_RO)?;
        let same = source.element()?.name() == target.element()?.name();
        if !same || source.shape() != target.shape() || source.length() != target.length() {
            return Err(raised::<PyValueError>(format!(
                "the assigned buffer must have the element type and shape of what it replaces ({} \
                 {:?}), got {} {:?}; use numpy() to convert",
                target.element()?.name(),
                target.shape(),
                source.element()?.name(),
                source.shape()
            )));
        }
        if source.is_contiguous() && target.is_contiguous() {
            return source.copy_to(py, target.0.buf.cast());
        }
        // The two can overlap.
        let mut copy = Vec::new();
        fallible::reserve(&mut copy, source.length())?;
        copy.resize(source.length(), 0);
        source.copy_to(py, copy.as_mut_ptr())?;
        target.copy_from(py, &copy)
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
        let layout = &this.layout;
        let wants = |flag: c_int| flags & flag == flag;
        let is_c = layout.is_c_contiguous();
        let refused = (this.is_readonly && wants(ffi::PyBUF_WRITABLE))
            || (!is_c && !wants(ffi::PyBUF_STRIDES))
            || (!is_c && wants(ffi::PyBUF_C_CONTIGUOUS))
            || (wants(ffi::PyBUF_F_CONTIGUOUS) && !layout.is_f_contiguous())
            || (wants(ffi::PyBUF_ANY_CONTIGUOUS) && !is_c && !layout.is_f_contiguous());
        if refused {
            return Err(raised::<PyBufferError>(
                "the pool buffer cannot be exported: it is read-only, or its elements have gaps \
                 between them, which is not what was asked for; copy it first",
            ));
        }
        let handle = this.handle()?;
        let reference = handle.export()?;
        let start = reference.bytes().address() + layout.offset;
        let start = ptr::with_exposed_provenance_mut::<c_void>(start);
        let length = layout.bytes().cast_signed();
        let readonly = c_int::from(this.is_readonly);
        // SAFETY: Python passes a view to be filled. P1, P2: the memory stays until it is released,
        // which `__releasebuffer__` is told.
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, readonly, flags) };
        if filled != 0 {
            handle.end_export();
            return Err(PyErr::fetch(slf.py()));
        }
        this.exports.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the view was filled above and is ours alone until we return.
        let view = unsafe { &mut *view };
        view.itemsize = layout.element.size.cast_signed();
        view.format = if wants(ffi::PyBUF_FORMAT) {
            layout.element.format.as_ptr().cast_mut()
        } else {
            ptr::null_mut::<c_char>()
        };
        // P5.
        if wants(ffi::PyBUF_ND) {
            view.ndim = c_int::try_from(layout.shape.len())?;
            view.shape = layout.shape.as_ptr().cast_mut();
        }
        if wants(ffi::PyBUF_STRIDES) {
            view.strides = layout.strides.as_ptr().cast_mut();
        }
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
