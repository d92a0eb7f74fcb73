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
//! B3. The bytes of a `Buffer` live in a `bytes` object, or in shared memory, that it holds until it is
//!     released, which is refused while there is a view of them.
//!     Those in a `bytes` object are never changed. Those in shared memory can change at any time: the
//!     host writes to them, and Python too; they are copied through raw pointers, never borrowed.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hostd_client::{HostBytes, lock};
use hostd_protocol::memory::SharedBytes;
use hostd_protocol::value::ElementKind;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PySlice};

use crate::argument_memory::ArgumentMemory;
use crate::call::method;
use crate::errors;
use crate::fallible::{self, Argument as _, Facts, tuple_of};
use crate::foreign::dlpack::{self, ElementType, Layout, Wish};
use crate::handle::Handle;

/// The buffer of an object. One without strides, as those of ctypes, is described by a memoryview.
pub(crate) fn view(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    PyUntypedBuffer::get(object)
        .or_else(|_| PyUntypedBuffer::get(PyMemoryView::from(object)?.as_any()))
}

/// The element type of a buffer's format, if there is a typed array for it.
pub(crate) fn element_of(view: &PyUntypedBuffer) -> Option<ElementKind> {
    element_of_format(view.format().to_bytes(), view.item_size())
}

/// The element type of a format with elements of this size, if there is a typed array for it.
pub(crate) fn element_of_format(format: &[u8], size: usize) -> Option<ElementKind> {
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
    // SAFETY: B1; the piece is inside the view, as was checked.
    let piece = unsafe { start.add(at) };
    // SAFETY: B1 and B2; `then` runs no Python code, since it is not given the interpreter.
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
    let mut again = MaybeUninit::uninit();
    // SAFETY: B1; the view is filled if this succeeds.
    if unsafe { ffi::PyObject_GetBuffer(owner.as_ptr(), again.as_mut_ptr(), ffi::PyBUF_FULL_RO) }
        != 0
    {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: B1; it was filled above.
    let mut again = unsafe { again.assume_init() };
    let start: *mut c_void = ptr::with_exposed_provenance_mut(target.address());
    let is_same = again.len.unsigned_abs() == target.len();
    // SAFETY: B1, B3; the target has as many bytes as the view.
    let gathered = if is_same
        && unsafe {
            ffi::PyBuffer_ToContiguous(start, &raw const again, again.len, b'C'.cast_signed()) == 0
        } {
        Ok(true)
    } else if is_same {
        Err(PyErr::fetch(py))
    } else {
        Err(errors::raised::<PyBufferError>(
            "the owner of the buffer has a buffer of another length",
        ))
    };
    // SAFETY: B1; it is ours, and is not used again.
    unsafe { ffi::PyBuffer_Release(&raw mut again) };
    gathered
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
        // SAFETY: B1; `start + bytes.len()` was checked against the length above.
        let place = unsafe { first.add(start) };
        // SAFETY: B1 and B2; the source is private memory of ours, so the two don't overlap.
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
        // SAFETY: B1; every index is below its extent, and `at % size` below the item's size.
        let place = unsafe { place.add(at % size) };
        // SAFETY: B1 and B2; the view is writable, which the caller has checked.
        unsafe { place.write(byte) };
    }
    Ok(())
}

#[cold]
fn released() -> PyErr {
    errors::raised::<PyValueError>("the Buffer was released")
}

/// Where the bytes of a `Buffer` are.
pub(crate) enum Contents {
    /// Copied when it was received.
    Copied(Py<PyBytes>),
    Shared(SharedContents),
    /// Given up by `release`.
    Released,
}

/// Bytes in memory that the host shares.
pub(crate) struct SharedContents {
    pub(crate) bytes: SharedBytes,
    /// Whether they are those of the JavaScript object itself, and not a copy of them.
    pub(crate) is_live: bool,
    /// Keeps the memory from being used for something else.
    pub(crate) memory: Arc<HeldMemory>,
}

/// What keeps the memory of a buffer from being used for something else.
#[expect(dead_code, reason = "their drop is what matters")]
pub(crate) enum HeldMemory {
    /// The host does not use it, nor does this process when the host has ended.
    Host(Handle, HostBytes),
    /// It is that of an argument, or lies in a pool.
    Argument(Py<ArgumentMemory>),
}

/// The bytes of a JavaScript `Buffer`, `ArrayBuffer`, typed array or `DataView`. Those of a large one
/// that JavaScript or Node-API has allocated, or that is an argument or a part of one, are shared with
/// it, and those that lie in a pool: each side sees what the other writes.
/// All others were copied when it was received. Passed back, it is the same JavaScript object.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct Buffer {
    pub(crate) handle: Option<Handle>,
    pub(crate) element: ElementKind,
    contents: Mutex<Contents>,
    /// How many views of the bytes there are.
    views: AtomicUsize,
    shape: [isize; 1],
    strides: [isize; 1],
}

impl Buffer {
    pub(crate) fn new(
        handle: Option<Handle>,
        element: ElementKind,
        contents: Contents,
        py: Python<'_>,
    ) -> PyResult<Self> {
        let size = isize::try_from(element.size())?;
        let length = match &contents {
            Contents::Copied(bytes) => bytes.as_bytes(py).len(),
            Contents::Shared(shared) => shared.bytes.len(),
            Contents::Released => 0,
        };
        let length = isize::try_from(length)?;
        Ok(Self {
            handle,
            element,
            contents: Mutex::new(contents),
            views: AtomicUsize::new(0),
            shape: [length / size],
            strides: [size],
        })
    }

    /// Its bytes as they are now.
    pub(crate) fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let shared = match &*lock(&self.contents) {
            Contents::Copied(bytes) => return Ok(bytes.bind(py).clone()),
            Contents::Shared(shared) => shared.bytes.clone(),
            Contents::Released => return Err(released()),
        };
        PyBytes::new_with(py, shared.len(), |target| {
            shared.read(0, target);
            Ok(())
        })
    }

    /// Whether it has a copy of exactly these bytes.
    pub(crate) fn is_copy_of(&self, py: Python<'_>, bytes: &[u8]) -> bool {
        matches!(&*lock(&self.contents), Contents::Copied(copy) if copy.as_bytes(py) == bytes)
    }

    /// Whether it is a live view of exactly this memory.
    pub(crate) fn is_view_of(&self, bytes: &SharedBytes) -> bool {
        matches!(&*lock(&self.contents), Contents::Shared(shared) if shared.is_live
            && (shared.bytes.address(), shared.bytes.len()) == (bytes.address(), bytes.len()))
    }

    fn is_live(&self) -> bool {
        matches!(&*lock(&self.contents), Contents::Shared(shared) if shared.is_live)
    }

    /// Where its bytes are, and how many.
    fn place(&self, py: Python<'_>) -> PyResult<(*mut c_void, usize)> {
        match &*lock(&self.contents) {
            Contents::Copied(bytes) => {
                let bytes = bytes.as_bytes(py);
                Ok((bytes.as_ptr().cast::<c_void>().cast_mut(), bytes.len()))
            }
            Contents::Shared(shared) => Ok((
                ptr::with_exposed_provenance_mut(shared.bytes.address()),
                shared.bytes.len(),
            )),
            Contents::Released => Err(released()),
        }
    }

    /// A `Buffer` of `length` bytes from `start` on, which JavaScript has no object for.
    fn part(&self, py: Python<'_>, start: usize, length: usize) -> PyResult<Self> {
        let contents = match &*lock(&self.contents) {
            Contents::Copied(bytes) => {
                let end = start.saturating_add(length);
                let part = bytes.as_bytes(py).get(start..end).unwrap_or_default();
                Contents::Copied(fallible::bytes(py, part)?.unbind())
            }
            Contents::Shared(shared) => Contents::Shared(SharedContents {
                bytes: shared.bytes.part(start, length).ok_or_else(released)?,
                is_live: shared.is_live,
                memory: Arc::clone(&shared.memory),
            }),
            Contents::Released => return Err(released()),
        };
        Self::new(None, self.element, contents, py)
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
        let py = slf.py();
        let this = slf.get();
        if let Ok(slice) = key.cast::<PySlice>() {
            let range = slice.indices(this.shape[0])?;
            if range.step == 1 {
                let size = this.element.size();
                let (start, length) = (range.start.unsigned_abs(), range.slicelength);
                let part = this.part(py, start * size, length * size)?;
                return Ok(Bound::new(py, part)?.into_any());
            }
        }
        PyMemoryView::from(slf.as_any())?.get_item(key)
    }

    fn __setitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        PyMemoryView::from(slf.as_any())?.set_item(key, value)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.bytes(py)
    }

    /// Whether it has the bytes of the JavaScript object itself: then it is writable, and what either
    /// side writes is seen by the other at once. False for a copy.
    #[getter]
    fn shared(&self) -> bool {
        self.is_live()
    }

    /// A read-only memoryview of the bytes.
    fn toreadonly<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let view = PyMemoryView::from(slf.as_any())?;
        method(&view, intern!(slf.py(), "toreadonly"), ())
    }

    /// A memoryview of the bytes in another format and shape, as of `memoryview.cast`.
    #[pyo3(signature = (format, shape=None))]
    fn cast<'py>(
        slf: &Bound<'py, Self>,
        format: &Bound<'py, PyAny>,
        shape: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cast = intern!(slf.py(), "cast");
        let view = PyMemoryView::from(slf.as_any())?;
        let bytes = method(&view, cast, ("B",))?;
        match shape {
            None => method(&bytes, cast, (format,)),
            Some(shape) => method(&bytes, cast, (format, shape)),
        }
    }

    /// Gives the bytes up, so that their memory can be used for something else; the JavaScript object
    /// stays. Raises `BufferError` while there is a view of them.
    fn release(&self) -> PyResult<()> {
        let mut contents = lock(&self.contents);
        if self.views.load(Ordering::Acquire) > 0 {
            return Err(errors::raised::<PyBufferError>(
                "cannot release the Buffer: there are views of its bytes; release them first",
            ));
        }
        let former = std::mem::replace(&mut *contents, Contents::Released);
        drop(contents);
        drop(former);
        Ok(())
    }

    /// The bytes in hexadecimal, as of `bytes.hex`.
    #[pyo3(signature = (sep=None, bytes_per_sep=1))]
    fn hex<'py>(
        &self,
        py: Python<'py>,
        sep: Option<&Bound<'py, PyAny>>,
        bytes_per_sep: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = &self.bytes(py)?;
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
        let bytes = &self.bytes(py)?;
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
        if self.is_live() {
            return Err(errors::raised::<PyTypeError>(
                "a shared Buffer is not hashable, since its bytes can change; use bytes(buffer)",
            ));
        }
        if self.described().0 == c"B" {
            return self.bytes(py)?.hash();
        }
        Ok(self.shape[0])
    }

    fn __repr__(&self) -> String {
        format!("<Buffer {} of {}>", self.described().1, self.shape[0])
    }

    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (start, _) = self.place(py)?;
        let is_read_only = !self.is_live();
        // Who reads the address does not say how long it is used.
        self.views.fetch_add(1, Ordering::AcqRel);
        let address = start.addr().object(py)?;
        let interface = Facts::new(py)?;
        interface.set("shape", tuple_of(py, [self.__len__().object(py)?])?)?;
        interface.set(
            "typestr",
            ElementType::of_javascript(self.element).typestr(),
        )?;
        interface.set("data", tuple_of(py, [address, is_read_only.object(py)?])?)?;
        interface.set("strides", None::<usize>)?;
        interface.set("version", 3)?;
        Ok(interface.0)
    }

    /// Returns a DLPack capsule of the bytes, which are read-only unless they are shared, or of a copy.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if stream.is_some() {
            return Err(errors::raised::<PyValueError>(
                "stream must be None: the bytes are in the memory of the host",
            ));
        }
        let this = slf.get();
        let layout = Layout {
            element: ElementType::of_javascript(this.element),
            shape: &[i64::try_from(this.shape[0])?],
        };
        let wish = Wish {
            max_version,
            dl_device,
            copy,
        };
        // The capsule holds a view, so that the bytes are not released before it is.
        let view = PyMemoryView::from(slf.as_any())?;
        let (start, _) = this.place(slf.py())?;
        let is_read_only = !this.is_live();
        // SAFETY: B3; the capsule holds the view, and nothing writes to bytes that are read-only.
        unsafe { dlpack::of_host(view.as_any(), start.cast(), is_read_only, &layout, &wish) }
    }

    #[staticmethod]
    fn __dlpack_device__() -> (i32, i32) {
        (dlpack::HOST.kind, dlpack::HOST.number)
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
        let (start, length) = this.place(slf.py())?;
        let length = isize::try_from(length)?;
        let is_readonly = c_int::from(!this.is_live());
        // SAFETY: Python passes a view to be filled; B3 keeps the bytes while `slf` lives, which
        // the view holds. Nothing writes through the `*mut` to copied bytes, which are read-only.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, is_readonly, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        this.views.fetch_add(1, Ordering::AcqRel);
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

    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.views.fetch_sub(1, Ordering::AcqRel);
    }
}
