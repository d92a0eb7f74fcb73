//! The buffer protocol of Python objects: reads their bytes, and writes changes back.
//!
//! It has unsafe code, for the buffer protocol. Invariants:
//! E1. A `PyUntypedBuffer` keeps its memory alive and in place until it is released; `buf_ptr`
//!     and `len_bytes` describe it, in one piece if it is C-contiguous.
//! E2. The interpreter is held while bytes are borrowed, so no Python code changes them meanwhile.
//!     What remains: native code that writes into the exporter's memory without the interpreter
//!     (numpy in another thread). It can tear the copy, as it can tear any reader's; the bytes are
//!     copied once and never trusted.
//! E3. The `Py_buffer` of an `Exported` was filled by `PyObject_GetBuffer`. It is released once, by its
//!     owner, and describes memory that stays in place until then.
//! E4. No reference to bytes of an `Exported` is formed: they are copied through raw pointers. Other
//!     threads and processes can write them at any time, which tears a copy and nothing else.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::slice;

use hostd_protocol::memory::SharedBytes;
use hostd_protocol::value::ElementKind;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::element::ElementType;
use crate::errors;

/// From this many bytes on a copy runs without the interpreter.
const DETACHED_MIN: usize = 1 << 20;

/// The buffer of an object. One without strides, as those of ctypes, is described by a memoryview.
pub(crate) fn view(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    PyUntypedBuffer::get(object)
        .or_else(|_| PyUntypedBuffer::get(PyMemoryView::from(object)?.as_any()))
}

/// The element type of a buffer's format, if there is a typed array for it.
pub(crate) fn element_of(view: &PyUntypedBuffer) -> Option<ElementKind> {
    ElementType::of_format(view.format().to_bytes(), view.item_size())?.javascript
}

/// Calls `then` with the bytes of a view, in C order.
pub(crate) fn with_bytes<R>(
    py: Python<'_>,
    view: &PyUntypedBuffer,
    then: impl FnOnce(&[u8]) -> R,
) -> PyResult<R> {
    let length = view.len_bytes();
    if length == 0 {
        return Ok(then(&[]));
    }
    if !view.is_c_contiguous() {
        let owner = view
            .obj(py)
            .ok_or_else(|| errors::raised::<PyBufferError>("the buffer has no owner object"))?;
        let flat = PyMemoryView::from(owner)?.call_method0(intern!(py, "tobytes"))?;
        return Ok(then(flat.cast::<PyBytes>()?.as_bytes()));
    }
    let start: *const u8 = view.buf_ptr().cast_const().cast();
    // SAFETY: E1 (in one piece, alive until after `then`) and E2.
    let bytes = unsafe { slice::from_raw_parts(start, length) };
    Ok(then(bytes))
}

/// Calls `then` with the bytes of a contiguous view from `at` on, if they are all inside of it.
pub(crate) fn with_piece(
    _: Python<'_>,
    view: &PyUntypedBuffer,
    at: usize,
    length: usize,
    then: impl FnOnce(&[u8]),
) {
    let is_inside = at.saturating_add(length) <= view.len_bytes();
    if !is_inside || !view.is_c_contiguous() {
        return;
    }
    let start: *const u8 = view.buf_ptr().cast_const().cast();
    // SAFETY: E1; the piece is inside the view, as was checked.
    let piece = unsafe { start.add(at) };
    // SAFETY: E1 and E2; `then` runs no Python code, since it is not given the interpreter.
    then(unsafe { slice::from_raw_parts(piece, length) });
}

/// Copies the bytes of a view that is not in one piece, in C order. False, and nothing is copied, if it is
/// in one piece, or has another length.
pub(crate) fn gather(
    py: Python<'_>,
    view: &PyUntypedBuffer,
    target: &SharedBytes,
) -> PyResult<bool> {
    if view.is_c_contiguous() || view.len_bytes() != target.len() {
        return Ok(false);
    }
    let owner = view
        .obj(py)
        .ok_or_else(|| errors::raised::<PyBufferError>("the buffer has no owner object"))?;
    let again = Exported::of(owner, ffi::PyBUF_FULL_RO)?;
    if again.length() != target.len() {
        return Err(errors::raised::<PyBufferError>(
            "the owner of the buffer has a buffer of another length",
        ));
    }
    again.copy_to(py, ptr::with_exposed_provenance_mut(target.address()))?;
    Ok(true)
}

/// A buffer that the addon's changes are written to.
pub(crate) struct WritableView(PyUntypedBuffer);

impl WritableView {
    /// The buffer of an object that was writable when it was sent.
    pub(crate) fn new(target: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(view(target)?))
    }

    /// Writes bytes from `start` on, in C order.
    pub(crate) fn write(&self, start: usize, bytes: &[u8]) -> PyResult<()> {
        let Self(view) = self;
        if view.readonly() || start.saturating_add(bytes.len()) > view.len_bytes() {
            return Err(errors::raised::<PyBufferError>(
                "the addon's changes to a buffer were lost: the buffer changed its size or became \
                 read-only during the call; do not resize it until the call returns",
            ));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if !view.is_c_contiguous() {
            return write_scattered(view, start, bytes);
        }
        let first: *mut u8 = view.buf_ptr().cast();
        // SAFETY: E1; `start + bytes.len()` was checked against the length above.
        let place = unsafe { first.add(start) };
        // SAFETY: E1 and E2; the source is private memory of ours, so the two don't overlap.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Ok(())
    }
}

/// Writes into a view that is not in one piece, byte by byte.
fn write_scattered(view: &PyUntypedBuffer, start: usize, bytes: &[u8]) -> PyResult<()> {
    let size = view.item_size();
    let shape = view.shape();
    if size == 0 || view.suboffsets().is_some() {
        return Err(errors::raised::<PyBufferError>(
            "the addon's changes cannot be copied back into a buffer of this layout; pass a \
             contiguous buffer",
        ));
    }
    let mut indices = vec![0; shape.len()];
    for (at, &byte) in (start..).zip(bytes) {
        let mut item = at / size;
        for (index, &extent) in indices.iter_mut().zip(shape).rev() {
            *index = item % extent.max(1);
            item /= extent.max(1);
        }
        let place: *mut u8 = view.get_ptr(&indices).cast();
        // SAFETY: E1; every index is below its extent, and `at % size` below the item's size.
        let place = unsafe { place.add(at % size) };
        // SAFETY: E1 and E2; the view is writable, which the caller has checked.
        unsafe { place.write(byte) };
    }
    Ok(())
}

/// A buffer of an object, in any layout.
pub(crate) struct Exported(Box<ffi::Py_buffer>);

impl Exported {
    pub(crate) fn of(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: E3; the view is ours alone, and the interpreter is held.
        let done = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if done != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self(view))
    }

    pub(crate) fn length(&self) -> usize {
        self.0.len.unsigned_abs()
    }

    /// Where its first element is.
    pub(crate) fn start(&self) -> *mut c_void {
        self.0.buf
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.0.readonly != 0
    }

    pub(crate) fn item_size(&self) -> usize {
        self.0.itemsize.unsigned_abs()
    }

    pub(crate) fn format(&self) -> &CStr {
        if self.0.format.is_null() {
            return c"B";
        }
        // SAFETY: E3; a format is a C string that lives as long as the view.
        unsafe { CStr::from_ptr(self.0.format) }
    }

    pub(crate) fn shape(&self) -> Vec<usize> {
        let count = usize::try_from(self.0.ndim).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        if self.0.shape.is_null() {
            return vec![self.length() / self.item_size().max(1)];
        }
        // SAFETY: E3; a view has as many extents as dimensions.
        let extents = unsafe { slice::from_raw_parts(self.0.shape, count) };
        extents.iter().map(|extent| extent.unsigned_abs()).collect()
    }

    /// How many bytes lie between two elements of each dimension; none if they lie in C order without
    /// gaps and the exporter says no more.
    pub(crate) fn strides(&self) -> Option<Vec<isize>> {
        let count = usize::try_from(self.0.ndim).ok()?;
        if self.0.strides.is_null() {
            return None;
        }
        // SAFETY: E3; a view has as many strides as dimensions.
        Some(unsafe { slice::from_raw_parts(self.0.strides, count) }.to_vec())
    }

    pub(crate) fn is_contiguous(&self) -> bool {
        // SAFETY: E3.
        unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.0, b'C'.cast_signed()) != 0 }
    }

    /// Copies its elements to `target` in C order; it has room for them.
    pub(crate) fn copy_to(&self, py: Python<'_>, target: *mut u8) -> PyResult<()> {
        let length = self.length();
        if self.is_contiguous() {
            let from = self.0.buf.expose_provenance();
            let to = target.expose_provenance();
            let copy = move || {
                let from = ptr::with_exposed_provenance::<u8>(from);
                let to = ptr::with_exposed_provenance_mut::<u8>(to);
                // SAFETY: E3, E4; both have this many bytes until the caller returns. The two can
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
        // SAFETY: E3, E4; the target has this many bytes, as the caller knows.
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
    pub(crate) fn copy_from(&self, py: Python<'_>, source: &[u8]) -> PyResult<()> {
        if source.len() != self.length() {
            return Err(PyErr::new::<PyValueError, _>("the lengths differ"));
        }
        // SAFETY: E3, E4; the source has as many bytes as the view, which is writable.
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
        // SAFETY: E3; the interpreter is held, as it was when the view was made.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
    }
}
