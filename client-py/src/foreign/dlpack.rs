//! Exports memory as DLPack capsules: `__dlpack__` of host and device memory, in the layout of
//! DLPack 0.8 and in that of 1.x.
//!
//! A capsule owns its tensor until a consumer renames it; then the consumer calls the tensor's
//! deleter, once, from any thread, with or without the interpreter.
//!
//! Invariants:
//! L1. The structures, and `DataType`, have the layout of `dlpack.h`: version 0.8 for `Legacy`, 1.0 for
//!     `Versioned`.
//! L2. `manager_ctx` is the `ExportedTensor` that contains the structure, as `Box::into_raw` gave it. The
//!     deleter takes it back; by the contract of DLPack it is called once.
//! L3. Shape and strides lie in the `ExportedTensor`, which does not change after it was made.
//! L4. A capsule is made with its tensor and the name of an unconsumed one. While it has that name,
//!     no other code has called or will call the deleter.
//! L5. The interpreter is held (there is a token of it, or the interpreter called).
//! L6. The object of an `ObjectOwner` is taken once, where it is dropped.
#![expect(unsafe_code, reason = "DLPack is C")]

use std::ffi::{CStr, c_void};
use std::mem::ManuallyDrop;
use std::ptr;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};

use crate::call::release;
use crate::element::DataType;
use crate::errors;
use crate::exporter::Exported;
use crate::fallible;
use crate::reserve;

/// `kDLCPU`, which has the number 0.
pub(crate) const HOST: DeviceId = DeviceId { kind: 1, number: 0 };
/// `kDLCUDA`.
pub(crate) const CUDA: i32 = 2;

/// `DLPACK_FLAG_BITMASK_READ_ONLY`.
const READ_ONLY: u64 = 1;
/// `DLPACK_FLAG_BITMASK_IS_COPIED`.
const IS_COPIED: u64 = 1 << 1;

/// `DLDevice`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId {
    pub(crate) kind: i32,
    pub(crate) number: i32,
}

/// `DLTensor`.
#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: DeviceId,
    dimensions: i32,
    element: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
struct Legacy {
    tensor: Tensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    major: u32,
    minor: u32,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    tensor: Tensor,
}

/// One of the two structures that a capsule can hold.
trait Managed: Sized {
    /// The name of a capsule that was not consumed.
    const NAME: &'static CStr;

    fn new(tensor: Tensor, flags: u64) -> Self;
    fn manager(&mut self) -> &mut *mut c_void;
}

impl Managed for Legacy {
    const NAME: &'static CStr = c"dltensor";

    fn new(tensor: Tensor, _: u64) -> Self {
        Self {
            tensor,
            manager_ctx: ptr::null_mut(),
            deleter: Some(delete),
        }
    }

    fn manager(&mut self) -> &mut *mut c_void {
        &mut self.manager_ctx
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";

    fn new(tensor: Tensor, flags: u64) -> Self {
        Self {
            major: 1,
            minor: 0,
            manager_ctx: ptr::null_mut(),
            deleter: Some(delete),
            flags,
            tensor,
        }
    }

    fn manager(&mut self) -> &mut *mut c_void {
        &mut self.manager_ctx
    }
}

/// A structure with what it refers to.
struct ExportedTensor<M> {
    managed: M,
    /// The extents, then the strides.
    #[expect(dead_code, reason = "the structure points into it")]
    extents: Vec<i64>,
    #[expect(dead_code, reason = "it keeps the memory")]
    owner: Box<dyn Send>,
}

/// The deleter of a structure.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: L2. A null pointer is no tensor.
    let Some(managed) = (unsafe { managed.as_mut() }) else {
        return;
    };
    let exported = managed.manager().cast::<ExportedTensor<M>>();
    // SAFETY: L2.
    drop(unsafe { Box::from_raw(exported) });
}

/// The destructor of a capsule: deletes the tensor if there was no consumer.
unsafe extern "C" fn discard<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: L5.
    if unsafe { ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) } == 0 {
        return;
    }
    // SAFETY: L4, L5.
    let managed = unsafe { ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()) };
    // SAFETY: L4: it is still the capsule's to delete.
    unsafe { delete::<M>(managed.cast()) };
}

/// What `__dlpack__` was asked for.
pub(crate) struct Wish {
    pub(crate) max_version: Option<(u32, u32)>,
    pub(crate) dl_device: Option<(i32, i32)>,
    pub(crate) copy: Option<bool>,
}

impl Wish {
    /// Whether the consumer knows DLPack 1.x.
    const fn is_versioned(&self) -> bool {
        matches!(self.max_version, Some((1.., _)))
    }

    /// Refuses another device than that of the memory.
    fn check_device(&self, device: DeviceId) -> PyResult<()> {
        let own = (device.kind, device.number);
        if self.dl_device.is_some_and(|wanted| wanted != own) {
            return Err(errors::raised::<PyBufferError>(format!(
                "cannot export to another device: the memory is on DLPack device {own:?}; copy it \
                 to the other device first"
            )));
        }
        Ok(())
    }
}

/// What a tensor consists of.
pub(crate) struct Layout<'a> {
    pub(crate) element: DataType,
    pub(crate) shape: &'a [i64],
    /// In elements; none is C order without gaps.
    pub(crate) strides: Option<&'a [i64]>,
}

/// Where the memory of a tensor is.
struct Place {
    data: *mut c_void,
    device: DeviceId,
    flags: u64,
}

/// A capsule of device memory, which `owner` keeps allocated.
///
/// The address means something to the device's driver only, so a wrong one is no fault of memory
/// in this process.
pub(crate) fn of_device<'py>(
    py: Python<'py>,
    owner: impl Send + 'static,
    address: u64,
    device: DeviceId,
    layout: &Layout<'_>,
    wish: &Wish,
) -> PyResult<Bound<'py, PyAny>> {
    wish.check_device(device)?;
    if wish.copy == Some(true) {
        return Err(errors::raised::<PyBufferError>(
            "cannot export a copy: DLPack shares the memory of a device; copy it with copy_to()",
        ));
    }
    let data = ptr::without_provenance_mut(usize::try_from(address)?);
    let place = Place {
        data,
        device,
        flags: 0,
    };
    capsule(py, Box::new(owner), &place, layout, wish)
}

/// A Python object that keeps memory until it is dropped, in any thread.
struct ObjectOwner(Option<Py<PyAny>>);

impl Drop for ObjectOwner {
    fn drop(&mut self) {
        let Some(object) = self.0.take() else {
            return;
        };
        reserve::wait_for_thread_state();
        let mut object = ManuallyDrop::new(object);
        // At the end of the interpreter the object stays: there is nothing left to drop it.
        Python::try_attach(|py| {
            // SAFETY: L6.
            let object = unsafe { ManuallyDrop::take(&mut object) };
            release(object.into_bound(py));
        });
    }
}

/// A capsule of the memory of an object with the buffer protocol, or of a copy of it in C order if the
/// consumer wants one. Memory that is read-only is refused to consumers that do not know of it.
pub(crate) fn of_host<'py>(
    object: &Bound<'py, PyAny>,
    element: DataType,
    stream: Option<&Bound<'py, PyAny>>,
    wish: &Wish,
) -> PyResult<Bound<'py, PyAny>> {
    if stream.is_some() {
        return Err(errors::raised::<PyValueError>(
            "stream must be None: the bytes are in the memory of the host",
        ));
    }
    let py = object.py();
    // The capsule holds a view, so that the memory is not released before the capsule is.
    let view = PyMemoryView::from(object)?.into_any();
    wish.check_device(HOST)?;
    let exported = Exported::of(&view, ffi::PyBUF_FULL_RO)?;
    let mut shape = Vec::new();
    for extent in exported.shape() {
        fallible::push(&mut shape, i64::try_from(extent)?)?;
    }
    let keep = |owner: Bound<'_, PyAny>| Box::new(ObjectOwner(Some(owner.unbind())));
    if wish.copy == Some(true) {
        let copy = PyByteArray::new_with(py, exported.length(), |target| {
            exported.copy_to(py, target.as_mut_ptr())
        })?;
        let place = Place {
            data: copy.data().cast(),
            device: HOST,
            flags: IS_COPIED,
        };
        let layout = Layout {
            element,
            shape: &shape,
            strides: None,
        };
        return capsule(py, keep(copy.into_any()), &place, &layout, wish);
    }
    let is_readonly = exported.is_readonly();
    if is_readonly && !wish.is_versioned() {
        return Err(errors::raised::<PyBufferError>(
            "cannot export read-only memory: the consumer does not know DLPack 1.0, and DLPack could \
             not say before that memory is read-only; use a newer version of the consumer, or ask \
             for copy=True",
        ));
    }
    let strides = strides_in_elements(&exported)?;
    let place = Place {
        data: exported.start(),
        device: HOST,
        flags: if is_readonly { READ_ONLY } else { 0 },
    };
    drop(exported);
    let layout = Layout {
        element,
        shape: &shape,
        strides: strides.as_deref(),
    };
    capsule(py, keep(view), &place, &layout, wish)
}

/// The strides of a view that is not in C order without gaps.
fn strides_in_elements(exported: &Exported) -> PyResult<Option<Vec<i64>>> {
    let Some(strides) = exported.strides().filter(|_| !exported.is_contiguous()) else {
        return Ok(None);
    };
    let size = exported.item_size().cast_signed().max(1);
    let mut found = Vec::new();
    for stride in strides {
        if stride % size != 0 {
            return Err(errors::raised::<PyBufferError>(
                "cannot export elements that do not lie at multiples of their size; ask for \
                 copy=True",
            ));
        }
        fallible::push(&mut found, i64::try_from(stride / size)?)?;
    }
    Ok(Some(found))
}

fn capsule<'py>(
    py: Python<'py>,
    owner: Box<dyn Send>,
    place: &Place,
    layout: &Layout<'_>,
    wish: &Wish,
) -> PyResult<Bound<'py, PyAny>> {
    if wish.is_versioned() {
        capsule_of::<Versioned>(py, owner, place, layout)
    } else {
        capsule_of::<Legacy>(py, owner, place, layout)
    }
}

fn capsule_of<'py, M: Managed>(
    py: Python<'py>,
    owner: Box<dyn Send>,
    place: &Place,
    layout: &Layout<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut extents = Vec::new();
    fallible::reserve(&mut extents, 2 * layout.shape.len())?;
    extents.extend_from_slice(layout.shape);
    if let Some(strides) = layout.strides {
        extents.extend_from_slice(strides);
    } else {
        let mut stride = 1_i64;
        for &extent in layout.shape.iter().rev() {
            extents.push(stride);
            stride = stride.saturating_mul(extent.max(1));
        }
        extents[layout.shape.len()..].reverse();
    }
    let is_empty = layout.shape.contains(&0);
    let shape = extents.as_mut_ptr();
    let tensor = Tensor {
        data: if is_empty {
            ptr::null_mut()
        } else {
            place.data
        },
        device: place.device,
        dimensions: i32::try_from(layout.shape.len())?,
        element: layout.element,
        shape,
        strides: shape.wrapping_add(layout.shape.len()),
        byte_offset: 0,
    };
    let exported = Box::into_raw(Box::new(ExportedTensor {
        managed: M::new(tensor, place.flags),
        extents,
        owner,
    }));
    // SAFETY: L2: it is live, and nothing else refers to it yet.
    let pointer = unsafe { &raw mut (*exported).managed };
    // SAFETY: as above.
    *unsafe { &mut *pointer }.manager() = exported.cast();
    let destructor: ffi::PyCapsule_Destructor = discard::<M>;
    // SAFETY: L4, L5; the name is static.
    let made = unsafe { ffi::PyCapsule_New(pointer.cast(), M::NAME.as_ptr(), Some(destructor)) };
    if made.is_null() {
        // SAFETY: L2: there is no capsule to delete it.
        unsafe { delete(pointer) };
    }
    // SAFETY: L5; a new reference, or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}
