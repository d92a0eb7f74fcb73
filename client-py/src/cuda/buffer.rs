//! `CudaBuffer`: device memory as Python sees it.

use std::sync::Mutex;

use hostd_client::lock;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyAttributeError, PyBufferError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyTuple};

use super::arguments::{bytes_of, check_stream, extents, kind_of, number_of_device, whole};
use super::element;
use super::handle::CudaHandle;
use super::memory::{Hold, Memory, released};
use super::runtime::{Kind, Runtime, usable};
use crate::element::ElementType;
use crate::errors;
use crate::exporter;
use crate::fallible::{self, Argument as _, Facts};
use crate::foreign::dlpack::{self, DeviceId, Layout, Wish};
use crate::foreign::driver::Allocation;

/// `stream` in `__cuda_array_interface__`: there is nothing to wait for. All work of this package is
/// done when its call returns.
const NO_STREAM: Option<u64> = None;

/// Returns memory of a CUDA device: `size` bytes, whose content is undefined.
///
/// A preallocated buffer of this size and device is taken if one is idle. Raises `CudaError` if there
/// is no driver or it refuses, and `ValueError` for a size that is not above 0.
#[pyfunction]
#[pyo3(signature = (size, device=None), text_signature = "(size, device=0)")]
pub(crate) fn acquire_cuda(
    py: Python<'_>,
    size: &Bound<'_, PyAny>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<CudaBuffer> {
    let kind = kind_of(size, device)?;
    let memory = Hold::new(Memory::acquire(py, kind)?);
    let all = Part {
        offset: 0,
        size: kind.size,
    };
    CudaBuffer::new(memory, all, ElementType::bytes(), None)
}

/// Keeps `count` buffers of a size idle, for `acquire_cuda` to take without a call of the driver.
///
/// They are allocated now. Released buffers of this size become idle again until there are `count`;
/// further ones are freed. A smaller count frees idle ones, and 0 ends it. Raises `CudaError` if the
/// driver refuses; then nothing has changed.
#[pyfunction]
#[pyo3(signature = (size, count, device=None), text_signature = "(size, count, device=0)")]
pub(crate) fn preallocate_cuda(
    py: Python<'_>,
    size: &Bound<'_, PyAny>,
    count: &Bound<'_, PyAny>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let kind = kind_of(size, device)?;
    let count = whole(count, "count")?;
    let count = usize::try_from(count)
        .map_err(|_| errors::raised::<PyValueError>(format!("count must be >= 0, got {count}")))?;
    Memory::preallocate(py, kind, count)
}

/// A range of bytes of an allocation.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    size: u64,
}

/// Memory of a CUDA device, as an array in C order. A new one is an array of bytes; `view()` gives
/// arrays of other types and shapes.
///
/// It works with what reads `__cuda_array_interface__` or DLPack. The memory is freed when the
/// buffer, its views and all consumers of its DLPack capsules have let it go.
#[pyclass(frozen, weakref, module = "napi_python")]
pub(crate) struct CudaBuffer {
    /// None after its release. Locked only while the interpreter is held, so never across a fork.
    memory: Mutex<Option<Hold>>,
    device: i32,
    part: Part,
    element: &'static ElementType,
    shape: Vec<i64>,
}

/// The memory of a buffer, in use.
struct Held {
    memory: Hold,
    runtime: &'static Runtime,
    address: u64,
}

impl Held {
    fn allocation<'a>(&'a self, py: Python<'_>) -> PyResult<&'a Allocation> {
        Ok(self.memory.get()?.get(py)?.1)
    }
}

impl CudaBuffer {
    /// An array of the bytes of `part`, of one dimension if there is no shape. The shape fits.
    fn new(
        memory: Hold,
        part: Part,
        element: &'static ElementType,
        shape: Option<Vec<i64>>,
    ) -> PyResult<Self> {
        let shape = match shape {
            Some(shape) => shape,
            None => vec![i64::try_from(part.size / element.size as u64)?],
        };
        Ok(Self {
            device: memory.get()?.device(),
            memory: Mutex::new(Some(memory)),
            part,
            element,
            shape,
        })
    }

    /// Its memory. Raises if it was released, and in a forked child.
    fn held(&self, py: Python<'_>) -> PyResult<Held> {
        let memory = lock(&self.memory).clone().ok_or_else(released)?;
        let (runtime, allocation) = memory.get()?.get(py)?;
        let address = allocation.address() + self.part.offset;
        Ok(Held {
            memory,
            runtime,
            address,
        })
    }

    /// The address for consumers: that of an empty array is 0.
    fn shown_address(&self, py: Python<'_>) -> PyResult<u64> {
        let address = self.held(py)?.address;
        Ok(if self.part.size == 0 { 0 } else { address })
    }

    const fn dlpack_device(&self) -> DeviceId {
        DeviceId {
            kind: dlpack::CUDA,
            number: self.device,
        }
    }

    /// Where `length` bytes from `offset` on lie in the allocation.
    fn place(&self, offset: Option<&Bound<'_, PyAny>>, length: usize) -> PyResult<u64> {
        let offset = offset.map_or(Ok(0), |offset| whole(offset, "offset"))?;
        let begin = u64::try_from(offset).map_err(|_| {
            errors::raised::<PyValueError>(format!("offset must be >= 0, got {offset}"))
        })?;
        let end = begin.checked_add(length as u64);
        if end.is_none_or(|end| end > self.part.size) {
            return Err(errors::raised::<PyValueError>(format!(
                "cannot copy {length} bytes at offset {offset}: the CudaBuffer has {} bytes; copy \
                 fewer",
                self.part.size
            )));
        }
        Ok(self.part.offset + begin)
    }
}

/// The host buffer of an object, in one piece.
fn contiguous(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    let view = exporter::view(object)?;
    if view.is_c_contiguous() {
        return Ok(view);
    }
    let flat = PyMemoryView::from(object)?.call_method0(intern!(object.py(), "tobytes"))?;
    exporter::view(&flat)
}

#[pymethods]
impl CudaBuffer {
    /// Opens the buffer that a `CudaHandle` of another process of this user names.
    ///
    /// `device` is the number of its device in this process, if it differs from that in the handle.
    /// The other process must keep its buffer until this one is released. Raises `CudaError` if the
    /// driver refuses, as it does in the process that made the handle.
    #[staticmethod]
    #[pyo3(signature = (handle, /, *, device=None))]
    fn open(handle: &Bound<'_, CudaHandle>, device: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (py, handle) = (handle.py(), handle.get());
        let device = match device {
            Some(_) => number_of_device(device)?,
            None => handle.device,
        };
        let end = handle.offset.checked_add(handle.size);
        let Some(end @ 1..) = end.filter(|&end| i64::try_from(end).is_ok()) else {
            return Err(errors::raised::<PyValueError>(format!(
                "cannot open {} bytes at offset {} of a CUDA allocation: it cannot have so many; \
                 pass a handle of ipc_handle()",
                handle.size, handle.offset
            )));
        };
        let kind = Kind { device, size: end };
        let memory = Memory::open(py, kind, handle.handle)?;
        let part = Part {
            offset: handle.offset,
            size: handle.size,
        };
        Self::new(Hold::new(memory), part, ElementType::bytes(), None)
    }

    /// The address on the device.
    #[getter]
    fn ptr(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.held(py)?.address)
    }

    /// Its length in bytes.
    #[getter]
    fn size(&self) -> u64 {
        self.part.size
    }

    /// The number of its device.
    #[getter]
    fn device(&self) -> i32 {
        self.device
    }

    /// The name of its element type.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.element.name
    }

    /// The numbers of elements in each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let extents = self.shape.iter().map(|&extent| fallible::int(py, extent));
        fallible::tuple(&fallible::list_of(py, extents)?)
    }

    /// Returns the same memory as an array of another type and shape, from the byte `offset` on.
    ///
    /// Without a shape it has one dimension and all elements that follow. The memory stays until the
    /// view is released as well.
    #[pyo3(
        signature = (shape=None, dtype=None, offset=None),
        text_signature = "($self, shape=None, dtype='uint8', offset=0)"
    )]
    fn view(
        &self,
        py: Python<'_>,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: Option<&Bound<'_, PyAny>>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let held = self.held(py)?;
        let element = dtype.map_or_else(|| Ok(ElementType::bytes()), element::named)?;
        let place = self.place(offset, 0)?;
        let room = self.part.offset + self.part.size - place;
        if !place.is_multiple_of(element.size as u64) {
            return Err(errors::raised::<PyValueError>(format!(
                "cannot view {} at this offset: it must be a multiple of the {} bytes of an element",
                element.name, element.size
            )));
        }
        let shape = shape.map(extents).transpose()?;
        let size = match &shape {
            Some(shape) => bytes_of(shape, element)
                .filter(|&size| size <= room)
                .ok_or_else(|| {
                    errors::raised::<PyValueError>(format!(
                        "cannot view {shape:?} of {}: it needs more than the {room} bytes that \
                         there are; choose a smaller shape",
                        element.name
                    ))
                })?,
            None if room.is_multiple_of(element.size as u64) => room,
            None => {
                return Err(errors::raised::<PyValueError>(format!(
                    "cannot view {room} bytes as {}: an element has {} bytes; pass a shape",
                    element.name, element.size
                )));
            }
        };
        let part = Part {
            offset: place,
            size,
        };
        Self::new(held.memory, part, element, shape)
    }

    /// Copies a bytes-like object to the device, to the byte `offset` and those after it.
    ///
    /// Returns when the bytes are there. Raises `ValueError` if they do not fit.
    #[pyo3(
        signature = (source, /, offset=None),
        text_signature = "($self, source, /, offset=0)"
    )]
    fn copy_from(
        &self,
        source: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = source.py();
        let held = self.held(py)?;
        let view = contiguous(source)?;
        let place = self.place(offset, view.len_bytes())?;
        let allocation = held.allocation(py)?;
        let what = || format!("cannot copy to CUDA device {}", self.device);
        let runtime = held.runtime;
        runtime.run(py, self.device, what, |context| {
            context.upload(allocation, place, &view)
        })
    }

    /// Fills a writable, contiguous buffer with the bytes from `offset` on.
    ///
    /// Waits for work of the default stream. Raises `ValueError` if there are fewer bytes.
    #[pyo3(
        signature = (target, /, offset=None),
        text_signature = "($self, target, /, offset=0)"
    )]
    fn copy_to(
        &self,
        target: &Bound<'_, PyAny>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = target.py();
        let held = self.held(py)?;
        let view = exporter::view(target)?;
        if view.readonly() || !view.is_c_contiguous() {
            return Err(errors::raised::<PyBufferError>(
                "cannot copy into this buffer: it is read-only or not contiguous; pass a writable, \
                 C-contiguous one such as a bytearray",
            ));
        }
        let place = self.place(offset, view.len_bytes())?;
        let allocation = held.allocation(py)?;
        let what = || format!("cannot copy from CUDA device {}", self.device);
        let runtime = held.runtime;
        runtime.run(py, self.device, what, |context| {
            context.download(allocation, place, &view)
        })
    }

    /// Sets every byte.
    #[pyo3(signature = (byte=0, /))]
    fn fill(&self, py: Python<'_>, byte: u8) -> PyResult<()> {
        let held = self.held(py)?;
        let allocation = held.allocation(py)?;
        let length = usize::try_from(self.part.size)?;
        let what = || format!("cannot fill memory of CUDA device {}", self.device);
        let runtime = held.runtime;
        runtime.run(py, self.device, what, |context| {
            context.fill(allocation, self.part.offset, length, byte)
        })
    }

    /// Returns what another process opens the buffer by. It can be pickled.
    ///
    /// Keep the buffer until the other process has released its own.
    fn ipc_handle(&self, py: Python<'_>) -> PyResult<CudaHandle> {
        let handle = self.held(py)?.memory.get()?.export(py)?;
        Ok(CudaHandle {
            handle,
            size: self.part.size,
            device: self.device,
            offset: self.part.offset,
        })
    }

    /// Ends the use of the buffer. It can be called again.
    ///
    /// The memory is freed, or kept for reuse if buffers of its size are preallocated, when no view
    /// and no consumer of a DLPack capsule uses it. Raises `CudaError` if the driver then reports an
    /// error, which can be that of earlier work.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let hold = lock(&self.memory).take();
        let (Some(memory), Some(runtime)) = (hold.and_then(Hold::into_last), usable()) else {
            return Ok(());
        };
        py.detach(|| memory.release())
            .map_err(|status| runtime.error("cannot release a CudaBuffer", status))
    }

    #[getter]
    fn __cuda_array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Some(typestr) = self.element.typestr else {
            return Err(errors::raised::<PyAttributeError>(format!(
                "__cuda_array_interface__ has no name for {}; use DLPack",
                self.element.name
            )));
        };
        let address =
            fallible::tuple_of(py, [self.shown_address(py)?.object(py)?, false.object(py)?])?;
        let interface = Facts::new(py)?;
        interface.set("shape", self.shape(py)?)?;
        interface.set("typestr", typestr)?;
        interface.set("data", address)?;
        interface.set("strides", None::<u64>)?;
        interface.set("stream", NO_STREAM)?;
        interface.set("version", 3)?;
        Ok(interface.0)
    }

    /// Returns a DLPack capsule, of version 1.0 if the consumer knows it.
    ///
    /// Nothing is queued on a stream of this package, so `stream` is only checked.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(stream) = stream {
            check_stream(stream)?;
        }
        let held = self.held(py)?;
        let wish = Wish {
            max_version,
            dl_device,
            copy,
        };
        let layout = Layout {
            element: self.element.dlpack,
            shape: &self.shape,
            strides: None,
        };
        let device = self.dlpack_device();
        dlpack::of_device(
            py,
            held.memory.share(),
            held.address,
            device,
            &layout,
            &wish,
        )
    }

    fn __dlpack_device__(&self, py: Python<'_>) -> PyResult<(i32, i32)> {
        self.held(py)?;
        let DeviceId { kind, number } = self.dlpack_device();
        Ok((kind, number))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let held = self.held(py)?;
        let allocation = held.allocation(py)?;
        let what = || format!("cannot copy from CUDA device {}", self.device);
        PyBytes::new_with(py, usize::try_from(self.part.size)?, |target| {
            held.runtime.run(py, self.device, what, |context| {
                context.read(allocation, self.part.offset, target)
            })
        })
    }

    fn __len__(&self) -> PyResult<usize> {
        match self.shape.first() {
            Some(&extent) => Ok(usize::try_from(extent)?),
            None => Err(errors::raised::<PyTypeError>(
                "a CudaBuffer without dimensions has no len()",
            )),
        }
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        slf.held(slf.py())?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.release(py)
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::raised::<PyTypeError>(
            "a CudaBuffer cannot be pickled or copied: it is memory of this process; pickle what \
             ipc_handle() returns, or bytes(buffer)",
        ))
    }

    fn __repr__(&self) -> String {
        let Self {
            part,
            device,
            element,
            shape,
            ..
        } = self;
        let state = if lock(&self.memory).is_none() {
            ", released"
        } else {
            ""
        };
        format!(
            "<CudaBuffer of {} bytes on device {device}: {} {shape:?}{state}>",
            part.size, element.name
        )
    }
}
