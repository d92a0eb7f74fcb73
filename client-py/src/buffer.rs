//! `Buffer`: the bytes of a JavaScript buffer as a Python object with the buffer protocol.
//!
//! It has unsafe code, for the buffer protocol. Invariants:
//! B1. The bytes of a `Buffer` live in a `bytes` object, or in shared memory, that it holds until it is
//!     released, which is refused while there is a view of them.
//!     Those in a `bytes` object are never changed. Those in shared memory can change at any time: the
//!     host writes to them, and Python too; they are copied through raw pointers, never borrowed.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
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
use crate::element::ElementType;
use crate::errors;
use crate::fallible::{self, Argument as _, Facts, tuple_of};
use crate::foreign::dlpack::{self, Wish};
use crate::handle::Handle;

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

    /// The format of its elements in Python.
    fn format(&self) -> &'static CStr {
        match self.element {
            ElementKind::BigInt64 => c"q",
            ElementKind::BigUint64 => c"Q",
            other => ElementType::of_javascript(other).format.unwrap_or(c"B"),
        }
    }

    /// Its type in JavaScript.
    const fn class(&self) -> &'static str {
        match self.element {
            ElementKind::Int8 => "Int8Array",
            ElementKind::Uint8 => "Uint8Array",
            ElementKind::Uint8Clamped => "Uint8ClampedArray",
            ElementKind::Int16 => "Int16Array",
            ElementKind::Uint16 => "Uint16Array",
            ElementKind::Int32 => "Int32Array",
            ElementKind::Uint32 => "Uint32Array",
            ElementKind::Float16 => "Float16Array",
            ElementKind::Float32 => "Float32Array",
            ElementKind::Float64 => "Float64Array",
            ElementKind::BigInt64 => "BigInt64Array",
            ElementKind::BigUint64 => "BigUint64Array",
            ElementKind::Buffer => "Buffer",
            ElementKind::ArrayBuffer => "ArrayBuffer",
            ElementKind::DataView => "DataView",
            ElementKind::SharedArrayBuffer => "SharedArrayBuffer",
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
        if self.format() == c"B" {
            return self.bytes(py)?.hash();
        }
        Ok(self.shape[0])
    }

    fn __repr__(&self) -> String {
        format!("<Buffer {} of {}>", self.class(), self.shape[0])
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
        interface.set("typestr", ElementType::of_javascript(self.element).typestr)?;
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
        let wish = Wish {
            max_version,
            dl_device,
            copy,
        };
        let element = ElementType::of_javascript(slf.get().element);
        dlpack::of_host(slf.as_any(), element.dlpack, stream, &wish)
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
        // SAFETY: Python passes a view to be filled; B1 keeps the bytes while `slf` lives, which
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
            view.format = this.format().as_ptr().cast_mut();
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
