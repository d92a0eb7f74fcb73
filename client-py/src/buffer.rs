//! The buffer protocol: reads the bytes of Python objects, writes changes back, and exports the bytes
//! of a JavaScript buffer as `Buffer`.
//!
//! It has unsafe code, for the buffer protocol. Invariants:
//! B1. A `PyUntypedBuffer` keeps its memory alive and in place until it is released; `buf_ptr`
//!     and `len_bytes` describe it, in one piece if it is C-contiguous.
//! B2. The interpreter is held while bytes are copied, so no Python code changes them meanwhile.
//!     What remains: native code that writes into the exporter's memory without the interpreter
//!     (numpy in another thread). It can tear the copy, as it can tear any reader's; the bytes are
//!     copied once and never trusted.
//! B3. A `Buffer` is immutable: its bytes live in a `bytes` object that it holds for its life.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::slice;

use hostd_protocol::value::ElementKind;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::call::method;
use crate::errors;
use crate::handle::Handle;

/// The buffer of an object. One without strides, as those of ctypes, is described by a memoryview.
pub(crate) fn view(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    PyUntypedBuffer::get(object)
        .or_else(|_| PyUntypedBuffer::get(PyMemoryView::from(object)?.as_any()))
}

/// The element type of a buffer's format, if there is a typed array for it.
pub(crate) fn element_of(view: &PyUntypedBuffer) -> Option<ElementKind> {
    let format = view.format().to_bytes();
    let size = view.item_size();
    let code = match format {
        [] => b'B',
        [code] | [b'@' | b'=' | b'<' | b'|', code] => *code,
        [b'>' | b'!', code] if size == 1 => *code,
        _ => return None,
    };
    Some(match (code, size) {
        (b'b', 1) => ElementKind::Int8,
        (b'B' | b'c' | b'?', 1) => ElementKind::Uint8,
        (b'h', 2) => ElementKind::Int16,
        (b'H', 2) => ElementKind::Uint16,
        (b'i' | b'l', 4) => ElementKind::Int32,
        (b'I' | b'L', 4) => ElementKind::Uint32,
        (b'e', 2) => ElementKind::Float16,
        (b'f', 4) => ElementKind::Float32,
        (b'd', 8) => ElementKind::Float64,
        (b'l' | b'q' | b'n', 8) => ElementKind::BigInt64,
        (b'L' | b'Q' | b'N', 8) => ElementKind::BigUint64,
        _ => return None,
    })
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
    // SAFETY: B1 (in one piece, alive until after `then`) and B2.
    let bytes = unsafe { slice::from_raw_parts(start, length) };
    Ok(then(bytes))
}

/// Writes `bytes` into a writable buffer, `offset` bytes from its beginning in C order.
pub(crate) fn write_back(target: &Bound<'_, PyAny>, offset: u64, bytes: &[u8]) -> PyResult<()> {
    let view = self::view(target)?;
    let length = view.len_bytes();
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    if view.readonly() || start.saturating_add(bytes.len()) > length {
        return Err(errors::raised::<PyBufferError>(
            "the addon's changes to a buffer were lost: the buffer changed its size or became \
             read-only during the call; do not resize it until the call returns",
        ));
    }
    if bytes.is_empty() {
        return Ok(());
    }
    if !view.is_c_contiguous() {
        return write_scattered(&view, start, bytes);
    }
    let first: *mut u8 = view.buf_ptr().cast();
    // SAFETY: B1; `start + bytes.len()` was checked against the length above.
    let place = unsafe { first.add(start) };
    // SAFETY: B1 and B2; the source is private memory of ours, so the two don't overlap.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    Ok(())
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
        // SAFETY: B1; every index is below its extent, and `at % size` below the item's size.
        let place = unsafe { place.add(at % size) };
        // SAFETY: B1 and B2; the view is writable, which the caller has checked.
        unsafe { place.write(byte) };
    }
    Ok(())
}

/// The bytes of a JavaScript `Buffer`, `ArrayBuffer`, typed array or `DataView`, copied when it was
/// received. Passed back, it is the same JavaScript object.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct Buffer {
    pub(crate) handle: Option<Handle>,
    pub(crate) element: ElementKind,
    bytes: Py<PyBytes>,
    shape: [isize; 1],
    strides: [isize; 1],
}

impl Buffer {
    pub(crate) fn new(
        handle: Option<Handle>,
        element: ElementKind,
        bytes: Bound<'_, PyBytes>,
    ) -> PyResult<Self> {
        let size = isize::try_from(element.size())?;
        let length = isize::try_from(bytes.as_bytes().len())?;
        Ok(Self {
            handle,
            element,
            bytes: bytes.unbind(),
            shape: [length / size],
            strides: [size],
        })
    }

    pub(crate) fn contents<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        self.bytes.as_bytes(py)
    }

    /// The format of its elements in Python, and its type in JavaScript.
    const fn described(&self) -> (&'static CStr, &'static str) {
        match self.element {
            ElementKind::Int8 => (c"b", "Int8Array"),
            ElementKind::Uint8 => (c"B", "Uint8Array"),
            ElementKind::Uint8Clamped => (c"B", "Uint8ClampedArray"),
            ElementKind::Int16 => (c"h", "Int16Array"),
            ElementKind::Uint16 => (c"H", "Uint16Array"),
            ElementKind::Int32 => (c"i", "Int32Array"),
            ElementKind::Uint32 => (c"I", "Uint32Array"),
            ElementKind::Float16 => (c"e", "Float16Array"),
            ElementKind::Float32 => (c"f", "Float32Array"),
            ElementKind::Float64 => (c"d", "Float64Array"),
            ElementKind::BigInt64 => (c"q", "BigInt64Array"),
            ElementKind::BigUint64 => (c"Q", "BigUint64Array"),
            ElementKind::Buffer => (c"B", "Buffer"),
            ElementKind::ArrayBuffer => (c"B", "ArrayBuffer"),
            ElementKind::DataView => (c"B", "DataView"),
            ElementKind::SharedArrayBuffer => (c"B", "SharedArrayBuffer"),
        }
    }
}

#[pymethods]
impl Buffer {
    fn __len__(&self) -> usize {
        self.shape[0].unsigned_abs()
    }

    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(slf.as_any())?.get_item(key)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.bytes.bind(py).clone()
    }

    /// The bytes in hexadecimal, as of `bytes.hex`.
    #[pyo3(signature = (sep=None, bytes_per_sep=1))]
    fn hex<'py>(
        &self,
        py: Python<'py>,
        sep: Option<&Bound<'py, PyAny>>,
        bytes_per_sep: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.bytes.bind(py).as_any();
        match sep {
            None => method(bytes, intern!(py, "hex"), ()),
            Some(sep) => method(bytes, intern!(py, "hex"), (sep, bytes_per_sep)),
        }
    }

    /// The bytes as text, as of `bytes.decode`.
    #[pyo3(signature = (encoding="utf-8", errors="strict"))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        encoding: &str,
        errors: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.bytes.bind(py).as_any();
        method(bytes, intern!(py, "decode"), (encoding, errors))
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        if !other.is_instance_of::<Self>() && PyUntypedBuffer::get(other).is_err() {
            return Ok(py.NotImplemented());
        }
        let same =
            slf.is(other) || PyMemoryView::from(slf.as_any())?.eq(PyMemoryView::from(other)?)?;
        Ok(same.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    /// Equal buffers hash alike, whatever their element types.
    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        if self.described().0 == c"B" {
            return self.bytes.bind(py).hash();
        }
        Ok(self.shape[0])
    }

    fn __repr__(&self) -> String {
        format!("<Buffer {} of {}>", self.described().1, self.shape[0])
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::raised::<PyTypeError>(
            "a Buffer cannot be pickled or copied: it belongs to the process of an addon; use \
             bytes(buffer)",
        ))
    }

    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let bytes = this.contents(slf.py());
        let start = bytes.as_ptr().cast::<c_void>().cast_mut();
        let length = isize::try_from(bytes.len())?;
        // SAFETY: Python passes a view to be filled; B3 keeps the bytes while `slf` lives, which
        // the view holds. Read-only, so nothing writes through the `*mut`.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        // SAFETY: the view was filled above and is ours alone until we return.
        let view = unsafe { &mut *view };
        view.itemsize = this.strides[0];
        if flags & ffi::PyBUF_FORMAT != 0 {
            view.format = this.described().0.as_ptr().cast_mut();
        }
        // The arrays live in `slf`, which is frozen and held by the view.
        if flags & ffi::PyBUF_ND == ffi::PyBUF_ND {
            view.shape = this.shape.as_ptr().cast_mut();
        }
        if flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES {
            view.strides = this.strides.as_ptr().cast_mut();
        }
        Ok(())
    }
}
